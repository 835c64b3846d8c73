"""How the cost of a request grows: with the page, with the customers, with the audit trail, with those who ask at once.

Of our own server, over HTTP as it is, on a PostgreSQL of its own: CPU of the server and of the database a request, and round trips.
What should grow with the page alone is shown to: events of a trail that is a thousand times as long cost the same, since
partitions are pruned and an index is read; both are looked at in the very plans that ran (auto_explain).

Events are made by SQL, half of them the asking customer's, over thirteen months. Their ids are made as ours are and both
indexes are kept; the trigger that stamps an event with its hash is off, since nobody who reads looks at it.

    python -m bench.growth [--events 1000 10000 100000 1000000] [--tenants 10 1000] [--pages 1 10 25 50 100] [--requests 40]

At 10,000,000 events and 10,000 tenants it takes some minutes and several gigabytes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg

from bench import dashboards, roundtrips, server, tables, wire
from bench.server import Server
from bench.wire import Caller
from local import database, postgres

EVENTS, TENANTS, PAGES = (1_000, 10_000, 100_000, 1_000_000), (10, 1_000), (1, 10, 25, 50, 100)
AUDIT_GOAL = 2  # times the cost of a page at 10,000 events, at most

_QUERIES = Path(__file__).with_name("queries")
_ROUNDS = 5
_WARM_UP = 20
_AT_ONCE = (1, 2, 4, 8, 16)
_FLAT = """
    query Flat($first: Int!) {
      auditEvents(first: $first) { nodes { id eventType action resourceType resourceId actor status requestId createdAt } }
    }
"""
_NESTED = """
    query Nested($first: Int!) {
      tickets(first: $first) { nodes { id subject status createdAt comments(first: 3) { nodes { id author body } } } }
    }
"""
_NEWEST = "query Newest { auditEvents(first: 20) { nodes { id eventType action actor status createdAt } } }"
_FILTERED = """
    query Filtered($since: DateTime!) {
      auditEvents(first: 20, filter: {since: $since, eventType: ["usage.recorded"]}) {
        nodes { id eventType action actor status createdAt }
      }
    }
"""
# One in ten is of the kind that is filtered for, and every second one is the first customer's.
_EVENTS = """
    insert into audit_events (
        id, customer_id, event_type, action, resource_type, resource_id, actor, actor_kind, actor_ip, status, request_id, metadata,
        created_at, xid, leaf
    )
    select (overlay(lpad(to_hex((extract(epoch from at) * 1000000)::bigint * 512 / 125), 15, '0') placing '7' from 13 for 0)
            || right(replace(gen_random_uuid()::text, '-', ''), 16))::uuid,
           case when n % 2 = 0 then $4::uuid else others.id end,
           case when n % 10 = 0 then 'usage.recorded' else 'invoice.issued' end, 'update', 'Invoice',
           'inv_01jd8x0000000000000000' || to_char(n % 10000, 'FM0000'), 'operations', 'operator', '192.0.2.1', 'success',
           md5(n::text), '{"fields": ["invoice"]}', at, pg_current_xact_id(), sha256(int8send(n))
      from generate_series($1::bigint, $2::bigint) as n
     cross join lateral (select $3::timestamptz - ($5::bigint - n) / $5::float8 * interval '395 days' as at) as made
      join (select id, row_number() over (order by id) - 1 as place, count(*) over () as many from customers) as others
        on others.place = n % others.many
     order by n
"""
_AT_A_TIME = 500_000
_EXPLAINED = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
}


@dataclass(frozen=True)
class Cost:
    """Milliseconds of CPU of one request in each round, (of the server, of PostgreSQL); round trips."""

    what: str
    size: int
    turns: Sequence[tuple[float, float]]
    waits: float | None = None
    months: int | None = None  # of the audit trail, that were read
    blocks: int | None = None  # of the database's, that were looked at: what no other load on the machine changes

    @property
    def cpu(self) -> float:
        return statistics.median(cpu for cpu, _ in self.turns)

    @property
    def sql(self) -> float:
        return statistics.median(sql for _, sql in self.turns)

    def beside(self, other: Cost) -> float:
        """How many times as much CPU, the database's included: the median of the rounds."""
        return statistics.median(sum(one) / sum(its) for one, its in zip(self.turns, other.turns, strict=True))


