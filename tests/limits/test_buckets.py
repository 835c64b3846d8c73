"""How much a caller may ask in a while: decided here at once, and told to all sandboxes later."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from auth.caller import Caller, CallerKind
from auth.dynamo import Table
from db.enums import Tier
from local.aws import Emulator
from resolvers.buckets import ALLOWANCES, OPERATORS, Allowance, Balance, Buckets, Overdrawn
from resolvers.engine import Engine
from resolvers.execution import Core
from resolvers.http import Endpoint
from resolvers.ledger import DynamoLedger
from resolvers.limits import Limits
from tests.core.conftest import Lines
from tests.core.toy import SCHEMA, Toy, ToyOperations
from tests.landlord import Landlord, Tenant

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SMALL = dict(ALLOWANCES) | {
    Tier.STANDARD: Allowance(100, 10),
    Tier.FINTECH: Allowance(200, 20),
    OPERATORS: Allowance(1000, 100),
}


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def tenant(customer_id: UUID | None = None) -> Caller:
    return Caller(
        kind=CallerKind.TENANT,
        customer_id=customer_id or uuid4(),
        key_id=uuid4(),
        name="script",
        scopes=frozenset({"write"}),
        epoch=1,
    )


def operator() -> Caller:
    return Caller(
        kind=CallerKind.OPERATOR, customer_id=None, key_id=uuid4(), name="ops", scopes=frozenset({"operator"}), epoch=0
    )


# ---------------------------------------------------------------- one bucket


def test_a_bucket_gives_what_it_holds_and_then_what_comes_back() -> None:
    buckets, acme = Buckets(allowances=SMALL), tenant()
    assert buckets.take(acme, 60, NOW) == Balance(40, 10)
    assert buckets.take(acme, 40, NOW) == Balance(0, 10)
    with pytest.raises(Overdrawn) as limited:
        buckets.take(acme, 25, NOW)
    assert (limited.value.seconds, limited.value.balance) == (3, Balance(0, 10))
    with pytest.raises(Overdrawn):
        buckets.take(acme, 25, later(2.4))
    # a refusal takes nothing
    assert buckets.take(acme, 25, later(2.5)) == Balance(0, 10)
    assert buckets.take(acme, 0, later(3600)) == Balance(100, 10)


def test_all_keys_of_a_customer_share_one_and_an_operators_key_has_its_own() -> None:
    buckets, acme, globex, ops = Buckets(allowances=SMALL), tenant(), tenant(), operator()
    buckets.take(acme, 100, NOW)
    with pytest.raises(Overdrawn):
        buckets.take(tenant(acme.customer_id), 1, NOW)
    assert buckets.take(globex, 100, NOW) == Balance(0, 10)
    assert buckets.take(ops, 1000, NOW) == Balance(0, 100)
    assert buckets.take(operator(), 1000, NOW) == Balance(0, 100)


def test_a_tier_counts_from_when_it_is_known_and_debts_stay_as_long_as_they_were() -> None:
    buckets, acme = Buckets(allowances=SMALL), tenant()
    assert buckets.take(acme, 50, NOW) == Balance(50, 10)
    buckets.learn(acme, Tier.FINTECH)
    assert buckets.left(acme, NOW) == Balance(100, 20)
    assert buckets.take(acme, 100, NOW) == Balance(0, 20)


def test_only_the_first_refusal_of_a_minute_leaves_an_event() -> None:
    buckets, acme = Buckets(allowances=SMALL), tenant()
    told = []
    for seconds in (0, 1, 59, 60, 61):
        with pytest.raises(Overdrawn) as limited:
            buckets.take(acme, 1000, later(seconds))
        told.append(limited.value.told)
    assert told == [False, True, True, False, True]


def test_full_buckets_are_forgotten_and_others_are_not() -> None:
    buckets, busy = Buckets(allowances=SMALL), tenant()
    for number in range(15_000):
        buckets.take(tenant(), 1, later(number))
        if number == 9_995:
            buckets.take(busy, 100, later(number))
    assert len(buckets._buckets) < 6_000
    assert buckets.left(busy, later(9_999)) == Balance(40, 10)


# ---------------------------------------------------------------- one bucket, many processes


@dataclass
class SlowLedger:
    """In memory, and answers when it is let."""

    full_at: dict[str, datetime] = field(default_factory=dict)
    told: list[timedelta] = field(default_factory=list)
    broken: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, bucket: str, time: timedelta, *, now: datetime) -> datetime:
        await self.gate.wait()
        if self.broken:
            raise ConnectionError
        self.told.append(time)
        self.full_at[bucket] = max(now, self.full_at.get(bucket, now)) + time
        return self.full_at[bucket]


async def test_nobody_waits_for_the_ledger_and_all_of_it_is_told_in_the_end() -> None:
    ledger = SlowLedger()
    buckets, acme = Buckets(ledger, allowances=SMALL), tenant()
    buckets.take(acme, 10, NOW)
    await asyncio.sleep(0)
    assert buckets.take(acme, 20, NOW) == Balance(70, 10)
    ledger.gate.set()
    await buckets.settled()
    assert ledger.told == [timedelta(seconds=1)]
    assert buckets.left(acme, NOW) == Balance(70, 10)
    buckets.take(acme, 5, later(0.5))  # within a second of the last time it was told nothing
    await buckets.settled()
    assert len(ledger.told) == 1
    buckets.take(acme, 5, later(1))
    await buckets.settled()
    assert ledger.told == [timedelta(seconds=1), timedelta(seconds=3)]


async def test_what_others_took_counts_once_it_is_known_and_debts_are_common() -> None:
    ledger = SlowLedger()
    ledger.gate.set()
    here, there, acme = Buckets(ledger, allowances=SMALL), Buckets(ledger, allowances=SMALL), tenant()
    # before they know of each other each gives a whole bucket
    here.take(acme, 100, NOW)
    there.take(acme, 100, NOW)
    await here.settled()
    await there.settled()
    with pytest.raises(Overdrawn) as limited:
        there.take(acme, 10, NOW)
    # two buckets were taken: the second one is paid off first
    assert limited.value.seconds == 11
    assert there.take(acme, 10, later(11)) == Balance(0, 10)


async def test_while_the_ledger_is_gone_a_process_goes_by_what_it_knows_and_tells_it_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ledger = SlowLedger(broken=True)
    ledger.gate.set()
    buckets, acme = Buckets(ledger, allowances=SMALL), tenant()
    buckets.take(acme, 30, NOW)
    await buckets.settled()
    assert [record.getMessage() for record in caplog.records] == [
        "the ledger of buckets does not answer: ConnectionError"
    ]
    assert buckets.take(acme, 30, later(1)) == Balance(50, 10)
    await buckets.settled()
    assert len(caplog.records) == 1
    ledger.broken = False
    buckets.take(acme, 10, later(10))
    await buckets.settled()
    assert ledger.told == [timedelta(seconds=7)]


# ---------------------------------------------------------------- the ledger in DynamoDB


async def test_the_ledger_adds_up_what_all_take_and_forgets_what_came_back(table: Table) -> None:
    ledger = DynamoLedger(table)
    second = timedelta(seconds=1)
    assert await ledger.take("tenant/a", second, now=NOW) == later(1)
    assert await ledger.take("tenant/a", 5 * second, now=NOW) == later(6)
    assert await ledger.take("tenant/b", second, now=NOW) == later(1)
    assert await ledger.take("tenant/a", second, now=later(2)) == later(7)
    assert await ledger.take("tenant/a", second, now=later(7)) == later(8)
    assert await ledger.take("tenant/a", second, now=later(100)) == later(101)


async def test_nothing_is_lost_when_many_charge_one_bucket_at_once(table: Table) -> None:
    ledger = DynamoLedger(table)
    ends = await asyncio.gather(*(ledger.take("tenant/c", timedelta(seconds=1), now=NOW) for _ in range(20)))
    assert sorted(ends) == [later(seconds) for seconds in range(1, 21)]


async def test_a_table_that_is_not_there_stops_nobody(
    aws: Emulator, waits: None, caplog: pytest.LogCaptureFixture
) -> None:
    buckets, acme = Buckets(DynamoLedger(Table("nowhere", aws.url)), allowances=SMALL), tenant()
    assert buckets.take(acme, 30, NOW) == Balance(70, 10)
    await buckets.settled()
    assert buckets.left(acme, NOW) == Balance(70, 10)
    assert [record.getMessage() for record in caplog.records if record.name == "landlord.buckets"] == [
        "the ledger of buckets does not answer: OutOfReach"
    ]


# ---------------------------------------------------------------- over HTTP


def toy(allowances: Mapping[str, Allowance] = SMALL, limits: Limits | None = None) -> Toy:
    operations = ToyOperations()
    core = Core(SCHEMA, limits or Limits())
    engine = Engine(core, operations, core.limits, Buckets(allowances=allowances))
    return Toy(operations, core, engine, Starlette(routes=[Route("/graphql", Endpoint(engine, clock=lambda: NOW))]))


BOOKS = {"query": "query($first: Int) { books(first: $first) { nodes { title } } }", "variables": {"first": 50}}


async def test_every_answer_that_ran_says_what_it_cost_and_what_is_left() -> None:
    one = toy()
    answers = [(await one.post(BOOKS | {"variables": {"first": first}})).json() for first in (50, 5)]
    assert [answer["extensions"] for answer in answers] == [
        {"cost": {"requested": 52, "throttle": {"available": 48, "restoreRate": 10}}},
        {"cost": {"requested": 7, "throttle": {"available": 41, "restoreRate": 10}}},
    ]
    failed = (await one.post({"query": '{ fails(how: "NotFound") }'})).json()
    assert failed["extensions"]["cost"]["requested"] == 2


async def test_who_signs_in_has_no_bucket_yet() -> None:
    answer = await toy().post({"query": 'mutation { createSession(key: "good") { session { token } } }'}, scopes=None)
    assert answer.json()["extensions"] == {"cost": {"requested": 12, "throttle": None}}


@pytest.mark.parametrize("accept", ["application/graphql-response+json", "application/json"])
async def test_an_empty_bucket_is_429_with_the_seconds_to_wait(accept: str) -> None:
    one = toy()
    await one.post(BOOKS)
    response = await one.post(BOOKS, accept=accept)
    assert (response.status_code, response.headers["retry-after"]) == (429, "1")
    body = response.json()
    assert "data" not in body
    assert [error["extensions"]["code"] for error in body["errors"]] == ["RATE_LIMITED"]
    assert body["errors"][0]["message"] == (
        "This costs 51 points, and you have 47 left: try again in 1 s, or ask for less. 10 points come back every second."
    )
    assert body["extensions"] == {"cost": {"requested": 52, "throttle": {"available": 47, "restoreRate": 10}}}
    # nothing was run, and one event says so
    await one.post(BOOKS, accept=accept)
    assert [event[:2] for event in one.operations.events] == [("done", "query"), ("not run", "RATE_LIMITED")]


async def test_what_is_refused_costs_a_point_and_with_an_empty_bucket_nothing_is_read() -> None:
    one = toy(SMALL | {Tier.STANDARD: Allowance(3, 1)})
    codes = [(await one.post({"query": "{"})).json()["errors"][0]["extensions"]["code"] for _ in range(5)]
    assert codes == ["BAD_REQUEST"] * 3 + ["RATE_LIMITED"] * 2


async def test_what_costs_more_than_a_request_may_is_told_what_to_do(lines: Lines) -> None:
    one = toy(limits=Limits(cost=20))
    response = await one.post(BOOKS)
    assert response.json() == {
        "errors": [
            {
                "message": "This costs 52 points, and a request may cost 20: ask for fewer at once by `first`, or in several"
                " requests.",
                "extensions": {"code": "TOO_COMPLEX", "requestId": response.headers["x-request-id"]},
            }
        ],
        "extensions": {"cost": {"requested": 52, "throttle": {"available": 99, "restoreRate": 10}}},
    }
    assert [(line["cost"], line["codes"]) for line in lines("requests")] == [(52, ["TOO_COMPLEX"])]
    assert (await one.post(BOOKS | {"variables": {"first": 18}})).json()["extensions"]["cost"]["requested"] == 20


# ---------------------------------------------------------------- the real API


async def test_a_customers_tier_and_an_operators_rank_are_what_they_have(landlord: Landlord) -> None:
    """A process learns a tier with the first answer."""

    async def rate(caller: Tenant) -> int:
        answers: list[httpx.Response] = [await caller.post("{ viewer { name } }") for _ in range(2)]
        return int(answers[1].json()["extensions"]["cost"]["throttle"]["restoreRate"])

    for tier in Tier:
        assert await rate(await landlord.tenant(tier=tier)) == ALLOWANCES[tier].restore_rate
    assert await rate(landlord.house) == ALLOWANCES[OPERATORS].restore_rate
