"""Three queries of a tenant over HTTP, answered by us and by peers in turns: CPU, p50, p99, bytes, round trips, throughput.

Ours runs as it is, behind uvicorn: with sessions, limits, and an audit event of each query; once with that event durable,
once with LANDLORD_RELAXED_READS, and once without lists that the database writes as JSON. Beside it PostGraphile, Apollo
Server with dataloaders, mercurius with its JIT, Strawberry as one writes it (bench/naive.py), and two floors with our context
and event: bare asyncpg, rows made JSON by hand (bench/floor.py), and our own statement with no application around it
(bench/bare.py), durable and relaxed. All read the rows of bench/dashboards.py from one PostgreSQL with fsync on, as
roles under row-level security. All give the same values, which is looked at first; peers give plain UUIDs where we give
TypeIDs. Each round asks everybody, a ratio is the median of the rounds' ratios.

    python -m bench.comparison [--rounds 9] [--requests 60] [--customers 200] [--servers NAME ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from bench import dashboards, roundtrips, server, tables, wire
from bench.peers import database as peers
from bench.peers import servers
from bench.server import Server
from bench.wire import Caller
from db.typeids import ALPHABET
from local import postgres
from tests.pooler import bouncer

QUERIES = Path(__file__).with_name("queries")

OURS, RELAXED, ROWS = "Landlord", "Landlord, relaxed reads", "Landlord, lists from rows"
CORE = "Landlord without plans"
FLOOR, NAIVE = "floor: bare asyncpg", "plain Strawberry"
BARE, BARE_RELAXED = "our statement alone", "our statement alone, relaxed"
POSTGRAPHILE, APOLLO, MERCURIUS = "PostGraphile", "Apollo Server", "mercurius, JIT"
ON_NODE = {POSTGRAPHILE: servers.POSTGRAPHILE, APOLLO: servers.APOLLO, MERCURIUS: servers.MERCURIUS}
# in the order of a round; CORE is there for whoever asks for it
ALL = (OURS, RELAXED, ROWS, POSTGRAPHILE, APOLLO, MERCURIUS, NAIVE, FLOOR, BARE, BARE_RELAXED)

# what `bench.server` is told of each that is not the application as it is
_KINDS = {CORE: "graphql-core", ROWS: "rows", FLOOR: "floor", BARE: "bare", BARE_RELAXED: "bare"}

AT_ONCE = 16
_CONNECTIONS = 9  # of each of ten: PostgreSQL takes a hundred
_WARM_UP = 100  # V8 needs as many before it has compiled what matters
_COUNTED = 10


@dataclass(frozen=True, slots=True)
class Turn:
    """Milliseconds of CPU a request, in the server and in PostgreSQL; and of each request, until its answer was there."""

    cpu: float
    sql: float
    each: Sequence[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.each)


@dataclass
class Answered:
    """What one server did with one query. `waits`: round trips to the database a request; `pooled` through PgBouncer."""

    turns: list[Turn] = field(default_factory=list)
    size: int = 0
    waits: float = 0
    pooled: float | None = None
    many: list[float] = field(default_factory=list)  # requests in a second, with AT_ONCE under way

    def cpu(self) -> float:
        return statistics.median(turn.cpu for turn in self.turns)

    def sql(self) -> float:
        return statistics.median(turn.sql for turn in self.turns)

    def p50(self) -> float:
        return statistics.median(turn.p50 for turn in self.turns)

    def p99(self) -> float:
        """Of all rounds together."""
        return statistics.quantiles([one for turn in self.turns for one in turn.each], n=100, method="inclusive")[98]


@dataclass
class Compared:
    """`answered` by query and server; `memory` in megabytes, after all of it."""

    answered: dict[str, dict[str, Answered]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)

    def ratio(self, query: str, one: str, other: str, of: Callable[[Turn], float]) -> float:
        """How many times as much `one` takes as `other`: the median of the rounds."""
        by = self.answered[query]
        return statistics.median(of(a) / of(b) for a, b in zip(by[one].turns, by[other].turns, strict=True))


@dataclass(frozen=True)
class _Asker:
    """How the servers are started, and what each is asked. `url` is that of the peers' login."""

    environment: Mapping[str, str]
    url: str
    token: str
    customer: str
    key: str

    def start(self, name: str, through: Callable[[str], str] = str, **told: str) -> AbstractContextManager[Server]:
        """`through` says another way to the database."""
        connections = {"LANDLORD_CONNECTIONS": str(_CONNECTIONS)}
        if name in ON_NODE:
            return servers.start(ON_NODE[name], through(self.url), connections=_CONNECTIONS)
        if name == NAIVE:
            return server.start({**connections, "PEERS_URL": through(self.url)}, "naive")
        own = {**self.environment, **connections, **told}
        own |= {login: through(own[login]) for login in ("LANDLORD_TENANT_URL", "LANDLORD_OPERATOR_URL")}
        if name in (RELAXED, BARE_RELAXED):
            own["LANDLORD_RELAXED_READS"] = "true"
        caller = json.dumps({"customer": self.customer, "key": self.key, "token": self.token})
        return server.start(own, *([_KINDS[name], caller] if name in _KINDS else []))

    def request(self, name: str, query: str) -> bytes:
        """`query` is the name of a file; PostGraphile has its own."""
        folder = servers.QUERIES if name == POSTGRAPHILE else QUERIES
        document = (folder / f"{query}.graphql").read_text()
        if name in ON_NODE or name == NAIVE:
            variables = {"id": self.customer} if name == POSTGRAPHILE else {}
            return wire.request(document, variables, {"x-customer": self.customer})
        return wire.request(document, {}, {"Authorization": f"Bearer {self.token}"})