@dataclass(frozen=True)
class _Ask:
    """A request of this size to a server over the PostgreSQL in `home`."""

    what: str
    size: int
    home: Path
    running: Server
    asked: bytes
    at_once: int = 1

    def warm(self) -> None:
        with closing(Caller(self.running.port)) as caller:
            for _ in range(_WARM_UP):
                body = caller.send(self.asked)
        assert "errors" not in json.loads(body), body[:500]

    def turn(self, requests: int) -> tuple[float, float]:
        cpu, sql = self.running.cpu(), server.backends_cpu(self.home)
        wire.throughput(self.running.port, self.asked, requests=requests, at_once=self.at_once)
        used = self.running.cpu() - cpu, server.since(sql, server.backends_cpu(self.home))
        return used[0] * 1000 / requests, used[1] * 1000 / requests


def _in_turn(asks: Sequence[_Ask], requests: int) -> list[Cost]:
    for ask in asks:
        ask.warm()
    rounds = [[ask.turn(requests) for ask in asks] for _ in range(_ROUNDS)]
    return [Cost(ask.what, ask.size, turns) for ask, turns in zip(asks, zip(*rounds, strict=True), strict=True)]


def _request(token: str, document: str, **variables: object) -> bytes:
    return wire.request(document, variables, {"Authorization": f"Bearer {token}"})


@contextmanager
def _cluster(*, durable: bool) -> Iterator[postgres.Cluster]:
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        with postgres.start(Path(folder, "home"), durable=durable) as cluster:
            yield cluster


def pages(sizes: Sequence[int], *, requests: int) -> list[Cost]:
    """A flat list and a nested one, by how much of it is asked for."""
    with _cluster(durable=True) as cluster, roundtrips.counting(cluster.port) as heard:
        environment = asyncio.run(dashboards.plant(cluster, customers=20, events=300))
        token, _ = asyncio.run(dashboards.token(cluster, environment))
        through = {"LANDLORD_TENANT_URL": heard.through(environment["LANDLORD_TENANT_URL"])}
        with server.start(environment) as running, server.start({**environment, **through}) as slow:
            asks = [
                _Ask(what, size, cluster.home, running, _request(token, document, first=size))
                for what, document in (("events", _FLAT), ("tickets with comments", _NESTED))
                for size in sizes
            ]
            found = _in_turn(asks, requests)
            return [replace(cost, waits=_waits(heard, slow, ask.asked)) for cost, ask in zip(found, asks, strict=True)]


def _waits(heard: roundtrips.Heard, slow: Server, asked: bytes) -> float:
    with closing(Caller(slow.port)) as caller:
        caller.send(asked)
        time.sleep(0.1)  # an answer may be here before the listener has counted its end
        before = heard.waits
        for _ in range(4):
            caller.send(asked)
        time.sleep(0.1)
    return (heard.waits - before) / 4


def tenants(counts: Sequence[int], *, requests: int) -> list[Cost]:
    """The three queries of bench/queries, by how many customers there are; each has a year, and fifty events."""
    asks = []
    with ExitStack() as stack:
        for count in counts:
            cluster = stack.enter_context(_cluster(durable=False))
            environment = asyncio.run(dashboards.plant(cluster, customers=count, events=50))
            token, _ = asyncio.run(dashboards.token(cluster, environment))
            running = stack.enter_context(server.start(environment))
            asks += [
                _Ask(path.stem, count, cluster.home, running, _request(token, path.read_text()))
                for path in sorted(_QUERIES.glob("*.graphql"))
            ]
        return _in_turn(asks, requests)


