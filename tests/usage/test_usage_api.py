"""Metered use over the API: months, revisions, ranges, and one question for many customers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from billing.periods import Month
from resolvers.loaders import Loaders
from schema import usage as metered
from schema.context import Info
from schema.ids import typeid
from tests.landlord import Refused, Tenant

RECORD = """
mutation ($input: RecordUsageInput!) {
  recordUsage(input: $input) {
    usage {
      month revision accountCount ouCount scpCount cloudtrailEvents configEvaluations logStorageGb natBytesProcessed
      dataTransferGb
    }
    errors { code field }
  }
}
"""
USAGE = "query ($id: ID, $from: Month, $to: Month) { usage(customerId: $id, from: $from, to: $to) { month revision } }"
OWN = "query ($from: Month, $to: Month) { customer { usage(from: $from, to: $to) { month revision } } }"


def months_ago(months: int) -> str:
    return str(Month.of(datetime.now(UTC).date()).shift(-months))


async def record(house: Tenant, of: Tenant, month: str, **numbers: Any) -> dict[str, Any]:
    answer = (await house.api(RECORD, input={"customerId": of.id, "month": month, "usage": numbers}))["recordUsage"]
    assert answer["errors"] == []
    recorded: dict[str, Any] = answer["usage"]
    return recorded


async def test_recorded_numbers_come_back_exactly_and_what_is_left_out_is_zero(acme: Tenant, house: Tenant) -> None:
    recorded = await record(
        house, acme, months_ago(1), accountCount=2_147_483_647, cloudtrailEvents="999999999999999", logStorageGb="0.100"
    )
    assert recorded == {
        "month": months_ago(1),
        "revision": 1,
        "accountCount": 2_147_483_647,
        "ouCount": 0,
        "scpCount": 0,
        "cloudtrailEvents": "999999999999999",
        "configEvaluations": "0",
        "logStorageGb": "0.1",
        "natBytesProcessed": "0",
        "dataTransferGb": "0",
    }
    # the whole of a month: what is left out is 0, not what it was
    assert (await record(house, acme, months_ago(1), ouCount=1))["accountCount"] == 0


async def test_without_a_range_the_last_twelve_months_come_newest_first(acme: Tenant, house: Tenant) -> None:
    for months in (12, 11, 5, 0):
        await record(house, acme, months_ago(months))
    await record(house, acme, months_ago(5), ouCount=7)
    wanted = [
        {"month": months_ago(0), "revision": 1},
        {"month": months_ago(5), "revision": 2},
        {"month": months_ago(11), "revision": 1},
    ]
    assert (await acme.api(USAGE))["usage"] == wanted
    assert (await acme.api(OWN))["customer"]["usage"] == wanted
    assert (await house.api(USAGE, id=acme.id))["usage"] == wanted
    both_ends = await acme.api(OWN, **{"from": months_ago(12), "to": months_ago(11)})
    assert [one["month"] for one in both_ends["customer"]["usage"]] == [months_ago(11), months_ago(12)]


async def test_thirty_six_months_are_answered_and_one_more_is_invalid(acme: Tenant) -> None:
    assert (await acme.api(USAGE, **{"from": "2023-01", "to": "2025-12"}))["usage"] == []
    for query in (USAGE, OWN):
        for first, last in (("2023-01", "2026-01"), ("2025-02", "2025-01")):
            with pytest.raises(Refused) as refusal:
                await acme.api(query, **{"from": first, "to": last})
            assert refusal.value.codes == ["INVALID"]


@pytest.mark.parametrize("month", ["2026-13", "2026-00", "2026-1", "26-01", "2026-10-01", "0000-01", ""])
async def test_what_is_no_month_is_invalid(acme: Tenant, month: str) -> None:
    with pytest.raises(Refused) as refusal:
        await acme.api(USAGE, **{"from": month})
    assert refusal.value.codes == ["INVALID"]


async def test_nobody_reads_anothers_usage_and_operators_name_the_customer(
    acme: Tenant, globex: Tenant, house: Tenant
) -> None:
    await record(house, globex, months_ago(1))
    assert (await acme.api(USAGE, id=globex.id))["usage"] == []
    assert (await house.api(USAGE))["usage"] == []
    assert (await house.api(USAGE, id=typeid("cus", uuid4())))["usage"] == []
    assert (await house.api(USAGE, id=globex.id))["usage"] == [{"month": months_ago(1), "revision": 1}]


async def test_refusals_name_their_field_and_store_nothing(acme: Tenant, house: Tenant) -> None:
    for given, code, field in (
        ({"month": months_ago(-1)}, "INVALID", ["input", "month"]),
        ({"month": "2024-12"}, "INVALID", ["input", "month"]),
        ({"usage": {"ouCount": -1}}, "INVALID", ["input", "usage", "ouCount"]),
        ({"usage": {"dataTransferGb": "1000000000000"}}, "INVALID", ["input", "usage", "dataTransferGb"]),
        ({"expectedRevision": 1}, "CONFLICT", ["input", "expectedRevision"]),
        ({"customerId": typeid("cus", uuid4())}, "NOT_FOUND", None),
        ({"customerId": typeid("inv", uuid4())}, "INVALID", ["input", "customerId"]),
    ):
        answer = await house.api(RECORD, input={"customerId": acme.id, "month": months_ago(1), "usage": {}} | given)
        assert answer["recordUsage"] == {"usage": None, "errors": [{"code": code, "field": field}]}
    answer = await acme.api(RECORD, input={"customerId": acme.id, "month": months_ago(1), "usage": {}})
    assert answer["recordUsage"] == {"usage": None, "errors": [{"code": "FORBIDDEN", "field": None}]}
    assert (await acme.api(USAGE))["usage"] == []


async def test_expected_null_expects_nothing(acme: Tenant, house: Tenant) -> None:
    await record(house, acme, months_ago(1))
    given = {"customerId": acme.id, "month": months_ago(1), "usage": {"ouCount": 1}, "expectedRevision": None}
    assert (await house.api(RECORD, input=given))["recordUsage"]["usage"]["revision"] == 2


async def test_one_question_answers_for_all_customers_that_ask_together(
    acme: Tenant, globex: Tenant, house: Tenant
) -> None:
    await record(house, acme, months_ago(1))
    await record(house, globex, months_ago(2))
    assert acme.customer_id is not None
    assert globex.customer_id is not None
    async with house.session() as session:
        context = SimpleNamespace(loaders=Loaders(session), now=datetime.now(UTC))
        info = cast(Info, SimpleNamespace(context=context))
        before = session.statements
        found = await asyncio.gather(
            metered.of_customer(info, acme.customer_id, None, None),
            metered.of_customer(info, globex.customer_id, None, None),
            metered.of_customer(info, uuid4(), None, None),
        )
        assert session.statements == before + 1
    assert [[str(one.month) for one in usage] for usage in found] == [[months_ago(1)], [months_ago(2)], []]