def measure(
    *,
    rounds: int,
    requests: int,
    customers: int = dashboards.CUSTOMERS,
    events: int = dashboards.EVENTS,
    names: Sequence[str] = ALL,
    warm_up: int = _WARM_UP,
) -> Compared:
    found = Compared({path.stem: {name: Answered() for name in names} for path in sorted(QUERIES.glob("*.graphql"))})
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder, ExitStack() as running:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        cluster = running.enter_context(postgres.start(Path(folder, "home"), durable=True))
        environment = asyncio.run(dashboards.plant(cluster, customers=customers, events=events))
        url = asyncio.run(peers.plant(cluster))
        token, caller = asyncio.run(dashboards.token(cluster, environment))
        asker = _Asker(environment, url, token, str(caller.customer_id), str(caller.key_id))
        _count(found, asker, cluster, Path(folder, "bouncer"))

        started = {name: running.enter_context(asker.start(name)) for name in names}
        asked = {(name, query): asker.request(name, query) for query in found.answered for name in names}
        for query, by in found.answered.items():
            bodies = {name: _answer(started[name], asked[name, query]) for name in names}
            _same(query, {name: json.loads(body)["data"] for name, body in bodies.items()})
            for name, answered in by.items():
                answered.size = len(bodies[name])
                _answer(started[name], asked[name, query], times=warm_up)
        for _ in range(rounds):
            for query, by in found.answered.items():
                for name, answered in by.items():
                    answered.turns.append(_turn(cluster.home, started[name], asked[name, query], requests))
                for name, answered in by.items():
                    port, ask = started[name].port, asked[name, query]
                    answered.many.append(wire.throughput(port, ask, requests=2 * requests, at_once=AT_ONCE))
        found.memory = {name: one.memory() for name, one in started.items()}
    return found


def _answer(running: Server, asked: bytes, times: int = 1) -> bytes:
    """The body of the last answer."""
    with closing(Caller(running.port)) as caller:
        return [caller.send(asked) for _ in range(times)][-1]


def _turn(home: Path, running: Server, asked: bytes, requests: int) -> Turn:
    with closing(Caller(running.port)) as caller:  # a new one: Node hangs up after five idle seconds
        caller.send(asked)
        return _timed(home, running, caller, asked, requests)


def _timed(home: Path, running: Server, caller: Caller, asked: bytes, requests: int) -> Turn:
    cpu, sql, each = running.cpu(), server.backends_cpu(home), []
    for _ in range(requests):
        began = time.perf_counter()
        caller.send(asked)
        each.append((time.perf_counter() - began) * 1000)
    return Turn(
        (running.cpu() - cpu) * 1000 / requests,
        server.since(sql, server.backends_cpu(home)) * 1000 / requests,
        each,
    )


def _count(found: Compared, asker: _Asker, cluster: postgres.Cluster, home: Path) -> None:
    """Round trips: of everybody straight to the database, and of ours through PgBouncer where it is installed."""
    names = list(next(iter(found.answered.values())))
    with roundtrips.counting(cluster.port) as heard:
        for name in names:
            with asker.start(name, heard.through) as running:
                for query, by in found.answered.items():
                    by[name].waits = _waits(heard, running, asker.request(name, query))
    if bouncer.program() is None:
        return
    own = [urlsplit(asker.environment[f"LANDLORD_{login}_URL"]) for login in ("TENANT", "OPERATOR")]
    passwords = {str(url.username): str(url.password) for url in own}
    with bouncer.start(home, server=cluster.port, passwords=passwords) as port, roundtrips.counting(port) as heard:
        for name in {OURS, RELAXED, ROWS}.intersection(names):
            with asker.start(name, heard.through, LANDLORD_POOLED="true") as running:
                for query, by in found.answered.items():
                    by[name].pooled = _waits(heard, running, asker.request(name, query))


