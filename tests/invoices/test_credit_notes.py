"""Credit notes: what is due less, what becomes credit, and which later invoice takes it up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from app import utc_now
from billing import customers as customer_rules
from billing import invoicing
from billing.periods import Month
from db import credit_notes, invoices
from db.credit_notes import CreditNoteRow
from db.enums import TaxStatus
from db.errors import IllegalState, Invalid
from db.invoices import InvoiceRow
from schema.ids import typeid
from tests.invoices.states import cancel, credit, issue, issued, paid, part_paid, pay
from tests.landlord import Refused, Tenant
from tests.ledger import NOW, OCTOBER, SEPTEMBER, TOTAL, Ledger

JULY, AUGUST = Month(2026, 7), Month(2026, 8)


async def notes(ledger: Ledger, invoice: InvoiceRow) -> list[CreditNoteRow]:
    async with ledger.house.session() as session:
        return await credit_notes.by_invoices(session, [invoice.key])


async def uses(ledger: Ledger, customer: UUID) -> list[tuple[str, str, str, str]]:
    """Credit note and invoice by their numbers' ends, what was taken up, and where that invoice stands."""
    rows = await ledger.admin.fetch(
        """
        select right(note.number, 4) as note, right(i.number, 4) as invoice, used.amount::text, i.status
          from credit_uses used
          join credit_notes note on note.customer_id = used.customer_id and note.id = used.credit_note_id
          join invoices i on i.customer_id = used.customer_id and i.id = used.invoice_id
         where used.customer_id = $1
         order by i.number, note.number
        """,
        customer,
    )
    return [tuple(row) for row in rows]


async def balance(ledger: Ledger, customer: UUID) -> str:
    async with ledger.house.session() as session:
        return str((await invoices.balances(session, [customer]))[0].balance)


async def with_credit(ledger: Ledger, *amounts: str, used: tuple[Month, ...] = (SEPTEMBER, OCTOBER)) -> UUID:
    """A customer whose August is paid, and credited afterwards by these amounts."""
    customer = await ledger.customer(used=(AUGUST, *used))
    august = await pay(ledger, await ledger.issued(customer, AUGUST), TOTAL)
    for amount in amounts:
        await credit(ledger, august, amount)
    return customer


# ---------------------------------------------------------------- on what is due


async def test_a_credit_note_lowers_what_is_due_and_makes_no_credit(ledger: Ledger) -> None:
    invoice = await issued(ledger)
    less = await credit(ledger, invoice, "448.25", " two days of outage ")
    assert less == replace(invoice, amount_credited=Decimal("448.25"))
    assert str(invoicing.amount_due(less)) == "2000.00"
    prefix = str(invoice.number)[:6]
    (note,) = await notes(ledger, invoice)
    assert note == replace(
        note, number=f"{prefix}-CN-0001", amount=Decimal("448.25"), reason="two days of outage", issued_at=NOW
    )
    assert await balance(ledger, invoice.customer_id) == "2000.00"
    assert await ledger.mails(invoice.customer_id) == [
        ("email", f"invoice-issued/{invoice.id}"),
        ("email", f"credit-note-issued/{note.id}"),
    ]


async def test_a_credit_note_for_all_that_is_due_settles_the_invoice(ledger: Ledger) -> None:
    invoice = await part_paid(ledger)
    settled = await credit(ledger, invoice, "2448.24")
    assert settled == replace(invoice, amount_credited=Decimal("2448.24"), status="paid", paid_at=NOW)
    assert await balance(ledger, invoice.customer_id) == "0.00"
    assert invoicing.creditable(settled) == Decimal("0.01")