def events(counts: Sequence[int], *, requests: int) -> list[Cost]:
    """The newest page of the trail and a filtered one, by how long the trail is."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 25 * 86400))
    kinds: list[tuple[str, str, dict[str, object]]] = [
        ("newest page", _NEWEST, {}),
        ("filtered page", _FILTERED, {"since": since}),
    ]
    asks, read = [], []
    with ExitStack() as stack:
        for count in counts:
            cluster = stack.enter_context(_cluster(durable=False))
            environment = asyncio.run(dashboards.plant(cluster, customers=200, events=0))
            token, caller = asyncio.run(dashboards.token(cluster, environment))
            asyncio.run(_plant(cluster, count, str(caller.customer_id)))
            running = stack.enter_context(server.start(environment))
            for what, document, variables in kinds:
                asked = _request(token, document, **variables)
                asks.append(_Ask(what, count, cluster.home, running, asked))
                read.append(_read_for(cluster, environment, asked))
        found = _in_turn(asks, requests)
    return [replace(cost, months=months, blocks=blocks) for cost, (months, blocks) in zip(found, read, strict=True)]


def at_once(*, requests: int) -> list[Cost]:
    """The small query and the dashboard, by how many ask at the same time: does anybody pay for the others?"""
    with _cluster(durable=True) as cluster:
        environment = asyncio.run(dashboards.plant(cluster, customers=20, events=300))
        token, _ = asyncio.run(dashboards.token(cluster, environment))
        with server.start({**environment, "LANDLORD_CONNECTIONS": "10"}) as running:
            asks = []
            for query in ("q1", "q2"):
                asked = _request(token, (_QUERIES / f"{query}.graphql").read_text())
                wire.throughput(running.port, asked, requests=200, at_once=max(_AT_ONCE))
                asks += [_Ask(query, many, cluster.home, running, asked, at_once=many) for many in _AT_ONCE]
            return _in_turn(asks, 2 * requests)


async def _plant(cluster: postgres.Cluster, wanted: int, customer: str) -> None:
    """So many events over the last thirteen months."""
    admin = await _admin(cluster)
    now = await admin.fetchval("select now() - interval '1 minute'")
    await admin.execute("set synchronous_commit = off")
    await admin.execute("alter table audit_events disable trigger audit_events_stamped")
    for first in range(1, wanted + 1, _AT_A_TIME):
        await admin.execute(_EVENTS, first, min(first + _AT_A_TIME - 1, wanted), now, customer, wanted, timeout=1800)
    await admin.execute("alter table audit_events enable always trigger audit_events_stamped")
    await admin.execute("vacuum analyze audit_events", timeout=1800)
    await admin.close()


def _read_for(cluster: postgres.Cluster, environment: Mapping[str, str], asked: bytes) -> tuple[int, int]:
    """How many months of the trail were read for this page, and how many blocks, as the plans say that ran."""
    log = cluster.home / "postgres.log"
    asyncio.run(_explain(cluster, _EXPLAINED))
    try:
        # a server of its own: what a session loads it loads when it begins
        with server.start(environment) as running, closing(Caller(running.port)) as caller:
            for _ in range(_WARM_UP):  # what a session looks up once it has looked up
                begins = log.stat().st_size
                caller.send(asked)
    finally:
        asyncio.run(_explain(cluster, dict.fromkeys(_EXPLAINED)))
    told = log.read_bytes()[begins:].decode()
    plans = [json.loads(text.replace("\n\t", "\n")) for text in re.findall(r"plan:\n\t(\{.*?\n\t\})", told, re.DOTALL)]
    plans = [plan["Plan"] for plan in plans if _months(plan["Plan"])]
    assert plans, told[-1000:]
    return (
        len(set().union(*map(_months, plans))),
        sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans),
    )


def _months(plan: Mapping[str, Any]) -> set[str]:
    return {name for name in _read(plan) if re.fullmatch(r"audit_events_\d{6}", name)}


def _read(node: Mapping[str, Any]) -> Iterator[str]:
    """The tables that this part of a plan has looked into."""
    if "Relation Name" in node and node["Actual Loops"]:
        yield node["Relation Name"]
    for part in node.get("Plans", []):
        yield from _read(part)


async def _explain(cluster: postgres.Cluster, told: Mapping[str, str | None]) -> None:
    """Sessions of tenants that begin from now on write down their plans, or do not."""
    admin = await _admin(cluster)
    for name, text in told.items():
        value = "default" if text is None else f"'{text}'"
        await admin.execute(f"alter role landlord_tenant set {name} = {value}")
    await admin.close()


async def _admin(cluster: postgres.Cluster) -> asyncpg.Connection:
    return await asyncpg.connect(
        database.admin_url(cluster.superuser_url), server_settings={"search_path": "landlord"}, timeout=60
    )


def slope(costs: Sequence[Cost]) -> float:
    """Microseconds of CPU, the database's included, that one more item takes: from the smallest page to the largest."""
    first, last = costs[0], costs[-1]
    return (last.cpu + last.sql - first.cpu - first.sql) * 1000 / (last.size - first.size)


