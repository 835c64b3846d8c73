"""Readings of CloudWatch over the API: an operator's script starts one, polls it, and reads who is missing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from app import Settings, create_app, utc_now
from billing import usage_sync
from billing.cloudwatch import CloudWatch, NotAllowed
from billing.periods import Month
from db.billing_runs import EVERYONE
from schema.context import Context
from schema.ids import typeid, uuid_of
from tests.landlord import Refused, Tenant
from tests.ledger import Ledger
from tests.usage.meter import Meter

# The application reads the real clock.
NOW = utc_now()
THIS = Month.of(NOW.date())
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)

START = """
mutation ($input: SyncUsageInput!) {
  syncUsage(input: $input) {
    usageSync { id month status customersTotal customersUpdated startedAt finishedAt }
    errors { code field }
  }
}
"""
SYNC = """
query ($id: ID!, $first: Int, $after: String) {
  usageSync(id: $id) {
    month status failedReason customersTotal customersUpdated customersUnchanged
    missing(first: $first, after: $after) { nodes { id name } totalCount pageInfo { hasNextPage endCursor } }
    failures(first: $first) { nodes { code reason customer { id } } totalCount }
  }
}
"""


async def start(house: Tenant, month: Month = THIS, **given: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await house.api(START, input={"month": str(month)} | given))["syncUsage"]
    return answer


async def work(ledger: Ledger, id: str, read: usage_sync.Read) -> None:
    sync_id = uuid_of("syn", id, ("id",))
    await usage_sync.work_share(ledger.connections, sync_id, within=EVERYONE, read=read, clock=utc_now)


def names(*customer_ids: UUID) -> list[str]:
    return [typeid("cus", id) for id in customer_ids]


async def test_a_script_starts_a_sync_and_polls_it_until_it_is_finished(
    ledger: Ledger, house: Tenant, meter: Meter
) -> None:
    used, unheard, odd = [await ledger.customer(used=()) for _ in range(3)]
    meter.publish(typeid("cus", used), TODAY, AccountCount=12)
    meter.publish(typeid("cus", odd), TODAY, AccountCount=-1)
    started = await start(house, customerIds=names(used, unheard, odd))
    assert started["errors"] == []
    id = started["usageSync"].pop("id")
    assert id.startswith("syn_")
    assert started["usageSync"] == {
        "month": str(THIS), "status": "QUEUED", "customersTotal": 3, "customersUpdated": 0, "startedAt": None,
        "finishedAt": None,
    }  # fmt: skip
    await work(ledger, id, CloudWatch(meter.url).read)
    done = (await house.api(SYNC, id=id))["usageSync"]
    assert done == {
        "month": str(THIS), "status": "COMPLETED_WITH_FAILURES", "failedReason": None, "customersTotal": 3,
        "customersUpdated": 1, "customersUnchanged": 0,
        "missing": {"nodes": [{"id": typeid("cus", unheard), "name": "Initech"}], "totalCount": 1,
                    "pageInfo": {"hasNextPage": False, "endCursor": done["missing"]["pageInfo"]["endCursor"]}},
        "failures": {
            "nodes": [{
                "code": "BAD_ANSWER", "customer": {"id": typeid("cus", odd)},
                "reason": f"AccountCount is -1.0 on {TODAY.date()}: a number from 0 to less than 10^18 is expected.",
            }],
            "totalCount": 1,
        },
    }  # fmt: skip
    usage = "query ($id: ID!) { usage(customerId: $id) { month revision accountCount cloudtrailEvents } }"
    assert (await house.api(usage, id=typeid("cus", used)))["usage"] == [
        {"month": str(THIS), "revision": 1, "accountCount": 12, "cloudtrailEvents": "0"}
    ]
    trail = await ledger.admin.fetch("select event_type, action, status from audit_events where resource_id = $1", id)
    assert [tuple(row) for row in trail] == [("usage_sync.started", "execute", "success")]
    node = "query ($id: ID!) { node(id: $id) { __typename ... on UsageSync { status } } }"
    assert (await house.api(node, id=id))["node"] == {"__typename": "UsageSync", "status": "COMPLETED_WITH_FAILURES"}


async def test_who_is_missing_is_paged_newest_first(ledger: Ledger, house: Tenant, meter: Meter) -> None:
    everyone = sorted([await ledger.customer(used=()) for _ in range(5)])
    ids = [(await start(house, customerIds=names(*everyone)))["usageSync"]["id"] for _ in range(2)]
    for id in ids:
        await work(ledger, id, CloudWatch(meter.url).read)
    found: list[str] = []
    page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    while page["hasNextPage"]:
        part = (await house.api(SYNC, id=ids[0], first=2, after=page["endCursor"]))["usageSync"]["missing"]
        assert (len(part["nodes"]) <= 2, part["totalCount"]) == (True, 5)
        found += [node["id"] for node in part["nodes"]]
        page = part["pageInfo"]
    assert found == names(*reversed(everyone))
    with pytest.raises(Refused) as refusal:
        await house.api(SYNC, id=ids[1], after=page["endCursor"])
    assert refusal.value.codes == ["INVALID"]


async def test_a_page_of_the_missing_costs_the_same_however_long_it_is(
    ledger: Ledger, house: Tenant, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = [await ledger.customer(used=()) for _ in range(6)]
    id = (await start(house, customerIds=names(*everyone)))["usageSync"]["id"]
    await work(ledger, id, CloudWatch(meter.url).read)
    counted: list[int] = []
    for first in (1, 6):
        contexts: list[Context] = []
        made = Context.__init__

        def noticed(context: Context, made: Any = made, seen: list[Context] = contexts, **how: Any) -> None:
            made(context, **how)
            seen.append(context)

        with monkeypatch.context() as patched:
            patched.setattr(Context, "__init__", noticed)
            await house.api(SYNC, id=id, first=first)
        counted.append(contexts[0].session.statements)
    assert counted[0] == counted[1]


async def test_a_sync_that_broke_says_why(ledger: Ledger, house: Tenant) -> None:
    def refuses(*_: Any) -> Any:
        raise NotAllowed("CloudWatch answers AccessDenied: not you")

    id = (await start(house, customerIds=names(await ledger.customer(used=()))))["usageSync"]["id"]
    await work(ledger, id, refuses)
    told = (await house.api(SYNC, id=id))["usageSync"]
    assert (told["status"], told["failedReason"]) == ("FAILED", "CloudWatch answers AccessDenied: not you")


async def test_a_sync_that_cannot_be_started_says_why_and_nothing_runs(ledger: Ledger, house: Tenant) -> None:
    customer = typeid("cus", await ledger.customer(used=()))
    before = await ledger.admin.fetchval("select count(*) from usage_syncs")
    refused: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"month": str(THIS.next())}, "INVALID", "month"),
        ({"customerIds": []}, "INVALID", "customerIds"),
        ({"customerIds": [customer, "garbage"]}, "INVALID", "customerIds"),
        ({"customerIds": [customer.replace("cus_", "syn_")]}, "INVALID", "customerIds"),
        ({"customerIds": [customer, typeid("cus", UUID(int=7))]}, "NOT_FOUND", "customerIds"),
        ({"customerIds": names(*map(UUID, (f"{n:032x}" for n in range(1001))))}, "INVALID", "customerIds"),
    )
    for given, code, field in refused:
        answer = await start(house, **given)
        assert answer == {"usageSync": None, "errors": [{"code": code, "field": ["input", field]}]}
    for month in ("2026-13", "10/2026", ""):
        with pytest.raises(Refused) as refusal:
            await house.api(START, input={"month": month})
        assert refusal.value.codes == ["INVALID"]
    assert await ledger.admin.fetchval("select count(*) from usage_syncs") == before


async def test_syncs_are_for_operators_with_the_scope(ledger: Ledger, house: Tenant, acme: Tenant) -> None:
    reader = await house.landlord.key(None, ["usage:read"])
    writer = await house.landlord.key(None, ["usage:write"])
    id = (await start(writer, customerIds=[acme.id]))["usageSync"]["id"]
    plain = "query ($id: ID!) { usageSync(id: $id) { status failures { totalCount } } }"
    assert await writer.api(plain, id=id) == {"usageSync": {"status": "QUEUED", "failures": {"totalCount": 0}}}
    assert await writer.api(plain, id=typeid("syn", UUID(int=7))) == {"usageSync": None}
    # who is missing is an edge to customers
    with pytest.raises(Refused) as refusal:
        await writer.api("query ($id: ID!) { usageSync(id: $id) { missing { totalCount } } }", id=id)
    assert refusal.value.codes == ["FORBIDDEN"]
    for caller in (acme, reader):
        refused = await start(caller, customerIds=[acme.id])
        assert (refused["usageSync"], [error["code"] for error in refused["errors"]]) == (None, ["FORBIDDEN"])
        for query in (plain, "query ($id: ID!) { node(id: $id) { id } }"):
            with pytest.raises(Refused) as refusal:
                await caller.api(query, id=id)
            assert set(refusal.value.codes) == {"FORBIDDEN"}


async def test_a_sync_wakes_the_worker_once_it_is_committed(
    ledger: Ledger, house: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    customer = await ledger.customer(used=())
    after_commit = Context.after_commit
    monkeypatch.setattr(
        Context, "after_commit", lambda context, act: after_commit(context, lambda: seen.append(act == context.wake_billing))
    )  # fmt: skip
    await start(house, customerIds=[])
    assert seen == []
    assert (await start(house, customerIds=names(customer)))["errors"] == []
    assert seen == [True]


async def test_the_application_reads_in_the_background_where_it_is_told_to(
    ledger: Ledger, house: Tenant, settings: Settings, meter: Meter
) -> None:
    customer = await ledger.customer(used=())
    meter.publish(typeid("cus", customer), TODAY, AccountCount=12)
    id = (await start(house, customerIds=names(customer)))["usageSync"]["id"]
    app = create_app(replace(settings, work_here=True, aws_endpoint=meter.url))
    async with app.router.lifespan_context(app):
        for _ in range(200):
            told = (await house.api(SYNC, id=id))["usageSync"]
            if told["status"] == "COMPLETED":
                break
            await asyncio.sleep(0.1)
    assert (told["status"], told["customersUpdated"]) == ("COMPLETED", 1)
