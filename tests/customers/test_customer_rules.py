"""Customers as the rules have them: made, changed, moved between tiers, suspended and closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing import customers
from billing.customers import status_on, tier_on
from db import customers as rows
from db.customers import CustomerRow, CustomerStatus
from db.enums import TaxStatus, Tier
from db.errors import IllegalState, Invalid, NotFound
from db.session import Session
from tests.landlord import Tenant

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
TODAY = NOW.date()
PROFILE: dict[str, Any] = {
    "name": "Initech",
    "framework": "SOC2",
    "aws_org_id": "o-a1b2c3d4e5",
    "aws_account_id": "123456789012",
    "email": "it@initech.example",
    "billing_email": None,
    "mfa_enforced": True,
    "encryption_required": False,
    "tags": {"team": ["a", 1.5, None]},
    "custom_config": None,
    "tax_jurisdiction": "US-NY",
    "tax_status": TaxStatus.TAXABLE,
}


@pytest.fixture
async def session(house: Tenant) -> AsyncIterator[Session]:
    async with house.session() as session:
        yield session


async def made(
    session: Session, *, tier: Tier = Tier.STANDARD, active_from: date | None = date(2025, 1, 1), **changes: Any
) -> CustomerRow:
    return await customers.create(session, PROFILE | changes, tier=tier, active_from=active_from, now=NOW)


async def moved(session: Session, id: UUID, tier: Tier, day: date | None) -> CustomerRow:
    return await customers.change_tier(session, id, tier, effective_on=day, now=NOW)


async def billed(session: Session, customer: CustomerRow, month: date, status: str = "issued") -> None:
    """An invoice for that month: of 100.00, or of nothing where it is paid at once."""
    amount = 0 if status == "paid" else 100
    invoice_id = await session.value(
        """
        insert into invoices (
            customer_id, month, tier, currency, tier_base_cost, usage_charges, volume_discount, subtotal, tax_rate,
            tax_amount, total_amount, rate_card_id, usage_revision, tier_periods, tax_jurisdiction, tax_status
        )
        select $1, $2, 'standard', 'USD', $3, 0, 0, $3, 0, 0, $3, id, 1, '[]', 'US-NY', 'taxable'
          from rate_cards
         limit 1
        returning id
        """,
        customer.id,
        month,
        amount,
    )
    await session.execute(
        """
        insert into invoice_lines (customer_id, invoice_id, position, kind, tier, description, amount)
        values ($1, $2, 1, 'base', 'standard', 'Standard', $3)
        """,
        customer.id,
        invoice_id,
        amount,
    )
    if status in ("issued", "paid"):
        await session.execute(
            "insert into invoice_counters (customer_id) values ($1) on conflict do nothing", customer.id
        )
        await session.execute(
            """
            with counted as (
                update invoice_counters set last_invoice = last_invoice + 1 where customer_id = $1 returning last_invoice
            )
            update invoices
               set status = $3, number = $4 || '-' || lpad(counted.last_invoice::text, 4, '0'), issued_at = now(),
                   due_on = '2026-12-22', paid_at = case when $3 = 'paid' then now() end
              from counted
             where customer_id = $1 and id = $2
            """,
            customer.id,
            invoice_id,
            status,
            customer.invoice_prefix,
        )
    elif status == "cancelled":
        await session.execute(
            """
            update invoices set status = 'cancelled', cancelled_at = now(), cancel_reason = 'wrong'
             where customer_id = $1 and id = $2
            """,
            customer.id,
            invoice_id,
        )


def history(customer: CustomerRow) -> list[tuple[date, str]]:
    return [(start, tier.value) for start, tier in customer.tiers]


# ---------------------------------------------------------------- made


async def test_a_new_customer_starts_today_with_its_tier_and_is_billed_at_its_email(session: Session) -> None:
    customer = await made(session, tier=Tier.FINTECH, active_from=None)
    assert (customer.active_from, history(customer)) == (TODAY, [(TODAY, "fintech")])
    assert (customer.email, customer.billing_email) == ("it@initech.example", "it@initech.example")
    assert (json.loads(customer.tags), json.loads(customer.custom_config)) == ({"team": ["a", 1.5, None]}, {})
    assert (customer.created_at, customer.updated_at, customer.epoch, customer.closed_on) == (NOW, NOW, 1, None)
    assert len(customer.invoice_prefix) == 6


async def test_a_new_customer_may_start_on_any_day_and_be_billed_elsewhere(session: Session) -> None:
    customer = await made(
        session, active_from=date(2027, 2, 1), billing_email="bills@initech.example", name="  Initech  "
    )
    assert (customer.active_from, customer.billing_email) == (date(2027, 2, 1), "bills@initech.example")
    assert customer.name == "Initech"
    assert tier_on(customer, TODAY) is Tier.STANDARD


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("name", "", "name"),
        ("name", "   ", "name"),
        ("name", "x" * 201, "name"),
        ("name", "two\nlines", "name"),
        ("name", "half of \ud800", "name"),
        ("framework", "", "framework"),
        ("framework", "x" * 51, "framework"),
        ("aws_org_id", "", "awsOrgId"),
        ("aws_org_id", "o-short", "awsOrgId"),
        ("aws_org_id", "o-a1b2c3d4e5\n", "awsOrgId"),
        ("aws_account_id", "12345678901", "awsAccountId"),
        ("aws_account_id", "１２３４５６７８９０１２", "awsAccountId"),
        ("email", "nobody", "email"),
        ("email", "a@b@c", "email"),
        ("email", "a b@c", "email"),
        ("email", "@", "email"),
        ("email", "a" * 250 + "@b.de", "email"),
        ("billing_email", "", "billingEmail"),
        ("tax_jurisdiction", "us-ny", "taxJurisdiction"),
        ("tax_jurisdiction", "USA", "taxJurisdiction"),
    ],
)
async def test_what_no_customer_can_have_is_refused_with_its_field(
    session: Session, name: str, value: str, field: str
) -> None:
    before = await session.value("select count(*) from customers")
    with pytest.raises(Invalid) as refusal:
        await customers.create(
            session, PROFILE | {name: value}, tier=Tier.STANDARD, active_from=date(2025, 1, 1), now=NOW
        )
    assert refusal.value.field == ["input", field]
    assert await session.value("select count(*) from customers") == before


@pytest.mark.parametrize("year", [1, 1969, 3000, 9999])
async def test_a_first_day_in_an_absurd_year_is_refused(session: Session, year: int) -> None:
    with pytest.raises(Invalid) as refusal:
        await made(session, active_from=date(year, 12, 31))
    assert refusal.value.field == ["input", "activeFrom"]


# ---------------------------------------------------------------- updated


async def test_an_update_changes_what_it_names_and_nothing_else(session: Session) -> None:
    customer = await made(session)
    later = NOW + timedelta(hours=1)
    changed = await customers.update(
        session, customer.id, {"aws_org_id": None, "tags": [], "tax_status": TaxStatus.EXEMPT}, now=later
    )
    assert (changed.aws_org_id, changed.tags, changed.tax_status, changed.updated_at) == (None, "[]", "exempt", later)
    same = (
        "name",
        "framework",
        "aws_account_id",
        "email",
        "billing_email",
        "custom_config",
        "tax_jurisdiction",
        "tiers",
    )
    assert [getattr(changed, name) for name in same] == [getattr(customer, name) for name in same]
    assert (changed.mfa_enforced, changed.encryption_required, changed.epoch) == (True, False, 1)


async def test_an_update_of_nothing_changes_nothing(session: Session) -> None:
    customer = await made(session)
    assert await customers.update(session, customer.id, {}, now=NOW + timedelta(hours=1)) == customer


@pytest.mark.parametrize(
    ("name", "field"),
    [("name", "name"), ("billing_email", "billingEmail"), ("mfa_enforced", "mfaEnforced"), ("tags", "tags"),
     ("custom_config", "customConfig"), ("tax_status", "taxStatus"), ("tax_jurisdiction", "taxJurisdiction")],
)  # fmt: skip
async def test_null_is_refused_where_a_customer_always_has_something(session: Session, name: str, field: str) -> None:
    customer = await made(session)
    with pytest.raises(Invalid) as refusal:
        await customers.update(session, customer.id, {"framework": "CIS", name: None}, now=NOW)
    assert refusal.value.field == ["input", field]
    assert await rows.get(session, customer.id) == customer


async def test_an_unknown_customer_is_not_found_whatever_is_asked_of_it(session: Session) -> None:
    nobody = uuid4()
    with pytest.raises(NotFound):
        await customers.update(session, nobody, {"name": "x"}, now=NOW)
    with pytest.raises(NotFound):
        await moved(session, nobody, Tier.FINTECH, None)
    with pytest.raises(NotFound):
        await customers.suspend(session, nobody, reason="x", now=NOW)
    with pytest.raises(NotFound):
        await customers.reinstate(session, nobody, reason="x", now=NOW)
    with pytest.raises(NotFound):
        await customers.close(session, nobody, reason="x", closed_on=None, now=NOW)


# ---------------------------------------------------------------- tiers


async def test_a_tier_changes_today_unless_another_day_is_named(session: Session) -> None:
    customer = await made(session)
    changed = await moved(session, customer.id, Tier.FINTECH, None)
    assert history(changed) == [(date(2025, 1, 1), "standard"), (TODAY, "fintech")]
    assert (tier_on(changed, TODAY - timedelta(days=1)), tier_on(changed, TODAY)) == (Tier.STANDARD, Tier.FINTECH)
    assert changed.epoch == 1


async def test_a_change_replaces_all_that_was_planned_from_its_day_on(session: Session) -> None:
    customer = await made(session)
    await moved(session, customer.id, Tier.FINTECH, date(2027, 1, 1))
    await moved(session, customer.id, Tier.HEALTHCARE, date(2027, 3, 1))
    changed = await moved(session, customer.id, Tier.GOV_FEDERAL, date(2027, 2, 1))
    assert history(changed) == [
        (date(2025, 1, 1), "standard"), (date(2027, 1, 1), "fintech"), (date(2027, 2, 1), "gov_federal"),
    ]  # fmt: skip


async def test_the_tier_that_it_has_on_that_day_changes_nothing_and_keeps_what_is_planned(session: Session) -> None:
    customer = await made(session)
    planned = await moved(session, customer.id, Tier.FINTECH, date(2027, 1, 1))
    assert await moved(session, customer.id, Tier.STANDARD, date(2026, 12, 1)) == planned
    assert await moved(session, customer.id, Tier.FINTECH, date(2027, 5, 1)) == planned


async def test_a_plan_is_taken_back_by_the_tier_before_it_and_neighbours_still_differ(session: Session) -> None:
    customer = await made(session)
    await moved(session, customer.id, Tier.FINTECH, date(2027, 1, 1))
    changed = await moved(session, customer.id, Tier.STANDARD, date(2027, 1, 1))
    assert history(changed) == [(date(2025, 1, 1), "standard")]


async def test_the_first_tier_itself_can_be_another_one(session: Session) -> None:
    customer = await made(session, active_from=date(2026, 11, 1))
    changed = await moved(session, customer.id, Tier.HEALTHCARE, date(2026, 11, 1))
    assert history(changed) == [(date(2026, 11, 1), "healthcare")]


async def test_a_tier_never_changes_before_the_first_day(session: Session) -> None:
    customer = await made(session, active_from=date(2026, 12, 1))
    for day in (date(2026, 11, 30), None):
        with pytest.raises(Invalid) as refusal:
            await moved(session, customer.id, Tier.FINTECH, day)
        assert refusal.value.field == ["input", "effectiveOn"]
    assert await rows.get(session, customer.id) == customer


@pytest.mark.parametrize("status", ["issued", "paid"])
async def test_a_tier_changes_on_the_first_day_after_the_last_billed_month_and_not_before(
    session: Session, status: str
) -> None:
    customer = await made(session)
    await billed(session, customer, date(2026, 9, 1), status)
    await billed(session, customer, date(2026, 10, 1), "draft")
    with pytest.raises(IllegalState, match=r"2026-09 has an invoice .* 2026-10-01\."):
        await moved(session, customer.id, Tier.FINTECH, date(2026, 9, 30))
    assert await rows.get(session, customer.id) == customer
    changed = await moved(session, customer.id, Tier.FINTECH, date(2026, 10, 1))
    assert history(changed) == [(date(2025, 1, 1), "standard"), (date(2026, 10, 1), "fintech")]


@pytest.mark.parametrize("status", ["draft", "cancelled"])
async def test_drafts_and_cancelled_invoices_hold_no_month(session: Session, status: str) -> None:
    customer = await made(session)
    await billed(session, customer, date(2026, 10, 1), status)
    changed = await moved(session, customer.id, Tier.FINTECH, date(2026, 10, 15))
    assert history(changed)[-1] == (date(2026, 10, 15), "fintech")


async def test_asking_again_for_a_change_that_was_billed_meanwhile_still_changes_nothing(session: Session) -> None:
    customer = await made(session)
    changed = await moved(session, customer.id, Tier.FINTECH, date(2026, 10, 15))
    await billed(session, customer, date(2026, 10, 1))
    assert await moved(session, customer.id, Tier.FINTECH, date(2026, 10, 15)) == changed


async def test_a_closed_customer_keeps_its_tier(session: Session) -> None:
    customer = await made(session)
    await customers.close(session, customer.id, reason="gone", closed_on=date(2026, 11, 20), now=NOW)
    for day in (date(2026, 11, 1), TODAY, date(2027, 1, 1)):
        with pytest.raises(IllegalState):
            await moved(session, customer.id, Tier.FINTECH, day)
    assert history(await rows.get(session, customer.id)) == [(date(2025, 1, 1), "standard")]


async def test_a_closing_customer_changes_its_tier_until_the_day_before(session: Session) -> None:
    customer = await made(session)
    await customers.close(session, customer.id, reason="leaves", closed_on=date(2026, 12, 31), now=NOW)
    with pytest.raises(IllegalState):
        await moved(session, customer.id, Tier.FINTECH, date(2026, 12, 31))
    changed = await moved(session, customer.id, Tier.FINTECH, date(2026, 12, 30))
    assert history(changed)[-1] == (date(2026, 12, 30), "fintech")


async def test_two_changes_at_once_leave_a_history_whose_neighbours_differ(house: Tenant) -> None:
    async with house.session() as session:
        customer = await made(session)

    async def change(day: date) -> None:
        async with house.session() as session:
            await moved(session, customer.id, Tier.FINTECH, day)

    await asyncio.gather(change(date(2027, 1, 1)), change(date(2027, 2, 1)))
    async with house.session() as session:
        # whichever came first: the earlier day replaces the later one, or has its tier already
        assert history(await rows.get(session, customer.id)) == [
            (date(2025, 1, 1), "standard"), (date(2027, 1, 1), "fintech"),
        ]  # fmt: skip


# ---------------------------------------------------------------- suspended and closed


async def test_a_suspension_and_its_end_each_raise_the_epoch(session: Session) -> None:
    customer = await made(session)
    suspended = await customers.suspend(session, customer.id, reason=" unpaid ", now=NOW)
    assert (status_on(suspended, TODAY), suspended.suspended_at, suspended.epoch) == (CustomerStatus.SUSPENDED, NOW, 2)
    assert await session.value("select suspended_reason from customers where id = $1", customer.id) == "unpaid"
    back = await customers.reinstate(session, customer.id, reason="paid", now=NOW)
    assert (status_on(back, TODAY), back.suspended_at, back.epoch) == (CustomerStatus.ACTIVE, None, 3)


async def test_nobody_is_suspended_or_reinstated_twice(session: Session) -> None:
    customer = await made(session)
    with pytest.raises(IllegalState, match="is not suspended"):
        await customers.reinstate(session, customer.id, reason="x", now=NOW)
    suspended = await customers.suspend(session, customer.id, reason="unpaid", now=NOW)
    with pytest.raises(IllegalState, match="is suspended already"):
        await customers.suspend(session, customer.id, reason="again", now=NOW)
    assert await rows.get(session, customer.id) == suspended


@pytest.mark.parametrize("reason", ["", " ", "x" * 501])
async def test_a_reason_is_given_in_a_line(session: Session, reason: str) -> None:
    customer = await made(session)
    for act in (
        customers.suspend(session, customer.id, reason=reason, now=NOW),
        customers.reinstate(session, customer.id, reason=reason, now=NOW),
        customers.close(session, customer.id, reason=reason, closed_on=None, now=NOW),
    ):
        with pytest.raises(Invalid) as refusal:
            await act
        assert refusal.value.field == ["input", "reason"]
    assert await rows.get(session, customer.id) == customer


async def test_a_closing_takes_effect_on_its_day_for_good_and_raises_the_epoch(session: Session) -> None:
    customer = await made(session)
    await moved(session, customer.id, Tier.FINTECH, date(2026, 12, 15))
    await moved(session, customer.id, Tier.HEALTHCARE, date(2027, 2, 1))
    closing = await customers.close(session, customer.id, reason="leaves", closed_on=date(2026, 12, 31), now=NOW)
    assert (closing.closed_on, closing.epoch) == (date(2026, 12, 31), 2)
    assert status_on(closing, date(2026, 12, 30)) is CustomerStatus.ACTIVE
    assert status_on(closing, date(2026, 12, 31)) is CustomerStatus.CLOSED
    assert history(closing) == [(date(2025, 1, 1), "standard"), (date(2026, 12, 15), "fintech")]
    with pytest.raises(IllegalState, match="for good"):
        await customers.close(session, customer.id, reason="later", closed_on=date(2027, 6, 1), now=NOW)
    assert await rows.get(session, customer.id) == closing


async def test_a_customer_closes_today_unless_another_day_is_named(session: Session) -> None:
    customer = await made(session)
    closed = await customers.close(session, customer.id, reason="gone", closed_on=None, now=NOW)
    assert (closed.closed_on, status_on(closed, TODAY)) == (TODAY, CustomerStatus.CLOSED)
    for act in (customers.suspend, customers.reinstate):
        with pytest.raises(IllegalState, match="closed"):
            await act(session, customer.id, reason="x", now=NOW)
    assert await rows.get(session, customer.id) == closed


async def test_a_suspended_customer_can_close_and_is_closed_then(session: Session) -> None:
    customer = await made(session)
    await customers.suspend(session, customer.id, reason="unpaid", now=NOW)
    closed = await customers.close(session, customer.id, reason="gone", closed_on=None, now=NOW)
    assert (status_on(closed, TODAY - timedelta(days=1)), status_on(closed, TODAY), closed.epoch) == (
        CustomerStatus.SUSPENDED,
        CustomerStatus.CLOSED,
        3,
    )


async def test_a_customer_that_never_starts_keeps_its_tier(session: Session) -> None:
    customer = await made(session, active_from=date(2026, 12, 1))
    with pytest.raises(Invalid) as refusal:
        await customers.close(session, customer.id, reason="no", closed_on=date(2026, 11, 30), now=NOW)
    assert refusal.value.field == ["input", "closedOn"]
    closed = await customers.close(session, customer.id, reason="no", closed_on=date(2026, 12, 1), now=NOW)
    assert (closed.closed_on, history(closed)) == (date(2026, 12, 1), [(date(2026, 12, 1), "standard")])


async def test_nobody_closes_into_a_month_that_was_billed(session: Session) -> None:
    customer = await made(session)
    await billed(session, customer, date(2026, 10, 1))
    with pytest.raises(IllegalState, match=r"2026-11-01\."):
        await customers.close(session, customer.id, reason="x", closed_on=date(2026, 10, 31), now=NOW)
    assert await rows.get(session, customer.id) == customer
    closed = await customers.close(session, customer.id, reason="x", closed_on=date(2026, 11, 1), now=NOW)
    assert closed.closed_on == date(2026, 11, 1)


async def test_a_month_is_not_issued_while_its_tier_changes(house: Tenant) -> None:
    """Issue takes the counter row, and so does a change of tier: the second one sees what the first one did."""
    async with house.session() as session:
        customer = await made(session)
    started = asyncio.Event()

    async def issue() -> None:
        async with house.session() as session:
            await session.execute("insert into invoice_counters (customer_id) values ($1)", customer.id)
            started.set()
            await asyncio.sleep(0.2)
            await billed(session, customer, date(2026, 10, 1))

    async def change() -> None:
        await started.wait()
        async with house.session() as session:
            await moved(session, customer.id, Tier.FINTECH, date(2026, 10, 15))

    issued, changed = await asyncio.gather(issue(), change(), return_exceptions=True)
    assert issued is None
    assert isinstance(changed, IllegalState)
    async with house.session() as session:
        assert history(await rows.get(session, customer.id)) == [(date(2025, 1, 1), "standard")]
