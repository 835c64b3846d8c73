"""An invoice's states: what each allows, what each act leaves behind, and that nothing else moves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from billing import customers as customer_rules
from billing import inputs, invoicing, price_list, prices
from billing.invoicing import InvoiceAction
from billing.periods import Month
from db import invoices, payments
from db.connection import Role
from db.enums import TaxStatus
from db.errors import IllegalState, Invalid, NotFound
from db.invoices import InvoiceStatus
from db.session import Session
from tests.invoices.states import ACTS, ALLOWED, State, cancel, draft, issue, issued, paid, pay
from tests.ledger import NOW, OCTOBER, SEPTEMBER, TOTAL, Ledger


@pytest.mark.parametrize("action", ACTS)
@pytest.mark.parametrize("state", ALLOWED, ids=[state.__name__ for state in ALLOWED])
async def test_every_state_allows_its_own_actions_and_says_so_beforehand(
    ledger: Ledger, state: State, action: InvoiceAction
) -> None:
    invoice = await state(ledger)
    said = invoicing.available_actions(invoice)
    assert (set(said), len(said)) == (ALLOWED[state], len(ALLOWED[state]))
    if action in ALLOWED[state]:
        await ACTS[action](ledger, invoice)
        assert await ledger.again(invoice) != invoice
    else:
        with pytest.raises(IllegalState) as refusal:
            await ACTS[action](ledger, invoice)
        assert (refusal.value.what, refusal.value.action) == (invoice, action)
        assert await ledger.again(invoice) == invoice


async def test_no_such_invoice_is_not_found(ledger: Ledger) -> None:
    unknown = replace(await draft(ledger), id=uuid4())
    for act in ACTS.values():
        with pytest.raises(NotFound):
            await act(ledger, unknown)


# ---------------------------------------------------------------- issue


async def test_issue_numbers_freezes_and_announces_after_computing_once_more(ledger: Ledger) -> None:
    invoice = await draft(ledger)
    await ledger.use(invoice.customer_id, account_count=11)
    numbered = await issue(ledger, invoice)
    prefix = await ledger.admin.fetchval("select invoice_prefix from customers where id = $1", invoice.customer_id)
    assert numbered == replace(
        invoice,
        status="issued",
        number=f"{prefix}-0001",
        usage_charges=Decimal("25.00"),
        subtotal=Decimal("2025.00"),
        tax_amount=Decimal("384.75"),
        total_amount=Decimal("2409.75"),
        usage_revision=2,
        issued_at=NOW,
        due_on=date(2026, 12, 22),
    )
    assert [str(line.amount) for line in await ledger.lines(invoice)] == ["2000.00", "25.00", "384.75"]
    assert await ledger.mails(invoice.customer_id) == [("email", f"invoice-issued/{invoice.id}")]


async def test_what_a_run_would_refuse_is_not_issued(ledger: Ledger) -> None:
    invoice = await draft(ledger)
    async with ledger.house.session() as session:
        await customer_rules.update(session, invoice.customer_id, {"tax_jurisdiction": "ZZ"}, now=NOW)
    with pytest.raises(IllegalState, match="There is no tax rate for ZZ on 2026-10-31"):
        await issue(ledger, invoice)
    assert await ledger.again(invoice) == invoice
    assert await ledger.mails(invoice.customer_id) == []


async def test_two_months_issued_at_once_get_two_numbers_in_a_row(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    drafts = [await ledger.draft(customer, month) for month in (SEPTEMBER, OCTOBER)]
    numbered = await asyncio.gather(*(issue(ledger, invoice) for invoice in drafts))
    assert sorted(str(invoice.number)[7:] for invoice in numbered) == ["0001", "0002"]


async def test_a_draft_issued_twice_at_once_gets_one_number(ledger: Ledger) -> None:
    invoice = await draft(ledger)
    outcomes = await asyncio.gather(*(issue(ledger, invoice) for _ in range(3)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["IllegalState", "IllegalState", "InvoiceRow"]
    counter = "select last_invoice from invoice_counters where customer_id = $1"
    assert await ledger.admin.fetchval(counter, invoice.customer_id) == 1


async def test_an_invoice_of_nothing_is_paid_when_it_is_issued(ledger: Ledger) -> None:
    """No tier is free in our price list, so this one stands in a rehearsal and in another century."""
    month = Month(2190, 1)
    customer = await ledger.customer(tax_status=TaxStatus.EXEMPT)
    async with ledger.rehearsal(Role.OPERATOR) as session:
        invoice_id = await issued_for_free(session, month, customer)
        free = await invoicing.get(session, invoice_id)
        assert (free.status, str(free.total_amount)) == ("paid", "0.00")
        assert (free.issued_at, free.paid_at) == (NOW, NOW)
        assert free.number is not None
        assert invoicing.available_actions(free) == ()


async def issued_for_free(session: Session, month: Month, customer: UUID) -> UUID:
    read = price_list.read(price_list.FIRST_PRICE_LIST)
    free = tuple(replace(tier, base_price=Decimal("0.00")) for tier in read.card.tiers)
    card = replace(read.card, name="free", effective_from=month.first, tiers=free)
    await prices.add(session, replace(read, card=card, tax_rates=()), now=NOW)
    known = await inputs.read(session, [customer], month)
    bill = inputs.bill_as_if(known, customer, tier=None, usage=None)
    await invoices.lock_counters(session, [customer])
    added = await invoicing.draft(session, [bill], month, at=NOW)
    await invoicing.number(session, list(added.items()), at=NOW)
    return added[customer]


# ---------------------------------------------------------------- payments


async def test_payments_lower_what_is_due_until_nothing_is(ledger: Ledger) -> None:
    invoice = await issued(ledger)
    first = await pay(ledger, invoice, "2000.00", reference=" RF18 5390 ", method=" bank transfer ")
    assert first == replace(invoice, amount_paid=Decimal("2000.00"))
    assert invoicing.amount_due(first) == Decimal("448.25")
    received = NOW - timedelta(days=2)
    second = await pay(ledger, invoice, "448.25", method="card", received_at=received)
    assert second == replace(invoice, status="paid", amount_paid=Decimal(TOTAL), paid_at=NOW)
    assert str(invoicing.amount_due(second)) == "0.00"
    async with ledger.house.session() as session:
        stored = await payments.by_invoices(session, [invoice.key])
        again = await payments.by_ids(session, [row.id for row in stored])
    assert [(str(row.amount), row.method, row.reference, row.received_at) for row in stored] == [
        ("2000.00", "bank transfer", "RF18 5390", NOW),
        ("448.25", "card", None, received),
    ]
    assert sorted(again, key=lambda row: row.id) == stored


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-1.00"}, "amount"),
        ({"amount": "2448.26"}, "amount"),
        ({"amount": "1.000"}, "amount"),
        ({"amount": "1" + "0" * 30}, "amount"),
        ({"method": "  "}, "method"),
        ({"method": "x" * 51}, "method"),
        ({"method": "card\0"}, "method"),
        ({"reference": ""}, "reference"),
        ({"reference": "x" * 201}, "reference"),
        ({"reference": "\ud800"}, "reference"),
        ({"received_at": NOW + timedelta(microseconds=1)}, "receivedAt"),
    ],
)
async def test_a_payment_that_cannot_be_is_refused_with_its_field(
    ledger: Ledger, change: dict[str, Any], field: str
) -> None:
    invoice = await issued(ledger)
    with pytest.raises(Invalid) as refusal:
        await pay(ledger, invoice, **change)
    assert refusal.value.field == ["input", field]
    assert await ledger.again(invoice) == invoice


async def test_the_same_amount_paid_twice_at_once_is_taken_once(ledger: Ledger) -> None:
    invoice = await issued(ledger)
    outcomes = await asyncio.gather(*(pay(ledger, invoice, TOTAL) for _ in range(3)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["IllegalState", "IllegalState", "InvoiceRow"]
    assert (await ledger.again(invoice)).amount_paid == Decimal(TOTAL)


# ---------------------------------------------------------------- cancelling


async def test_a_cancelled_invoice_keeps_its_number_and_says_why(ledger: Ledger) -> None:
    invoice = await issued(ledger)
    assert await cancel(ledger, invoice, " wrong tier ") == replace(
        invoice, status="cancelled", cancelled_at=NOW, cancel_reason="wrong tier"
    )


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "two\nlines"])
async def test_a_reason_is_one_line_of_text(ledger: Ledger, reason: str) -> None:
    invoice = await draft(ledger)
    with pytest.raises(Invalid) as refusal:
        await cancel(ledger, invoice, reason)
    assert refusal.value.field == ["input", "reason"]
    assert await ledger.again(invoice) == invoice


# ---------------------------------------------------------------- what it says of itself


async def test_issued_becomes_overdue_with_the_first_day_after_the_due_date(ledger: Ledger) -> None:
    invoice = await issued(ledger)
    assert invoice.due_on == date(2026, 12, 22)
    assert invoicing.status(invoice, date(2026, 12, 22)) is InvoiceStatus.ISSUED
    assert invoicing.status(invoice, date(2026, 12, 23)) is InvoiceStatus.OVERDUE
    for other in ("draft", "paid", "cancelled"):
        assert invoicing.status(replace(invoice, status=other), date(2027, 1, 1)) == other


async def test_due_is_the_total_less_all_that_came_off_and_nothing_for_drafts_and_cancelled_ones(
    ledger: Ledger,
) -> None:
    invoice = replace(
        await issued(ledger),
        credit_applied=Decimal("100.00"),
        amount_credited=Decimal("20.00"),
        amount_paid=Decimal("3.25"),
    )
    assert str(invoicing.amount_due(invoice)) == "2325.00"
    assert str(invoicing.amount_due(replace(invoice, amount_credited=Decimal("9999.00")))) == "0.00"
    for other in ("draft", "cancelled"):
        assert str(invoicing.amount_due(replace(invoice, status=other))) == "0.00"


async def test_what_customers_owe_is_what_is_due_on_all_their_invoices(ledger: Ledger) -> None:
    owes = await ledger.customer(used=(Month(2026, 8), SEPTEMBER, OCTOBER))
    await pay(ledger, await ledger.issued(owes, Month(2026, 8)), "48.25")
    await cancel(ledger, await ledger.issued(owes, SEPTEMBER))
    await ledger.draft(owes)
    owes_nothing = (await paid(ledger)).customer_id
    async with ledger.house.session() as session:
        found = await invoices.balances(session, [owes, owes_nothing])
    assert {row.id: str(row.balance) for row in found} == {owes: "2400.00", owes_nothing: "0.00"}


# ---------------------------------------------------------------- what the database holds, whoever asks


@pytest.mark.parametrize(
    "change",
    [
        "update invoices set tax_jurisdiction = 'FR' where id = $1",
        "update invoices set number = 'ABCDEF-0009' where id = $1",
        "update invoices set status = 'draft', number = null, issued_at = null, due_on = null where id = $1",
        "delete from invoices where id = $1",
        "delete from invoice_lines where invoice_id = $1",
        "insert into invoice_lines (customer_id, invoice_id, position, kind, description, amount)"
        " select customer_id, id, 99, 'tax', 'more', 1 from invoices where id = $1",
    ],
)
async def test_an_issued_invoice_is_frozen_even_for_a_superuser(ledger: Ledger, change: str) -> None:
    invoice = await issued(ledger)
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await ledger.admin.execute(change, invoice.id)
    assert refusal.value.sqlstate == "LL010"
    assert await ledger.again(invoice) == invoice


async def test_an_invoice_whose_lines_do_not_sum_to_its_total_gets_no_number(ledger: Ledger) -> None:
    invoice = await draft(ledger)
    await ledger.admin.execute("delete from invoice_lines where invoice_id = $1 and position = 2", invoice.id)
    with pytest.raises(asyncpg.PostgresError, match="sum to its total"):
        await issue(ledger, invoice)
    assert (await ledger.again(invoice)).status == "draft"


async def test_a_second_living_invoice_for_a_month_is_refused(ledger: Ledger) -> None:
    invoice = await draft(ledger)
    async with ledger.house.session() as session:
        known = await inputs.read(session, [invoice.customer_id], OCTOBER)
    bill = inputs.bill(known, invoice.customer_id)
    with pytest.raises(asyncpg.UniqueViolationError):
        async with ledger.house.session() as session:
            await invoicing.draft(session, [bill], OCTOBER, at=NOW)
    assert await ledger.invoice(invoice.customer_id) == invoice
