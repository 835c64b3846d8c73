"""Three queries of a tenant over HTTP, by plans, by graphql-core, and on the floor of bare asyncpg: CPU and p50 of each.

The data is that of bench/dashboards.py. The three servers take turns, round after round, on one PostgreSQL with fsync on;
a ratio is the median of the rounds' ratios. All three give the same answers, which is looked at first.

    python -m bench.plans [--rounds 9] [--requests 60] [--customers 200]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench import dashboards, server
from bench.server import Client, Server
from local import postgres

QUERIES = Path(__file__).with_name("queries")
PLANS, CORE, FLOOR = "plans", "graphql-core", "floor"

_WARM_UP = 30

# query -> server -> (ms of CPU in the server, in PostgreSQL, p50) of each round
Found = dict[str, dict[str, list[tuple[float, float, float]]]]


def measure(*, rounds: int, requests: int, customers: int, events: int) -> Found:
    found: Found = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder, ExitStack() as running:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        cluster = running.enter_context(postgres.start(Path(folder, "home"), durable=True))
        environment = asyncio.run(dashboards.plant(cluster, customers=customers, events=events))
        token, caller = asyncio.run(dashboards.token(cluster, environment))
        known = json.dumps({"customer": str(caller.customer_id), "key": str(caller.key_id)})
        servers = {
            name: running.enter_context(server.start(environment, *arguments))
            for name, arguments in ((PLANS, ()), (CORE, (CORE,)), (FLOOR, (FLOOR, known)))
        }
        clients = {name: one.client(token) for name, one in servers.items()}
        bodies = {
            path.stem: json.dumps({"query": path.read_text()}).encode() for path in sorted(QUERIES.glob("*.graphql"))
        }
        for name, body in bodies.items():
            _same(name, [json.loads(client.send(body))["data"] for client in clients.values()])
            for client in clients.values():
                for _ in range(_WARM_UP):
                    client.send(body)
        for _ in range(rounds):
            for name, body in bodies.items():
                for who, client in clients.items():
                    found[name][who].append(_turn(cluster.home, servers[who], client, body, requests))
    return found


def _same(name: str, answers: Sequence[Any]) -> None:
    """Raises AssertionError where they differ, but for the events that the questions themselves leave."""
    if name != "q3":
        assert all(answer == answers[0] for answer in answers), answers
        return
    known = [{node["id"]: node for node in answer["auditEvents"]["nodes"]} for answer in answers]
    for one in known:
        alike = [one[id] == known[0][id] for id in one.keys() & known[0].keys()]
        assert len(one) == 500
        assert len(alike) > 400
        assert all(alike)


def _turn(home: Path, running: Server, client: Client, body: bytes, requests: int) -> tuple[float, float, float]:
    api, sql, each = running.cpu(), server.cluster_cpu(home), []
    for _ in range(requests):
        began = time.perf_counter()
        client.send(body)
        each.append((time.perf_counter() - began) * 1000)
    return (
        (running.cpu() - api) * 1000 / requests,
        (server.cluster_cpu(home) - sql) * 1000 / requests,
        statistics.median(each),
    )


def show(found: Found) -> None:
    table = Table(title="Medians in ms; x: of the rounds' ratios to the floor", box=box.SIMPLE)
    for heading in ("query", "answered by", "CPU", "x", "p50", "x", "SQL CPU"):
        table.add_column(heading, justify="left" if heading in ("query", "answered by") else "right", no_wrap=True)
    for name, by in found.items():
        for who, turns in by.items():
            cpu, sql, p50 = zip(*turns, strict=True)
            floor_cpu, _, floor_p50 = zip(*by[FLOOR], strict=True)
            table.add_row(
                name,
                who,
                f"{statistics.median(cpu):.2f}",
                f"{_ratio(cpu, floor_cpu):.2f}",
                f"{statistics.median(p50):.2f}",
                f"{_ratio(p50, floor_p50):.2f}",
                f"{statistics.median(sql):.2f}",
            )
    Console().print(table)


def _ratio(ones: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.plans", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=60, help="of each query in each round")
    parser.add_argument("--customers", type=int, default=dashboards.CUSTOMERS)
    parser.add_argument("--events", type=int, default=dashboards.EVENTS, help="of each customer")
    show(measure(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    main()
