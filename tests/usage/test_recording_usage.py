"""Metered use as it is recorded: which months, which numbers, which revision."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing import customers
from billing import usage as recording
from billing.periods import Month
from billing.rating import Usage
from db import usage as rows
from db.enums import TaxStatus, Tier
from db.errors import Conflict, Invalid, NotFound
from db.session import Session
from db.usage import UsageRow
from tests.landlord import Tenant

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
OCTOBER = Month(2026, 10)
NUMBERS = Usage(
    account_count=12,
    ou_count=4,
    scp_count=9,
    cloudtrail_events=999_999_999_999_999,
    config_evaluations=61_000,
    log_storage_gb=Decimal("999999999999.999999"),
    nat_bytes_processed=999_999_999_999_999_999,
    data_transfer_gb=Decimal("0.5"),
)


@pytest.fixture
async def session(house: Tenant) -> AsyncIterator[Session]:
    async with house.session() as session:
        yield session


async def made(session: Session, active_from: date = date(2025, 1, 1)) -> UUID:
    profile = {
        "name": "Initech", "framework": "CIS", "aws_org_id": None, "aws_account_id": None, "email": "a@b.example",
        "billing_email": None, "mfa_enforced": True, "encryption_required": True, "tags": None, "custom_config": None,
        "tax_jurisdiction": "US-DE", "tax_status": TaxStatus.TAXABLE,
    }  # fmt: skip
    return (await customers.create(session, profile, tier=Tier.STANDARD, active_from=active_from, now=NOW)).id


async def record(
    session: Session, customer_id: UUID, month: Month = OCTOBER, numbers: Usage = NUMBERS, expected: int | None = None
) -> UsageRow:
    return await recording.record(session, customer_id, month, numbers, expected_revision=expected, now=NOW)


async def test_the_first_revision_of_a_month_holds_its_eight_numbers_exactly(session: Session) -> None:
    customer = await made(session)
    recorded = await record(session, customer)
    assert recorded == UsageRow(
        customer, date(2026, 10, 1), 1, 12, 4, 9, 999_999_999_999_999, 61_000, Decimal("999999999999.999999"),
        999_999_999_999_999_999, Decimal("0.5"), NOW,
    )  # fmt: skip
    assert await rows.newest(session, customer, date(2026, 10, 1)) == recorded
    assert await session.values("select source from usage_metrics where customer_id = $1", customer) == ["api"]


async def test_other_numbers_are_a_new_revision_and_the_old_one_stays(session: Session) -> None:
    customer = await made(session)
    await record(session, customer)
    second = await record(session, customer, numbers=Usage(account_count=3))
    assert (second.revision, recording.usage_of(second)) == (2, Usage(account_count=3))
    assert await session.values(
        "select account_count from usage_metrics where customer_id = $1 order by revision", customer
    ) == [12, 3]
    assert await rows.newest(session, customer, date(2026, 10, 1)) == second


async def test_the_same_numbers_again_change_nothing(session: Session) -> None:
    customer = await made(session)
    first = await record(session, customer)
    again = replace(NUMBERS, data_transfer_gb=Decimal("0.500000"))
    assert (
        await recording.record(session, customer, OCTOBER, again, expected_revision=1, now=NOW + timedelta(days=1))
        == first
    )
    assert await session.value("select count(*) from usage_metrics where customer_id = $1", customer) == 1


async def test_numbers_that_stood_earlier_are_a_new_revision_once_others_stood_between(session: Session) -> None:
    customer = await made(session)
    await record(session, customer)
    await record(session, customer, numbers=Usage())
    assert (await record(session, customer)).revision == 3


async def test_an_unexpected_revision_is_a_conflict_even_with_the_same_numbers(session: Session) -> None:
    customer = await made(session)
    with pytest.raises(Conflict) as refusal:
        await record(session, customer, expected=1)
    assert refusal.value.field == ["input", "expectedRevision"]
    assert str(refusal.value).startswith("The newest revision of 2026-10 is 0, not 1")
    await record(session, customer, expected=0)
    with pytest.raises(Conflict):
        await record(session, customer, expected=0)
    assert (await record(session, customer, numbers=Usage(), expected=1)).revision == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"account_count": -1}, "accountCount"),
        ({"account_count": 2**31}, "accountCount"),
        ({"ou_count": -1}, "ouCount"),
        ({"scp_count": -1}, "scpCount"),
        ({"cloudtrail_events": -1}, "cloudtrailEvents"),
        ({"cloudtrail_events": 10**15}, "cloudtrailEvents"),
        ({"config_evaluations": 10**15}, "configEvaluations"),
        ({"nat_bytes_processed": 10**18}, "natBytesProcessed"),
        ({"nat_bytes_processed": -1}, "natBytesProcessed"),
        ({"log_storage_gb": Decimal(10) ** 12}, "logStorageGb"),
        ({"log_storage_gb": Decimal("1e30")}, "logStorageGb"),
        ({"log_storage_gb": Decimal("-0.000001")}, "logStorageGb"),
        ({"data_transfer_gb": Decimal("0.0000001")}, "dataTransferGb"),
        ({"data_transfer_gb": Decimal("0." + "0" * 60 + "1")}, "dataTransferGb"),
    ],
)
async def test_numbers_out_of_range_are_refused_with_their_field(
    session: Session, change: dict[str, Any], field: str
) -> None:
    customer = await made(session)
    with pytest.raises(Invalid) as refusal:
        await record(session, customer, numbers=replace(NUMBERS, **change))
    assert refusal.value.field == ["input", "usage", field]
    assert await session.value("select count(*) from usage_metrics where customer_id = $1", customer) == 0


async def test_trailing_zeros_are_no_decimal_places(session: Session) -> None:
    customer = await made(session)
    recorded = await record(session, customer, numbers=Usage(log_storage_gb=Decimal("1.50000000")))
    assert recorded.log_storage_gb == Decimal("1.5")


async def test_usage_goes_with_months_that_have_a_billable_day_and_have_begun(session: Session) -> None:
    customer = await made(session, active_from=date(2026, 8, 31))
    await customers.close(session, customer, reason="x", closed_on=date(2026, 11, 1), now=NOW)
    for month in (Month(2026, 7), Month(2026, 11), Month(2026, 12)):
        with pytest.raises(Invalid) as refusal:
            await record(session, customer, month)
        assert refusal.value.field == ["input", "month"]
    for month in (Month(2026, 8), Month(2026, 9), Month(2026, 10)):
        assert (await record(session, customer, month)).revision == 1


async def test_this_month_takes_usage_and_the_next_one_does_not(session: Session) -> None:
    customer = await made(session)
    assert (await record(session, customer, Month(2026, 11))).month == date(2026, 11, 1)
    with pytest.raises(Invalid, match="2026-12 has not begun yet"):
        await record(session, customer, Month(2026, 12))


async def test_an_unknown_customer_has_no_usage(session: Session) -> None:
    with pytest.raises(NotFound):
        await record(session, uuid4())


async def test_two_who_record_one_month_at_once_get_two_revisions(house: Tenant) -> None:
    async with house.session() as session:
        customer = await made(session)

    async def source(accounts: int) -> int:
        async with house.session() as session:
            return (await record(session, customer, numbers=Usage(account_count=accounts))).revision

    assert sorted(await asyncio.gather(*(source(accounts) for accounts in range(4)))) == [1, 2, 3, 4]


async def test_months_of_many_customers_are_answered_together_newest_first(session: Session) -> None:
    one, other = await made(session), await made(session)
    for month in (Month(2026, 8), Month(2026, 9), Month(2026, 10)):
        await record(session, one, month)
    await record(session, one, Month(2026, 9), Usage(account_count=5))
    await record(session, other, Month(2026, 9))
    before = session.statements
    found = await rows.Between(date(2026, 9, 1), date(2026, 10, 1))(session, [one, other])
    assert session.statements == before + 1
    assert [(row.month, row.revision) for row in found if row.customer_id == one] == [
        (date(2026, 10, 1), 1), (date(2026, 9, 1), 2),
    ]  # fmt: skip
    assert [(row.month, row.revision) for row in found if row.customer_id == other] == [(date(2026, 9, 1), 1)]
    newest = await rows.newest_of_month(session, date(2026, 9, 1), [one, other])
    assert {row.customer_id: row.revision for row in newest} == {one: 2, other: 1}


@pytest.mark.parametrize(
    ("first", "last", "meant"),
    [
        (None, None, ("2025-12", "2026-11")),
        ("2026-03", None, ("2026-03", "2026-11")),
        (None, "2026-03", ("2025-04", "2026-03")),
        ("2023-12", None, ("2023-12", "2026-11")),
        ("2020-01", "2022-12", ("2020-01", "2022-12")),
        ("2026-12", None, ("2026-12", "2026-11")),
        ("2026-05", "2026-05", ("2026-05", "2026-05")),
    ],
)
def test_a_range_of_months_is_the_year_until_now_unless_it_is_named(
    first: str | None, last: str | None, meant: tuple[str, str]
) -> None:
    found = recording.span(first and Month.parse(first), last and Month.parse(last), now=NOW)  # type: ignore[arg-type]
    assert (str(found[0]), str(found[1])) == meant


@pytest.mark.parametrize(
    ("first", "last"), [("2023-11", None), ("2020-01", "2023-01"), ("2026-10", "2026-09"), ("0001-01", "9999-12")]
)
def test_more_than_36_months_or_none_are_refused(first: str, last: str | None) -> None:
    with pytest.raises(Invalid) as refusal:
        recording.span(Month.parse(first), last and Month.parse(last), now=NOW)  # type: ignore[arg-type]
    assert refusal.value.field == ["from"]


@pytest.mark.parametrize(("first", "last"), [(None, "0001-05"), ("9999-01", "9999-12"), ("9998-06", None)])
def test_months_at_the_end_of_the_calendar_are_no_fault_of_ours(first: str | None, last: str | None) -> None:
    start, end = recording.span(first and Month.parse(first), last and Month.parse(last), now=NOW)  # type: ignore[arg-type]
    assert str(end) == (last or "2026-11")
    assert start <= Month.parse(first or "0001-01")