def _waits(heard: roundtrips.Heard, running: Server, asked: bytes) -> float:
    """Of one request, once statements are prepared and whatever is kept is there."""
    with closing(Caller(running.port)) as caller:
        for _ in range(_COUNTED):
            caller.send(asked)
        before = _settled(heard)
        for _ in range(_COUNTED):
            caller.send(asked)
        return (_settled(heard) - before) / _COUNTED


def _settled(heard: roundtrips.Heard) -> int:
    """What was heard, once all of it has been: an answer may be here before the listener has counted its end."""
    time.sleep(0.1)
    return heard.waits


def _same(query: str, answers: Mapping[str, Any]) -> None:
    """Raises AssertionError where they differ, but for the events that the questions themselves leave."""
    plain = {name: _plain(answer) for name, answer in answers.items()}
    ours = plain[OURS]
    if query != "q3":
        assert [name for name, one in plain.items() if one != ours] == []
        return
    known = {name: {node["id"]: node for node in one["auditEvents"]["nodes"]} for name, one in plain.items()}
    for name, one in known.items():
        both = one.keys() & known[OURS].keys()
        assert (len(one), len(both) > 400) == (500, True), name
        assert all(one[id] == known[OURS][id] for id in both), name


def _plain(said: Any) -> Any:
    """The same with a TypeID's UUID in its place."""
    if isinstance(said, list):
        return [_plain(one) for one in said]
    if isinstance(said, dict):
        return {name: _uuid(one) if name == "id" else _plain(one) for name, one in said.items()}
    return said


def _uuid(id: str) -> str:
    prefix, _, text = id.partition("_")
    if not text:
        return prefix
    number = 0
    for character in text:
        number = number * 32 + ALPHABET.index(character)
    return str(UUID(int=number))


def speed(found: Compared, query: str) -> tables.Table:
    """x: how many times as much as ours, or as little."""
    rows = [["answered by", "CPU ms", "x", "p50 ms", "x", "p99 ms", "SQL CPU ms", f"a second, {AT_ONCE} at once"]]
    for name, one in found.answered[query].items():
        rows.append([
            name,
            f"{one.cpu():.2f}",
            f"{found.ratio(query, name, OURS, lambda turn: turn.cpu):.2f}",
            f"{one.p50():.2f}",
            f"{found.ratio(query, name, OURS, lambda turn: turn.p50):.2f}",
            f"{one.p99():.2f}",
            f"{one.sql():.2f}",
            f"{statistics.median(one.many):,.0f}",
        ])  # fmt: skip
    return rows


def sizes(found: Compared) -> tables.Table:
    """Bytes of each answer, round trips to the database (through PgBouncer), memory."""
    queries = list(found.answered)
    rows = [
        ["answered by", *(f"{query} bytes" for query in queries), *(f"{query} round trips" for query in queries), "MB"]
    ]
    for name in found.memory:
        by = [found.answered[query][name] for query in queries]
        rows.append([
            name,
            *(f"{one.size:,}" for one in by),
            *(f"{one.waits:g}" + (f" ({one.pooled:g})" if one.pooled is not None else "") for one in by),
            f"{found.memory[name]:,.0f}",
        ])  # fmt: skip
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.comparison", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=60, help="of each query in each round")
    parser.add_argument("--customers", type=int, default=dashboards.CUSTOMERS)
    parser.add_argument("--events", type=int, default=dashboards.EVENTS, help="of each customer")
    parser.add_argument("--servers", dest="names", nargs="+", choices=[*ALL, CORE], default=ALL, metavar="NAME")
    parser.add_argument("--json", type=Path, help="also write every figure there")
    asked = vars(parser.parse_args(arguments))
    file = asked.pop("json")
    found = measure(**asked)
    for query in found.answered:
        tables.show(
            f"{query}: medians of {asked['rounds']} rounds of {asked['requests']} requests", speed(found, query)
        )
    tables.show("Sizes, round trips to the database (through PgBouncer), memory after all of it", sizes(found))
    if file is not None:
        file.write_text(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
