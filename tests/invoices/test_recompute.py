"""An invoice computed again from what it stored says the same, whatever became of its customer; or it says where not."""

from __future__ import annotations

from datetime import date

import pytest

from billing import customers as customer_rules
from billing.periods import Month
from billing.rating import Tax
from billing.recompute import Difference, bases, recompute
from db import invoices
from db.enums import TaxStatus, Tier
from db.invoices import InvoiceRow
from db.session import Session
from schema.ids import typeid
from tests.invoices.states import State, cancel, cancelled, draft, issued, paid
from tests.landlord import Refused, Tenant
from tests.ledger import NOW, OCTOBER, SEPTEMBER, Ledger

AUGUST = Month(2026, 8)


async def differences(ledger: Ledger, invoice: InvoiceRow) -> tuple[Difference, ...]:
    async with ledger.house.session() as session:
        found = await recompute(session, [invoice])
    assert list(found) == [invoice.id]
    return found[invoice.id]


@pytest.mark.parametrize("state", [draft, issued, paid, cancelled])
async def test_an_invoice_in_any_state_computes_again(ledger: Ledger, state: State) -> None:
    assert await differences(ledger, await state(ledger)) == ()


async def test_nothing_that_came_later_counts(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    async with ledger.house.session() as session:
        await customer_rules.change_tier(session, customer, Tier.FINTECH, effective_on=date(2026, 9, 11), now=NOW)
    august = await ledger.issued(customer, AUGUST)
    await ledger.use(customer, AUGUST, account_count=70)
    september = await ledger.issued(customer, SEPTEMBER)
    assert str(september.adjustments) == "1442.65"
    async with ledger.house.session() as session:
        changes = {"tax_status": TaxStatus.EXEMPT, "tax_jurisdiction": "FR"}
        await customer_rules.update(session, customer, changes, now=NOW)
        await customer_rules.change_tier(session, customer, Tier.GOV_FEDERAL, effective_on=date(2026, 10, 5), now=NOW)
    for month in (AUGUST, SEPTEMBER):
        await ledger.use(customer, month, account_count=500)
    await ledger.issued(customer)
    await cancel(ledger, august)
    for invoice in (august, september, await ledger.invoice(customer)):
        assert await differences(ledger, await ledger.again(invoice)) == ()
    async with ledger.house.session() as session:
        basis = (await bases(session, [september]))[september.id]
    assert [(one.tier, one.days.count) for one in basis.periods] == [(Tier.STANDARD, 10), (Tier.FINTECH, 20)]
    assert (basis.usage_revision, basis.usage.account_count) == (1, 12)
    assert basis.tax == Tax("DE", TaxStatus.TAXABLE, september.tax_rate)
    assert [(str(one.month), str(one.newest), str(one.charged), one.usage_revision, one.invoice_id)
            for one in basis.corrections] == [("2026-08", "1500.00", "57.35", 2, august.id)]  # fmt: skip


async def test_many_are_computed_again_with_as_few_questions_as_one(ledger: Ledger) -> None:
    customers = [await ledger.customer(used=(SEPTEMBER, OCTOBER)) for _ in range(5)]
    await ledger.bill(*customers, month=SEPTEMBER, issue=True)
    for customer in customers:
        await ledger.use(customer, SEPTEMBER, account_count=70)
    await ledger.bill(*customers, issue=True)
    many = await ledger.living(customers)
    statements = set()
    for some in (many[:1], many):
        async with ledger.house.session() as session:
            before = session.statements
            assert await recompute(session, some) == {invoice.id: () for invoice in some}
            statements.add(session.statements - before)
    assert len(statements) == 1


async def test_what_was_bent_is_named(ledger: Ledger) -> None:
    """Nobody can bend an issued invoice but a superuser who takes the triggers away first."""
    invoice = await issued(ledger)
    admin = ledger.admin
    bending = admin.transaction()
    await bending.start()
    try:
        await admin.execute("alter table invoices disable trigger user")
        await admin.execute("alter table invoice_lines disable trigger user")
        await admin.execute(
            "update invoices set tier_base_cost = 1999.99, subtotal = 2057.34, total_amount = 2448.24 where id = $1",
            invoice.id,
        )
        for bend in (
            "update invoice_lines set amount = 1999.99 where invoice_id = $1 and position = 1",
            "update invoice_lines set metric = 'ou_count' where invoice_id = $1 and position = 2",
            "delete from invoice_lines where invoice_id = $1 and position = 4",
        ):
            await admin.execute(bend, invoice.id)
        session = Session(admin)
        (bent,) = await invoices.by_ids(session, [invoice.id])
        found = (await recompute(session, [bent]))[invoice.id]
    finally:
        await bending.rollback()
    assert found == (
        Difference("tier base cost", "1999.99", "2000.00"),
        Difference("subtotal", "2057.34", "2057.35"),
        Difference("total amount", "2448.24", "2448.25"),
        Difference("line 1: amount", "1999.99", "2000.00"),
        Difference("line 2: metric", "ou_count", "account_count"),
        Difference("line 4", None, "Tax DE, 19 %"),
    )


RECOMPUTED = """
query ($first: Int, $id: ID) {
  invoices(first: $first, filter: {customerId: $id}) { nodes { number recomputation { where stored computed } } }
}
"""


async def test_an_operator_asks_whether_invoices_still_compute(ledger: Ledger, house: Tenant) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    september = await ledger.issued(customer, SEPTEMBER)
    await ledger.use(customer, SEPTEMBER, account_count=70)
    october = await ledger.issued(customer)
    asked = {"first": 5, "id": typeid("cus", customer)}
    answer = (await house.api(RECOMPUTED, **asked))["invoices"]["nodes"]
    assert answer == [{"number": one.number, "recomputation": []} for one in (october, september)]
    admin = ledger.admin
    async with admin.transaction():
        await admin.execute("alter table invoice_lines disable trigger user")
        await admin.execute(
            "update invoice_lines set amount = 1999.99 where invoice_id = $1 and position = 1", september.id
        )
        await admin.execute("alter table invoice_lines enable trigger user")
    answer = (await house.api(RECOMPUTED, **asked))["invoices"]["nodes"]
    assert [one["recomputation"] for one in answer] == [
        [], [{"where": "line 1: amount", "stored": "1999.99", "computed": "2000.00"}],
    ]  # fmt: skip


async def test_a_tenant_is_not_told_how_invoices_recompute(ledger: Ledger) -> None:
    acme = await ledger.house.landlord.key(await ledger.customer(), ["write"])
    with pytest.raises(Refused) as refused:
        await acme.api(RECOMPUTED)
    assert refused.value.codes == ["FORBIDDEN"]
    assert "billing:read" in str(refused.value)
