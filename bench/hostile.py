"""How much CPU hostile requests cost the application: the corpus of tests/hostile, each sent over HTTP, dearest first.

Each is sent many times over, never as the same document twice, so that nothing of it is remembered. What PostgreSQL does
meanwhile, mostly writing the refusal down, is not counted.

    python -m bench.hostile [--times 20]
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from app import utc_now
from bench import server
from bench.server import Server
from local import database, demo, postgres
from tests.hostile.corpus import Hostile, corpus

MOST = 0.1  # seconds of CPU

_SIGN_IN = "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } } }"


@dataclass(frozen=True)
class Met:
    """`cpu` is in seconds, of one request."""

    name: str
    status: int
    code: str
    cpu: float


def measure(times: int) -> list[Met]:
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        home = Path(folder, "home")
        with postgres.start(home, durable=False) as cluster:
            environment = asyncio.run(_prepare(cluster))
            with server.start(environment) as running:
                # an operator has the largest bucket
                key = json.loads((home / "demo-keys.json").read_text())["operator"]
                token = running.client(None).ask(_SIGN_IN, key=key)["createSession"]["session"]["token"]
                return [_met(running, token, hostile, times) for hostile in corpus()]


async def _prepare(cluster: postgres.Cluster) -> dict[str, str]:
    environment = await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home))
    return environment | await demo.plant(environment, cluster.home, now=utc_now())


def _met(running: Server, token: str, hostile: Hostile, times: int) -> Met:
    _send(running, token, hostile, 0)
    before = running.cpu()
    for number in range(1, times + 1):
        status, body = _send(running, token, hostile, number)
    cpu = (running.cpu() - before) / times
    codes = {error["extensions"]["code"] for error in json.loads(body).get("errors", [])}
    return Met(hostile.name, status, " ".join(codes), cpu)


def _send(running: Server, token: str, hostile: Hostile, number: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60)
    # a document that nobody has seen before
    body = re.sub(rb'^\{"query":( ?)"', lambda found: found[0] + b" " * number, hostile.body, count=1)
    with suppress(BrokenPipeError, ConnectionResetError):  # it need not be read to its end to be refused
        connection.request("POST", "/graphql", body, {"Authorization": f"Bearer {token}", **hostile.headers})
    try:
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 where one of them costs more than it may."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=20, help="how often each is sent (default: 20)")
    met = sorted(measure(parser.parse_args(arguments).times), key=lambda one: -one.cpu)
    table = Table(box=box.SIMPLE_HEAD)
    for title in ("request", "status", "code", "CPU, ms"):
        table.add_column(title, justify="right" if title == "CPU, ms" else "left")
    for one in met:
        table.add_row(one.name, str(one.status), one.code, f"{one.cpu * 1000:.1f}")
    Console().print(table)
    Console().print(f"{len(met)} hostile requests; the dearest: {met[0].cpu * 1000:.1f} ms of CPU ({met[0].name}).")
    return int(met[0].cpu > MOST)


if __name__ == "__main__":
    raise SystemExit(main())
