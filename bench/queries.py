"""How long three queries of a tenant take over HTTP, on the demo data: p50 and p99, and the CPU behind them.

The queries stand in bench/queries: the customer alone; its year with usage, invoices and tickets; 500 audit events.
One client asks one after the other over a connection that it keeps, with a session's token.

    python -m bench.queries [--requests 300]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from rich import box
from rich.console import Console
from rich.table import Table

from app import utc_now
from bench import server
from bench.server import Client, Server
from local import database, demo, postgres

QUERIES = Path(__file__).with_name("queries")

_WARM_UP = 30
_SIGN_IN = "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } } }"
# the demo tenant's trail is shorter than a year of a busy one
_EVENTS = """
    insert into audit_events (customer_id, event_type, action, actor, actor_kind, actor_ip, status, request_id, metadata)
    select customer_id, 'api.query', 'read', 'bench', 'tenant', '192.0.2.1', 'success', md5(n::text), '{"fields": ["customer"]}'
      from api_keys, generate_series(1, 2000) as n
     where prefix = $1
"""


@dataclass(frozen=True)
class Measured:
    """Milliseconds: of each request, and of CPU for one of them in the application and in PostgreSQL."""

    name: str
    size: int
    each: Sequence[float]
    api_cpu: float
    postgres_cpu: float

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.each, n=100, method="inclusive")[percent - 1]


def measure(requests: int) -> list[Measured]:
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        with postgres.start(Path(folder, "home"), durable=True) as cluster:
            environment, key = asyncio.run(_planted(cluster))
            with server.start(environment) as running:
                token = running.client(None).ask(_SIGN_IN, key=key)["createSession"]["session"]["token"]
                client = running.client(token)
                return [
                    _measured(path, cluster, running, client, requests) for path in sorted(QUERIES.glob("*.graphql"))
                ]


def _measured(path: Path, cluster: postgres.Cluster, running: Server, client: Client, requests: int) -> Measured:
    body = json.dumps({"query": path.read_text()}).encode()
    for _ in range(_WARM_UP):
        answer = client.send(body)
    assert "errors" not in json.loads(answer), answer[:500]
    api, sql, each = running.cpu(), server.cluster_cpu(cluster.home), []
    for _ in range(requests):
        began = time.perf_counter()
        client.send(body)
        each.append((time.perf_counter() - began) * 1000)
    return Measured(
        path.stem,
        len(answer),
        each,
        (running.cpu() - api) * 1000 / requests,
        (server.cluster_cpu(cluster.home) - sql) * 1000 / requests,
    )


async def _planted(cluster: postgres.Cluster) -> tuple[dict[str, str], str]:
    """The demo data and a longer trail; the application's environment, and the demo tenant's key."""
    environment = await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home))
    environment |= await demo.plant(environment, cluster.home, now=utc_now())
    key = environment.pop("LANDLORD_DEMO_KEY")
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url), server_settings={"search_path": "landlord"}, timeout=60
    )
    await admin.execute(_EVENTS, "_".join(key.split("_")[:3]))
    await admin.execute("vacuum analyze")
    await admin.close()
    return environment, key


def show(found: Sequence[Measured]) -> None:
    table = Table(title=f"Queries of the demo tenant, {len(found[0].each)} times each, in ms", box=box.SIMPLE)
    for heading in ("query", "p50", "p99", "API CPU", "SQL CPU", "answer KB"):
        table.add_column(heading, justify="left" if heading == "query" else "right", no_wrap=True)
    for one in found:
        table.add_row(
            one.name,
            f"{one.percentile(50):.2f}",
            f"{one.percentile(99):.2f}",
            f"{one.api_cpu:.2f}",
            f"{one.postgres_cpu:.2f}",
            f"{one.size / 1000:.1f}",
        )
    Console().print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.queries", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=300, help="of each query; default: 300")
    asked = parser.parse_args(arguments)
    show(measure(asked.requests))


if __name__ == "__main__":
    main()
