"""Rule 5: what was billed before and is known better now, on the next invoice of a run; and what no run issues."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest

from billing import customers as customer_rules
from billing import invoicing, preview, run
from billing.periods import Month
from billing.rating import Rating
from billing.recompute import recompute
from db import billing_runs, invoices
from db.connection import Role
from db.enums import TaxStatus, Tier
from db.errors import IllegalState
from db.invoices import AdjustmentRow, InvoiceRow
from tests.ledger import NOW, OCTOBER, SEPTEMBER, TOTAL, Ledger

JULY, AUGUST = Month(2026, 7), Month(2026, 8)

# 990 accounts over: 100 at 25.00, 800 at 20.00, 90 at 15.00, and 5 % off for more than 5,000.00
MANY = {"account_count": 1000}
MANY_COST = Decimal("18857.50")


async def adjusted(ledger: Ledger, invoice: InvoiceRow) -> list[tuple[str, str, str]]:
    """Of each adjustment line: month, what had been charged, amount."""
    async with ledger.house.session() as session:
        rows = await invoices.adjustments_by_invoices(session, [invoice.key])
    return [(str(Month.of(row.adjusted_month)), str(row.charged_before), str(row.amount)) for row in rows]


async def cancel(ledger: Ledger, invoice: InvoiceRow) -> None:
    async with ledger.house.session() as session:
        await invoicing.cancel(session, invoice.id, reason="a test", now=NOW)


async def issue(ledger: Ledger, invoice: InvoiceRow) -> InvoiceRow:
    async with ledger.house.session() as session:
        return await invoicing.issue(session, invoice.id, now=NOW)


async def previewed(ledger: Ledger, customer: UUID, month: Month = OCTOBER, **what: Any) -> Rating | None:
    async with ledger.house.session() as session:
        return await preview.preview(session, customer, month, **({"tier": None, "usage": None} | what))


async def closed(ledger: Ledger, customer: UUID, day: date = date(2026, 10, 1)) -> None:
    async with ledger.house.session() as session:
        await customer_rules.close(session, customer, reason="a test", closed_on=day, now=NOW)


async def said_again(ledger: Ledger, invoice: InvoiceRow) -> None:
    """It recomputes."""
    async with ledger.house.session() as session:
        assert await recompute(session, [invoice]) == {invoice.id: ()}


# ---------------------------------------------------------------- what is charged after all


async def test_usage_corrected_after_the_invoice_is_charged_on_the_next_one(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    september = await ledger.issued(customer, SEPTEMBER)
    await ledger.use(customer, SEPTEMBER, account_count=15, cloudtrail_events=12_345_678)
    foreseen = await previewed(ledger, customer)
    october = await ledger.draft(customer)
    lines = await ledger.lines(october)
    assert [(line.position, line.kind, line.adjusted_month, str(line.amount)) for line in lines] == [
        (1, "base", None, "2000.00"),
        (2, "usage", None, "50.00"),
        (3, "usage", None, "7.35"),
        (4, "adjustment", date(2026, 9, 1), "75.00"),
        (5, "tax", None, "405.15"),
    ]
    assert lines[3].description == "Usage of 2026-09 corrected: now 132.35, charged so far 57.35"
    assert [str(amount) for amount in (october.adjustments, october.subtotal, october.total_amount)] == [
        "75.00", "2132.35", "2537.50",
    ]  # fmt: skip
    async with ledger.house.session() as session:
        stored = await invoices.adjustments_by_invoices(session, [october.key])
    assert stored == [
        AdjustmentRow(
            customer_id=customer,
            invoice_id=october.id,
            adjusted_month=SEPTEMBER.first,
            adjusted_invoice_id=september.id,
            usage_revision=2,
            charged_before=Decimal("57.35"),
            amount=Decimal("75.00"),
        )
    ]
    assert foreseen is not None
    assert [(line.kind.value, line.description, line.amount) for line in foreseen.lines] == [
        (line.kind, line.description, line.amount) for line in lines
    ]
    await said_again(ledger, october)


async def test_an_issued_invoice_never_moves_and_the_next_one_charges_the_rest(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    august = await ledger.issued(customer, AUGUST)
    await ledger.use(customer, AUGUST, account_count=11)
    september = await ledger.issued(customer, SEPTEMBER)
    assert await adjusted(ledger, september) == [("2026-08", "57.35", "-32.35")]
    await ledger.use(customer, AUGUST, account_count=14)
    october = await ledger.issued(customer)
    assert await adjusted(ledger, october) == [("2026-08", "25.00", "75.00")]
    assert [await ledger.again(one) for one in (august, september)] == [august, september]
    for invoice in (august, september, october):
        await said_again(ledger, invoice)


async def test_a_correction_that_comes_to_the_same_has_no_line(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    await ledger.issued(customer, SEPTEMBER)
    await ledger.use(customer, SEPTEMBER, account_count=12, cloudtrail_events=12_345_678, ou_count=7)
    october = await ledger.issued(customer)
    assert (await adjusted(ledger, october), str(october.total_amount)) == ([], TOTAL)


async def test_adjustments_never_take_an_invoice_below_nothing_and_the_rest_waits(ledger: Ledger) -> None:
    customer = await ledger.customer(used=())
    months = (JULY, AUGUST, SEPTEMBER, OCTOBER)
    for month, numbers in zip(months, (MANY, MANY, {"account_count": 0}, {"account_count": 0}), strict=True):
        await ledger.use(customer, month, **numbers)
    for month in (JULY, AUGUST):
        await ledger.issued(customer, month)
    await ledger.use(customer, JULY, account_count=1001)  # 15.00 more, less 5 %
    await ledger.use(customer, AUGUST, account_count=0)
    september = await ledger.issued(customer, SEPTEMBER)
    assert await adjusted(ledger, september) == [("2026-07", "18857.50", "14.25"), ("2026-08", "18857.50", "-2014.25")]
    assert [str(amount) for amount in (september.subtotal, september.tax_amount, september.total_amount)] == [
        "0.00"
    ] * 3
    assert (september.status, september.paid_at) == ("paid", NOW)
    assert (await ledger.lines(september))[-2].description == (
        "Usage of 2026-08 corrected: now 0.00, charged so far 18,857.50; the rest comes off the next invoice"
    )
    october = await ledger.draft(customer)
    assert await adjusted(ledger, october) == [("2026-08", "16843.25", "-2000.00")]
    for invoice in (september, october):
        await said_again(ledger, invoice)


async def test_an_earlier_month_is_priced_under_the_tier_and_the_discount_of_its_own_invoice(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    await ledger.issued(customer, SEPTEMBER)
    async with ledger.house.session() as session:
        await customer_rules.change_tier(session, customer, Tier.FINTECH, effective_on=date(2026, 10, 1), now=NOW)
    await ledger.use(customer, SEPTEMBER, **MANY)
    october = await ledger.issued(customer)
    assert october.tier == "fintech"
    assert await adjusted(ledger, october) == [("2026-09", "57.35", str(MANY_COST - Decimal("57.35")))]
    await said_again(ledger, october)


# ---------------------------------------------------------------- what counts as charged


async def test_a_draft_charges_nothing_and_is_computed_again_when_it_is_issued(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    await ledger.issued(customer, AUGUST)
    await ledger.use(customer, AUGUST, account_count=13, cloudtrail_events=12_345_678)
    lies = await ledger.draft(customer, SEPTEMBER)
    assert await adjusted(ledger, lies) == [("2026-08", "57.35", "25.00")]
    october = await ledger.issued(customer)
    assert await adjusted(ledger, october) == [("2026-08", "57.35", "25.00")]
    september = await issue(ledger, lies)
    assert (await adjusted(ledger, september), str(september.total_amount)) == ([], TOTAL)
    assert [await ledger.again(one) for one in (october, september)] == [october, september]


async def test_a_draft_follows_an_earlier_month_and_nothing_else_is_written(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    for month in (AUGUST, SEPTEMBER):
        await ledger.issued(customer, month)
    october = await ledger.draft(customer)
    assert await adjusted(ledger, october) == []
    # two corrections that cancel each other out leave every amount of the draft as it was
    await ledger.use(customer, AUGUST, account_count=13, cloudtrail_events=12_345_678)
    await ledger.use(customer, SEPTEMBER, account_count=11, cloudtrail_events=12_345_678)
    await ledger.bill(customer)
    assert await adjusted(ledger, october) == [("2026-08", "57.35", "25.00"), ("2026-09", "57.35", "-25.00")]
    assert await ledger.invoice(customer) == october
    await said_again(ledger, october)
    written = "select xmin::text from invoices where id = $1"
    before = await ledger.admin.fetchval(written, october.id)
    await ledger.bill(customer)
    assert await ledger.admin.fetchval(written, october.id) == before
    # another revision with the same numbers that matter: the draft names the newest
    await ledger.use(customer, SEPTEMBER, account_count=11, cloudtrail_events=12_345_678, ou_count=1)
    await ledger.bill(customer)
    async with ledger.house.session() as session:
        named = await invoices.adjustments_by_invoices(session, [october.key])
    assert [row.usage_revision for row in named] == [2, 3]


async def test_a_cancelled_invoice_charges_nothing_and_the_one_after_it_counts(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    first = await ledger.issued(customer, AUGUST)
    await ledger.use(customer, AUGUST, account_count=13, cloudtrail_events=12_345_678)
    september = await ledger.issued(customer, SEPTEMBER)
    assert await adjusted(ledger, september) == [("2026-08", "57.35", "25.00")]
    await cancel(ledger, first)
    # August has no invoice, so there is nothing that it should cost
    assert await adjusted(ledger, await ledger.draft(customer)) == []
    second = await ledger.issued(customer, AUGUST)
    assert (str(second.usage_charges), await adjusted(ledger, second)) == ("82.35", [])
    # 82.35 by its own invoice and 25.00 by September's: the latter comes back
    await ledger.bill(customer)
    october = await ledger.invoice(customer)
    assert await adjusted(ledger, october) == [("2026-08", "107.35", "-25.00")]
    await cancel(ledger, september)
    await ledger.bill(customer)
    assert await adjusted(ledger, october) == []
    for invoice in (first, second, september, october):
        await said_again(ledger, await ledger.again(invoice))


async def test_a_month_billed_late_corrects_the_months_before_it_alone(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    for month in (AUGUST, OCTOBER):
        await ledger.issued(customer, month)
    for month in (AUGUST, OCTOBER):
        await ledger.use(customer, month, account_count=13, cloudtrail_events=12_345_678)
    september = await ledger.issued(customer, SEPTEMBER)
    assert await adjusted(ledger, september) == [("2026-08", "57.35", "25.00")]


async def test_a_preview_of_an_issued_month_says_what_its_invoice_says(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    await ledger.issued(customer, SEPTEMBER)
    await ledger.use(customer, SEPTEMBER, account_count=15, cloudtrail_events=12_345_678)
    october = await ledger.issued(customer)
    rating = await previewed(ledger, customer)
    assert rating is not None
    assert (rating.adjustments, rating.total_amount) == (october.adjustments, october.total_amount)
    november = await previewed(ledger, customer, Month(2026, 11))
    assert november is not None
    assert str(november.adjustments) == "0.00"


async def test_tenants_preview_their_adjustments_too(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    await ledger.issued(customer, SEPTEMBER)
    await ledger.use(customer, SEPTEMBER, account_count=15, cloudtrail_events=12_345_678)
    tenant = await ledger.house.landlord.key(customer, ["read"])
    async with tenant.session() as session:
        rating = await preview.preview(session, customer, OCTOBER, tier=None, usage=None)
    assert rating is not None
    assert str(rating.adjustments) == "75.00"


async def test_a_batch_asks_as_little_for_many_corrections_as_for_one(ledger: Ledger) -> None:
    many = [await ledger.customer(used=(SEPTEMBER, OCTOBER)) for _ in range(6)]
    await ledger.bill(*many, month=SEPTEMBER, issue=True)
    for customer in many:
        await ledger.use(customer, SEPTEMBER, account_count=15)

    async def statements(customers: list[UUID]) -> int:
        started = await ledger.start(customers, issue=True)
        async with ledger.rehearsal(Role.WORKER) as session:
            await billing_runs.claim(session, started.id, most=100)
            await run._bill(session, started, sorted(customers), lambda: NOW)
            return session.statements

    counts = {await statements(many[:1]), await statements(many)}
    await ledger.work()
    assert len(counts) == 1


# ---------------------------------------------------------------- closed customers


async def test_a_closed_customer_still_gets_what_it_owes_on_an_invoice_of_adjustments_alone(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER))
    for month in (AUGUST, SEPTEMBER):
        await ledger.issued(customer, month)
    async with ledger.house.session() as session:
        await customer_rules.change_tier(session, customer, Tier.FINTECH, effective_on=date(2026, 10, 1), now=NOW)
    await closed(ledger, customer)
    assert customer not in await ledger.everyone(OCTOBER)
    assert await previewed(ledger, customer) is None
    await ledger.use(customer, AUGUST, account_count=16, cloudtrail_events=12_345_678)  # 100.00 more
    await ledger.use(customer, SEPTEMBER, account_count=11, cloudtrail_events=12_345_678)  # 25.00 less
    assert customer in await ledger.everyone(OCTOBER)
    invoice = await ledger.issued(customer)
    assert invoice == replace(
        invoice,
        status="issued",
        tier="standard",
        tier_base_cost=Decimal(0),
        usage_charges=Decimal(0),
        volume_discount=Decimal(0),
        adjustments=Decimal("75.00"),
        subtotal=Decimal("75.00"),
        tax_amount=Decimal("14.25"),
        total_amount=Decimal("89.25"),
        usage_revision=0,
    )
    assert orjson.loads(invoice.tier_periods) == []
    assert await adjusted(ledger, invoice) == [("2026-08", "57.35", "100.00"), ("2026-09", "57.35", "-25.00")]
    assert customer not in await ledger.everyone(Month(2026, 11), now=datetime(2026, 12, 1, tzinfo=UTC))
    await said_again(ledger, invoice)
    # an invoice of adjustments alone billed no usage, so there is none to correct in its month
    await ledger.use(customer, SEPTEMBER, account_count=12, cloudtrail_events=12_345_678)
    november = await previewed(ledger, customer, Month(2026, 11))
    assert november is not None
    assert [str(line.amount) for line in november.lines] == ["25.00", "4.75"]


@pytest.mark.parametrize("september", [12, 8])
async def test_a_closed_customer_with_nothing_or_less_to_pay_is_left_alone(ledger: Ledger, september: int) -> None:
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER))
    for month in (AUGUST, SEPTEMBER):
        await ledger.issued(customer, month)
    await closed(ledger, customer)
    await ledger.use(customer, AUGUST, account_count=14, cloudtrail_events=12_345_678)  # 50.00 more
    await ledger.use(customer, SEPTEMBER, account_count=0, cloudtrail_events=september)  # 57.35 less
    assert customer not in await ledger.everyone(OCTOBER)
    done = await ledger.bill(customer)
    assert await ledger.failures(done.id) == {customer: "NOT_BILLABLE"}


async def test_a_draft_of_adjustments_alone_with_nothing_left_is_cancelled(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER,))
    await ledger.issued(customer, SEPTEMBER)
    await closed(ledger, customer)
    await ledger.use(customer, SEPTEMBER, account_count=15)
    draft = await ledger.draft(customer)
    assert draft.status == "draft"
    await ledger.use(customer, SEPTEMBER, account_count=12, cloudtrail_events=12_345_678)
    with pytest.raises(IllegalState, match="nothing to bill in 2026-10"):
        await issue(ledger, draft)
    assert customer in await ledger.everyone(OCTOBER)
    done = await ledger.bill(customer)
    assert (done.invoices_recomputed, str(done.total_amount), done.customers_failed) == (1, "0.00", 0)
    gone = await ledger.again(draft)
    assert (gone.status, gone.number, gone.cancel_reason) == ("cancelled", None, run.NOTHING_LEFT)


# ---------------------------------------------------------------- the sanity bound


async def seasoned(ledger: Ledger, *, active_from: date = date(2025, 1, 1)) -> UUID:
    """Three months of 2,000.00 before October, without tax."""
    customer = await ledger.customer(tax_status=TaxStatus.EXEMPT, active_from=active_from, used=())
    for month in (JULY, AUGUST, SEPTEMBER):
        await ledger.use(customer, month, account_count=0)
        await ledger.issued(customer, month)
    return customer


async def test_more_than_ten_times_the_usual_is_drafted_and_named_and_issued_by_a_person_alone(ledger: Ledger) -> None:
    customer, other = await seasoned(ledger), await ledger.customer()
    # 18,000.00 is what ten times 2,000.00 leaves besides the base
    await ledger.use(customer, account_count=10, data_transfer_gb=Decimal("1000000"))
    for _ in range(2):
        done = await ledger.bill(customer, other, issue=True)
        assert await ledger.failures(done.id) == {customer: "SANITY_BOUND"}
        draft = await ledger.invoice(customer)
        assert (draft.status, draft.subtotal > 20_000) == ("draft", True)
    assert done.customers_failed == done.invoices_skipped == 1
    kinds = [kind for kind, _, _ in await ledger.events(customer)]
    assert kinds == ["invoice.issued", "invoice.issued", "invoice.issued", "invoice.drafted"]
    async with ledger.house.session() as session:
        failures = await billing_runs.failure_pages_by_runs(session, [done.id], first=1, after=None)
    assert failures[0].reason.startswith("2026-10 comes to ")
    assert "2,000.00" in failures[0].reason
    numbered = await issue(ledger, draft)
    assert (numbered.status, str(numbered.number)[7:]) == ("issued", "0004")
    done = await ledger.bill(customer, issue=True)
    assert (done.invoices_skipped, done.customers_failed) == (1, 0)


async def test_a_doubted_draft_follows_its_inputs_and_is_issued_once_they_are_right(ledger: Ledger) -> None:
    customer = await seasoned(ledger)
    await ledger.use(customer, data_transfer_gb=Decimal("1000000"))
    await ledger.bill(customer, issue=True)
    draft = await ledger.invoice(customer)
    await ledger.use(customer, data_transfer_gb=Decimal("2000000"))
    await ledger.bill(customer, issue=True)
    assert (await ledger.again(draft)).subtotal > draft.subtotal
    await ledger.use(customer, account_count=10)
    assert (await ledger.issued(customer)).id == draft.id


@pytest.mark.parametrize(
    ("events", "subtotal", "code"), [(452_370_000, "20000.00", None), (452_380_000, "20000.01", "SANITY_BOUND")]
)
async def test_ten_times_the_usual_exactly_is_within_the_bound(
    ledger: Ledger, events: int, subtotal: str, code: str | None
) -> None:
    customer = await seasoned(ledger)
    # 18,500.00 for 900 accounts over, 447.37 or .38 for events; 5 % of either is 947.37
    await ledger.use(customer, account_count=910, cloudtrail_events=events)
    rating = await previewed(ledger, customer)
    assert rating is not None
    assert str(rating.subtotal) == subtotal
    done = await ledger.bill(customer, dry_run=True)
    assert await ledger.failures(done.id) == ({} if code is None else {customer: code})


async def test_there_is_no_bound_with_fewer_than_three_whole_months(ledger: Ledger) -> None:
    customer = await seasoned(ledger, active_from=date(2026, 7, 2))
    await ledger.use(customer, data_transfer_gb=Decimal("1000000"))
    assert (await ledger.issued(customer)).status == "issued"


async def test_cancelled_invoices_and_later_months_are_no_measure(ledger: Ledger) -> None:
    customer = await seasoned(ledger)
    await ledger.use(customer, account_count=0)
    await ledger.issued(customer)
    july = await ledger.invoice(customer, JULY)
    await cancel(ledger, await ledger.invoice(customer, AUGUST))
    await ledger.use(customer, AUGUST, data_transfer_gb=Decimal("1000000"))
    # before August only July counts; before November there would be July, September and October
    assert (await ledger.issued(customer, AUGUST)).subtotal > 10 * july.subtotal
