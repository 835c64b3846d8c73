"""Billing runs over the API: an operator's script starts one, polls it, and reads who could not be billed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from app import utc_now
from billing.periods import Month
from schema.context import Context
from schema.ids import typeid, uuid_of
from tests.landlord import Refused, Tenant
from tests.ledger import Ledger

# The application reads the real clock; this month is over by it, and the next one is not.
LAST = Month.of(utc_now().date()).previous()

START = """
mutation ($input: RunBillingInput!) {
  runBilling(input: $input) {
    billingRun { id month status dryRun issue customersTotal invoicesCreated startedAt finishedAt }
    errors { code message field }
  }
}
"""
RUN = """
query ($id: ID!, $first: Int, $after: String) {
  billingRun(id: $id) {
    month status dryRun issue customersTotal invoicesCreated invoicesRecomputed invoicesSkipped invoicesIssued
    totalAmount
    failures(first: $first, after: $after) {
      nodes { code reason customer { id } } totalCount pageInfo { hasNextPage endCursor }
    }
  }
}
"""
RUNS = """
query ($first: Int, $after: String, $month: Month) {
  billingRuns(first: $first, after: $after, month: $month) {
    nodes { id month } totalCount pageInfo { hasNextPage endCursor }
  }
}
"""


async def start(house: Tenant, month: Month = LAST, **given: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await house.api(START, input={"month": str(month)} | given))["runBilling"]
    return answer


def names(*customer_ids: UUID) -> list[str]:
    return [typeid("cus", id) for id in customer_ids]


async def test_a_script_starts_a_run_and_polls_it_until_it_is_finished(ledger: Ledger, house: Tenant) -> None:
    billed, failing = await ledger.customer(used=(LAST,)), await ledger.customer(used=())
    started = await start(house, customerIds=names(billed, failing), issue=True)
    assert started["errors"] == []
    id = started["billingRun"].pop("id")
    assert started["billingRun"] == {
        "month": str(LAST), "status": "QUEUED", "dryRun": False, "issue": True, "customersTotal": 2,
        "invoicesCreated": 0, "startedAt": None, "finishedAt": None,
    }  # fmt: skip
    await ledger.work()
    done = (await house.api(RUN, id=id))["billingRun"]
    failures = done.pop("failures")
    assert done == {
        "month": str(LAST), "status": "COMPLETED_WITH_FAILURES", "dryRun": False, "issue": True, "customersTotal": 2,
        "invoicesCreated": 1, "invoicesRecomputed": 0, "invoicesSkipped": 0, "invoicesIssued": 1,
        "totalAmount": "2448.25",
    }  # fmt: skip
    assert failures["nodes"] == [
        {
            "code": "NO_USAGE",
            "reason": f"No usage is recorded for {LAST}: record or sync it, then run billing again.",
            "customer": {"id": typeid("cus", failing)},
        }
    ]
    assert failures["totalCount"] == 1
    trail = await ledger.admin.fetch(
        "select event_type, action, customer_id, status from audit_events where resource_id = $1", id
    )
    assert [tuple(row) for row in trail] == [("billing_run.started", "execute", None, "success")]


async def test_failures_and_runs_are_paged_newest_first(ledger: Ledger, house: Tenant) -> None:
    failing = sorted([await ledger.customer(used=()) for _ in range(3)])
    ids = [(await start(house, customerIds=names(*failing)))["billingRun"]["id"] for _ in range(2)]
    await ledger.work()
    first = (await house.api(RUN, id=ids[0], first=2))["billingRun"]["failures"]
    rest = (await house.api(RUN, id=ids[0], first=2, after=first["pageInfo"]["endCursor"]))["billingRun"]["failures"]
    found = [node["customer"]["id"] for node in (*first["nodes"], *rest["nodes"])]
    assert found == names(*reversed(failing))
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"], rest["totalCount"]) == (True, False, 3)
    runs = (await house.api(RUNS, first=2, month=str(LAST)))["billingRuns"]
    assert [node["id"] for node in runs["nodes"]] == ids[::-1]
    older = (await house.api(RUNS, first=1, after=runs["pageInfo"]["endCursor"], month=str(LAST)))["billingRuns"]
    assert not {node["id"] for node in older["nodes"]} & set(ids)
    assert (await house.api(RUNS, month="1999-01"))["billingRuns"] == {
        "nodes": [],
        "totalCount": 0,
        "pageInfo": {"hasNextPage": False, "endCursor": None},
    }
    with pytest.raises(Refused) as refusal:
        await house.api(RUN, id=ids[1], after=first["pageInfo"]["endCursor"])
    assert refusal.value.codes == ["INVALID"]


async def test_a_run_that_cannot_be_started_says_why_and_nothing_runs(ledger: Ledger, house: Tenant) -> None:
    customer = typeid("cus", await ledger.customer(used=()))
    before = await ledger.admin.fetchval("select count(*) from billing_runs")
    refused: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"month": str(LAST.next())}, "INVALID", "month"),
        ({"customerIds": []}, "INVALID", "customerIds"),
        ({"customerIds": [customer, "garbage"]}, "INVALID", "customerIds"),
        ({"customerIds": [customer.replace("cus_", "inv_")]}, "INVALID", "customerIds"),
        ({"customerIds": [customer, typeid("cus", UUID(int=7))]}, "NOT_FOUND", "customerIds"),
    )
    for given, code, field in refused:
        answer = await start(house, **given)
        assert answer["billingRun"] is None
        assert [(error["code"], error["field"]) for error in answer["errors"]] == [(code, ["input", field])]
    for month in ("2026-13", "10/2026", ""):
        with pytest.raises(Refused) as refusal:
            await house.api(START, input={"month": month})
        assert refusal.value.codes == ["INVALID"]
    assert await ledger.admin.fetchval("select count(*) from billing_runs") == before


async def test_a_repeated_key_answers_with_the_first_run_and_another_input_is_refused(
    ledger: Ledger, house: Tenant
) -> None:
    customer = await ledger.customer(used=(LAST,))
    asked: dict[str, Any] = {"customerIds": names(customer), "idempotencyKey": f"night of {customer}"}
    first = (await start(house, **asked))["billingRun"]
    await ledger.work()
    again = (await start(house, **asked))["billingRun"]
    assert (again["id"], again["status"], again["invoicesCreated"]) == (first["id"], "COMPLETED", 1)
    other = await start(house, **asked, issue=True)
    assert (other["billingRun"], [error["code"] for error in other["errors"]]) == (None, ["IDEMPOTENCY_MISMATCH"])
    runs = "select count(*) from billing_run_items where customer_id = $1"
    assert await ledger.admin.fetchval(runs, customer) == 1


async def test_runs_are_for_operators_with_the_scope(ledger: Ledger, house: Tenant, acme: Tenant) -> None:
    reader = await house.landlord.key(None, ["billing:read"])
    id = (await start(house, customerIds=[acme.id], dryRun=True))["billingRun"]["id"]
    for caller in (acme, reader):
        refused = await start(caller, customerIds=[acme.id])
        assert (refused["billingRun"], [error["code"] for error in refused["errors"]]) == (None, ["FORBIDDEN"])
    for query, variables in ((RUN, {"id": id}), (RUNS, {})):
        with pytest.raises(Refused) as refusal:
            await acme.api(query, **variables)
        assert set(refusal.value.codes) == {"FORBIDDEN"}
    plain = "query ($id: ID!) { billingRun(id: $id) { dryRun } }"
    assert await reader.api(plain, id=id) == {"billingRun": {"dryRun": True}}
    assert await reader.api(plain, id=typeid("run", UUID(int=7))) == {"billingRun": None}


async def test_a_run_wakes_the_worker_once_it_is_committed(
    ledger: Ledger, house: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    customer = await ledger.customer(used=())
    after_commit = Context.after_commit

    def noticed(context: Context, act: Any) -> None:
        def woken() -> None:
            seen.append(act == context.wake_billing)
            act()

        after_commit(context, woken)

    monkeypatch.setattr(Context, "after_commit", noticed)
    await start(house, customerIds=[])
    assert seen == []
    id = (await start(house, customerIds=names(customer)))["billingRun"]["id"]
    assert seen == [True]
    assert (await ledger.run(uuid_of("run", id, ("id",)))).status == "queued"