async def test_numbers_of_credit_notes_count_on_over_all_invoices_of_a_customer(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    september, october = [await ledger.issued(customer, month) for month in (SEPTEMBER, OCTOBER)]
    for invoice in (october, september, october):
        await credit(ledger, invoice, "1.00")
    with pytest.raises(Invalid):
        await credit(ledger, october, "9999.00")
    await credit(ledger, september, "1.00")
    numbers = [[note.number[-7:] for note in await notes(ledger, one)] for one in (september, october)]
    assert numbers == [["CN-0002", "CN-0004"], ["CN-0001", "CN-0003"]]
    assert str((await ledger.again(october)).number)[7:] == "0002"


@pytest.mark.parametrize(
    ("amount", "reason", "field"),
    [
        ("0", "why", "amount"),
        ("-1.00", "why", "amount"),
        ("1.000", "why", "amount"),
        ("2448.25", "why", "amount"),
        ("1" + "0" * 30, "why", "amount"),
        ("Infinity", "why", "amount"),
        ("1.00", "  ", "reason"),
        ("1.00", "x" * 501, "reason"),
        ("1.00", "two\nlines", "reason"),
    ],
)
async def test_a_credit_note_that_cannot_be_is_refused_with_its_field(
    ledger: Ledger, amount: str, reason: str, field: str
) -> None:
    invoice = await part_paid(ledger)
    with pytest.raises(Invalid) as refusal:
        await credit(ledger, invoice, amount, reason)
    assert refusal.value.field == ["input", field]
    assert (await ledger.again(invoice), await notes(ledger, invoice)) == (invoice, [])
    assert len(await ledger.mails(invoice.customer_id)) == 1


async def test_the_same_amount_credited_twice_at_once_is_credited_once(ledger: Ledger) -> None:
    invoice = await issued(ledger)
    outcomes = await asyncio.gather(*(credit(ledger, invoice, TOTAL) for _ in range(3)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["IllegalState", "IllegalState", "InvoiceRow"]
    assert [note.number[-4:] for note in await notes(ledger, invoice)] == ["0001"]


# ---------------------------------------------------------------- on what is paid


async def test_on_a_paid_invoice_it_becomes_credit_up_to_what_was_not_credited_before(ledger: Ledger) -> None:
    invoice = await paid(ledger)
    for amount in ("1000.00", "1448.24"):
        invoice = await credit(ledger, invoice, amount)
    assert (invoice.status, str(invoice.amount_credited), invoice.paid_at) == ("paid", "2448.24", NOW)
    assert str(invoicing.amount_due(invoice)) == "0.00"
    assert await balance(ledger, invoice.customer_id) == "-2448.24"
    with pytest.raises(Invalid, match=r"0\.01 was not credited before"):
        await credit(ledger, invoice, "0.02")
    invoice = await credit(ledger, invoice, "0.01")
    with pytest.raises(IllegalState):
        await credit(ledger, invoice, "0.01")
    assert await balance(ledger, invoice.customer_id) == "-2448.25"


async def test_what_was_credited_before_the_payment_is_not_credited_again(ledger: Ledger) -> None:
    invoice = await credit(ledger, await issued(ledger), "448.25")
    invoice = await pay(ledger, invoice, "2000.00")
    assert (invoice.status, invoicing.creditable(invoice)) == ("paid", Decimal("2000.00"))
    await credit(ledger, invoice, "2000.00")
    assert await balance(ledger, invoice.customer_id) == "-2000.00"


# ---------------------------------------------------------------- taking it up


async def test_the_next_invoice_takes_up_credit_when_it_is_issued_and_not_before(ledger: Ledger) -> None:
    customer = await with_credit(ledger, "448.25")
    drafted = await ledger.draft(customer, SEPTEMBER)
    assert str(drafted.credit_applied) == "0.00"
    september = await issue(ledger, drafted)
    assert september == replace(
        drafted,
        status="issued",
        number=september.number,
        issued_at=NOW,
        due_on=date(2026, 12, 22),
        credit_applied=Decimal("448.25"),
    )
    assert str(invoicing.amount_due(september)) == "2000.00"
    assert await balance(ledger, customer) == "2000.00"
    october = await ledger.issued(customer)
    assert str(october.credit_applied) == "0.00"
    assert await uses(ledger, customer) == [("0001", "0002", "448.25", "issued")]


async def test_credit_is_taken_up_oldest_first_as_far_as_something_is_due(ledger: Ledger) -> None:
    customer = await with_credit(ledger, "1000.00", "1448.25")
    july = await ledger.customer(used=())  # somebody else's, whose credit is nobody's business here
    await ledger.use(july, JULY)
    await credit(ledger, await pay(ledger, await ledger.issued(july, JULY), TOTAL), TOTAL)
    async with ledger.house.session() as session:
        await customer_rules.update(session, customer, {"tax_status": TaxStatus.EXEMPT}, now=NOW)
    # 2,057.35 without tax: what was credited comes back to the cent whatever the rates are by then
    september = await ledger.issued(customer, SEPTEMBER)
    assert (september.status, str(september.credit_applied), september.paid_at) == ("paid", "2057.35", NOW)
    assert await balance(ledger, customer) == "-390.90"
    october = await ledger.issued(customer)
    assert (october.status, str(october.credit_applied)) == ("issued", "390.90")
    assert await uses(ledger, customer) == [
        ("0001", "0002", "1000.00", "paid"),
        ("0002", "0002", "1057.35", "paid"),
        ("0002", "0003", "390.90", "issued"),
    ]
    assert await balance(ledger, customer) == str(invoicing.amount_due(october)) == "1666.45"


async def test_a_run_takes_up_each_customers_own_credit(ledger: Ledger) -> None:
    some = [await with_credit(ledger, amount, used=(SEPTEMBER,)) for amount in ("1.00", "2.00", TOTAL)]
    none = await ledger.customer(used=(SEPTEMBER,))
    await ledger.bill(*some, none, month=SEPTEMBER, issue=True)
    billed = {row.customer_id: row for row in await ledger.living([*some, none], SEPTEMBER)}
    assert [str(billed[one].credit_applied) for one in (*some, none)] == ["1.00", "2.00", TOTAL, "0.00"]
    assert [billed[one].status for one in (*some, none)] == ["issued", "issued", "paid", "issued"]


async def test_a_cancelled_invoices_credit_is_free_again(ledger: Ledger) -> None:
    customer = await with_credit(ledger, "448.25")
    september = await cancel(ledger, await ledger.issued(customer, SEPTEMBER))
    assert (str(september.credit_applied), await balance(ledger, customer)) == ("448.25", "-448.25")
    again = await ledger.issued(customer, SEPTEMBER)
    assert (str(again.credit_applied), str(again.number)[7:]) == ("448.25", "0003")
    assert await uses(ledger, customer) == [
        ("0001", "0002", "448.25", "cancelled"),
        ("0001", "0003", "448.25", "issued"),
    ]


async def test_an_invoice_settled_by_credit_is_credited_as_a_paid_one(ledger: Ledger) -> None:
    customer = await with_credit(ledger, TOTAL)
    september = await ledger.issued(customer, SEPTEMBER)
    assert (september.status, str(september.amount_paid)) == ("paid", "0.00")
    await credit(ledger, september, "48.25")
    october = await ledger.issued(customer)
    assert str(october.credit_applied) == "48.25"
    assert await balance(ledger, customer) == "2400.00"


async def test_two_invoices_issued_at_once_share_the_credit(ledger: Ledger) -> None:
    customer = await with_credit(ledger, "448.25")
    drafts = [await ledger.draft(customer, month) for month in (SEPTEMBER, OCTOBER)]
    both = await asyncio.gather(*(issue(ledger, invoice) for invoice in drafts))
    assert sorted(str(invoice.credit_applied) for invoice in both) == ["0.00", "448.25"]


# ---------------------------------------------------------------- through the API

CREDIT = """
mutation ($input: IssueCreditNoteInput!) {
  issueCreditNote(input: $input) {
    invoice {
      id status totalAmount amountCredited amountDue availableActions
      creditNotes { id number amount reason invoice { id } }
      customer { balanceDue }
    }
    errors { code field }
  }
}
"""
LAST = Month.of(utc_now().date()).previous()


async def test_an_operator_credits_once_however_often_it_is_sent_and_the_tenant_reads_it(
    ledger: Ledger, house: Tenant, acme: Tenant
) -> None:
    assert acme.customer_id is not None
    await ledger.use(acme.customer_id, LAST)
    invoice = await ledger.issued(acme.customer_id, LAST, now=utc_now())
    id = typeid("inv", invoice.id)
    asked = {"invoiceId": id, "amount": "270.29", "reason": "outage", "idempotencyKey": "first"}
    answer = (await house.api(CREDIT, input=asked))["issueCreditNote"]
    number = f"{str(invoice.number)[:6]}-CN-0001"
    (note,) = answer["invoice"].pop("creditNotes")
    assert answer == {
        "invoice": {
            "id": id, "status": "ISSUED", "totalAmount": "2270.29", "amountCredited": "270.29", "amountDue": "2000.00",
            "availableActions": ["RECORD_PAYMENT", "ISSUE_CREDIT_NOTE"], "customer": {"balanceDue": "2000.00"},
        },
        "errors": [],
    }  # fmt: skip
    assert note == {"id": note["id"], "number": number, "amount": "270.29", "reason": "outage", "invoice": {"id": id}}
    again = (await house.api(CREDIT, input=asked))["issueCreditNote"]
    assert (again["invoice"]["amountCredited"], again["invoice"]["creditNotes"]) == ("270.29", [note])
    other = (await house.api(CREDIT, input=asked | {"amount": "1.00"}))["issueCreditNote"]
    assert other == {"invoice": None, "errors": [{"code": "IDEMPOTENCY_MISMATCH", "field": None}]}
    seen = await acme.api("query ($id: ID!) { node(id: $id) { ... on CreditNote { number amount } } }", id=note["id"])
    assert seen["node"] == {"number": number, "amount": "270.29"}
    trail = await house.landlord.admin.fetch(
        "select event_type, customer_id, status from audit_events where resource_id = $1 and actor_kind = 'operator'"
        " order by id",
        id,
    )
    mine = (acme.customer_id, "success")
    assert [tuple(row) for row in trail] == [("invoice.credit_note_issued", *mine), ("mutation.repeated", *mine)]


async def test_a_refused_credit_note_says_why_and_changes_nothing(ledger: Ledger, house: Tenant, acme: Tenant) -> None:
    assert acme.customer_id is not None
    await ledger.use(acme.customer_id, LAST)
    invoice = await ledger.issued(acme.customer_id, LAST, now=utc_now())
    asked = {"invoiceId": typeid("inv", invoice.id), "amount": "1.00", "reason": "outage", "idempotencyKey": "k"}
    unknown = typeid("inv", UUID(int=1))
    for change, code, field in (
        ({"amount": "2270.30"}, "INVALID", ["input", "amount"]),
        ({"amount": "0.00"}, "INVALID", ["input", "amount"]),
        ({"amount": "-1.00"}, "INVALID", ["input", "amount"]),
        ({"amount": "1.001"}, "INVALID", ["input", "amount"]),
        ({"reason": " "}, "INVALID", ["input", "reason"]),
        ({"idempotencyKey": ""}, "INVALID", ["input", "idempotencyKey"]),
        ({"invoiceId": acme.id}, "INVALID", ["input", "invoiceId"]),
        ({"invoiceId": unknown}, "NOT_FOUND", None),
    ):
        answer = (await house.api(CREDIT, input=asked | change))["issueCreditNote"]
        assert answer == {"invoice": None, "errors": [{"code": code, "field": field}]}, change
    refused = (await acme.api(CREDIT, input=asked))["issueCreditNote"]
    assert [error["code"] for error in refused["errors"]] == ["FORBIDDEN"]
    for wrong in ({"amount": "much"}, {"amount": None}, {"more": "than asked"}):
        with pytest.raises(Refused):
            await house.api(CREDIT, input=asked | wrong)
    assert (await ledger.again(invoice), await notes(ledger, invoice)) == (invoice, [])