def table(costs: Sequence[Cost], size: str) -> tables.Table:
    """`size`: what grows. x: times what the first row of the same question takes, the database's CPU included."""
    waits, read = any(one.waits is not None for one in costs), any(one.months is not None for one in costs)
    rows = [["asked for", size, "CPU ms", "SQL CPU ms", "x"]]
    rows[0] += ["round trips"] if waits else []
    rows[0] += ["months read", "blocks"] if read else []
    first: dict[str, Cost] = {}
    for one in costs:
        row = [one.what, f"{one.size:,}", f"{one.cpu:.2f}", f"{one.sql:.2f}"]
        row.append(f"{one.beside(first.setdefault(one.what, one)):.2f}")
        row += [f"{one.waits:g}"] if waits else []
        row += [f"{one.months}", f"{one.blocks:,}"] if read else []
        rows.append(row)
    return rows


def cpu_at_scale(costs: Sequence[Cost]) -> float:
    """How many times as much CPU a page of the longest trail takes as one at 10,000 events; of the page that takes most."""
    return max(longest.beside(short) for longest, short in _ends(costs))


def blocks_at_scale(costs: Sequence[Cost]) -> float:
    """The same in blocks."""
    return max((longest.blocks or 0) / (short.blocks or 1) for longest, short in _ends(costs))


def _ends(costs: Sequence[Cost]) -> Iterator[tuple[Cost, Cost]]:
    by = {(one.what, one.size): one for one in costs}
    for what in dict.fromkeys(one.what for one in costs):
        yield by[what, max(one.size for one in costs)], by[what, 10_000]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, nargs="+", default=list(EVENTS), help="default: 1000 to 1000000")
    parser.add_argument("--tenants", type=int, nargs="*", default=list(TENANTS), help="default: 10 1000")
    parser.add_argument("--pages", type=int, nargs="*", default=list(PAGES), help="default: 1 10 25 50 100")
    parser.add_argument(
        "--requests", type=int, default=40, help="of each kind in each of five rounds, everything in turn"
    )
    parser.add_argument("--events-alone", action="store_true", help="the audit trail, and nothing else")
    asked = parser.parse_args(arguments)
    if not asked.events_alone:
        found = pages(asked.pages, requests=asked.requests)
        tables.show("The size of a page", table(found, "first"))
        tables.show("Customers", table(tenants(asked.tenants, requests=asked.requests), "customers"))
        tables.show("Asked at once", table(at_once(requests=asked.requests), "at once"))
    trail = events(asked.events, requests=asked.requests)
    tables.show("Audit events", table(trail, "events"))
    if 10_000 in asked.events:
        print(f"Goal: at most {AUDIT_GOAL} times the cost at 10,000 events: {cpu_at_scale(trail):.2f} times the CPU.")


if __name__ == "__main__":
    main()
