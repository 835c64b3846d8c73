"""`landlord invoice`: each cent of an invoice explained, computed again, and compared with another's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest

from app import utc_now
from billing import customers as customer_rules
from billing.periods import Month
from db.enums import TaxStatus, Tier
from db.invoices import InvoiceRow
from schema.ids import typeid
from tests.cli.conftest import Shell
from tests.invoices.states import credit, pay
from tests.ledger import NOW, OCTOBER, SEPTEMBER, Ledger

AUGUST = Month(2026, 8)


@pytest.fixture
async def storied(ledger: Ledger) -> Sequence[InvoiceRow]:
    """August and September of a customer: credit, late usage, and a tier change; and October, still a draft."""
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    august = await ledger.issued(customer, AUGUST)
    await credit(ledger, await pay(ledger, august, str(august.total_amount)), "100.00")
    await ledger.use(customer, AUGUST, account_count=70)
    async with ledger.house.session() as session:
        await customer_rules.change_tier(session, customer, Tier.FINTECH, effective_on=date(2026, 9, 11), now=NOW)
    await ledger.use(
        customer, SEPTEMBER, account_count=400, config_evaluations=350_000, log_storage_gb=Decimal("150.5")
    )
    # the server reads the real clock, by which this one is not overdue yet
    september = await ledger.issued(customer, SEPTEMBER, now=max(NOW, utc_now()))
    await pay(ledger, september, "1000.00")
    async with ledger.house.session() as session:
        await customer_rules.update(session, customer, {"tax_status": TaxStatus.REVERSE_CHARGE}, now=NOW)
    return [await ledger.again(august), await ledger.again(september), await ledger.draft(customer)]


# ---------------------------------------------------------------- explain


async def test_each_line_is_explained_to_the_cent(shell: Shell, storied: Sequence[InvoiceRow]) -> None:
    number = storied[1].number or ""
    ran = await shell.run("invoice", "explain", number)
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        f"{number}: 2026-09 of Initech, ISSUED, in USD",
        "Price list “2025 list” of 2025-01-01, tier Fintech, usage revision 2",
        "# line amount",
        "1 Standard base price, 2026-09-01 to 2026-09-11 (10 of 30 days) 666.67",
        "2,000.00 x 10 / 30 days, to cents 666.67",
        "2 Fintech base price, 2026-09-11 to 2026-10-01 (20 of 30 days) 5,333.33",
        "8,000.00 x 20 / 30 days, to cents 5,333.33",
        "3 Accounts 7,500.00",
        "400 - 50 included = 350 billable",
        "100 x 25 = 2,500",
        "250 x 20 = 5,000",
        "2,500 + 5,000 = 7,500.00",
        "4 Config evaluations 100.00",
        "350,000 - 250,000 included = 100,000 billable",
        "100,000 x 0.001 = 100.00",
        "5 Log storage (GB) 0.00",
        "150.5 within 500 included = 0.00",
        "6 Volume discount: 5 % of 7,600.00 usage charges -380.00",
        "7,600.00 is over 5,000.00: 7,600.00 x -0.05 = -380.00",
        "7 Usage of 2026-08 corrected: now 1,500.00, charged so far 57.35 1,442.65",
        "8 Tax DE, 19 % 2,785.90",
        "14,662.65 x 0.19 = 2,785.9035, to cents 2,785.90",
        "base 6,000.00 + usage 7,600.00 - discount 380.00 + adjustments 1,442.65 = subtotal 14,662.65",
        "subtotal 14,662.65 + tax 2,785.90 = total 17,448.55",
        "total 17,448.55 - credit 100.00 - credited 0.00 - paid 1,000.00 = due 16,348.55",
    ]


async def test_what_was_credited_after_it_was_paid_is_said_to_be_credit(
    shell: Shell, storied: Sequence[InvoiceRow]
) -> None:
    ran = await shell.run("invoice", "explain", storied[0].number or "")
    assert ran.lines[-1] == (
        "total 2,448.25 - credit 0.00 - credited 100.00 - paid 2,448.25 = -100.00: that became credit for other invoices,"
        " and nothing is due"
    )


async def test_a_draft_is_explained_by_its_id(shell: Shell, storied: Sequence[InvoiceRow]) -> None:
    draft = typeid("inv", storied[2].id)
    ran = await shell.run("invoice", "explain", draft)
    assert ran.code == 0
    assert ran.lines[0] == f"draft {draft}: 2026-10 of Initech, DRAFT, in USD"
    assert "reverse charge" in ran.out
    assert "due" not in ran.lines[-1]


async def test_a_script_reads_the_same_in_json(shell: Shell, storied: Sequence[InvoiceRow]) -> None:
    said = (await shell.run("invoice", "explain", storied[0].number or "", "--json")).json
    assert (said["totalAmount"], said["amountCredited"], said["status"]) == ("2448.25", "100.00", "PAID")
    assert [line["how"] for line in said["lines"]] == [
        ["2,000.00 x 31 / 31 days = 2,000.00"],
        ["12 - 10 included = 2 billable", "2 x 25 = 50.00"],
        ["12,345,678 - 5,000,000 included = 7,345,678 billable", "7,345,678 / 1,000,000 x 1 = 7.345678, to cents 7.35"],
        ["2,057.35 x 0.19 = 390.8965, to cents 390.90"],
    ]
    assert said["sums"] == [
        "base 2,000.00 + usage 57.35 - discount 0.00 + adjustments 0.00 = subtotal 2,057.35",
        "subtotal 2,057.35 + tax 390.90 = total 2,448.25",
    ]


# ---------------------------------------------------------------- recompute


async def test_an_invoice_computes_again(shell: Shell, storied: Sequence[InvoiceRow]) -> None:
    for invoice in storied:
        name = invoice.number or typeid("inv", invoice.id)
        ran = await shell.run("invoice", "recompute", name)
        assert (ran.code, ran.out) == (0, f"{name} computes again to the cent: every line and amount is equal.\n")
    ran = await shell.run("invoice", "recompute", storied[0].number or "", "--json")
    assert ran.json == {
        "id": typeid("inv", storied[0].id), "number": storied[0].number, "equal": True, "differences": [],
    }  # fmt: skip


async def test_an_invoice_that_was_bent_is_named_where_it_was(shell: Shell, ledger: Ledger) -> None:
    """Nobody can bend one but a superuser who takes the triggers away first, and puts them back."""
    invoice = await ledger.issued(await ledger.customer())
    admin = ledger.admin
    async with admin.transaction():
        await admin.execute("alter table invoices disable trigger user")
        await admin.execute(
            "update invoices set tier_base_cost = 1999.99, subtotal = 2057.34, total_amount = 2448.24 where id = $1",
            invoice.id,
        )
        await admin.execute("alter table invoices enable trigger user")
        await admin.execute("alter table invoice_lines disable trigger user")
        await admin.execute("delete from invoice_lines where invoice_id = $1 and position = 4", invoice.id)
        await admin.execute("alter table invoice_lines enable trigger user")
    ran = await shell.run("invoice", "recompute", invoice.number or "")
    assert (ran.code, ran.err) == (1, "")
    assert ran.lines == [
        f"{invoice.number} says something else than what it was computed from gives:",
        "where stored computed again",
        "tier base cost 1999.99 2000.00",
        "subtotal 2057.34 2057.35",
        "total amount 2448.24 2448.25",
        "line 4 (none) Tax DE, 19 %",
    ]


# ---------------------------------------------------------------- compare


async def test_why_a_bill_changed_is_told_by_cause(shell: Shell, storied: Sequence[InvoiceRow]) -> None:
    august, september, october = (one.number or typeid("inv", one.id) for one in storied)
    ran = await shell.run("invoice", "compare", august, september)
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        f"{august}: 2026-08 of Initech, 2,448.25 USD",
        f"{september}: 2026-09 of Initech, 17,448.55 USD",
        "because of difference",
        "Standard: days in this tier 31 → 10 -1,333.33",
        "Fintech: days in this tier 0 → 20 +5,333.33",
        "Accounts: quantity 12 → 400 +8,250.00",
        "Accounts: tier, with its allowance and prices Standard → Fintech -800.00",
        "CloudTrail events: quantity 12,345,678 → 0 -7.35",
        "Config evaluations: quantity 0 → 350,000 +260.00",
        "Config evaluations: tier, with its allowance and prices Standard → Fintech -160.00",
        "Log storage (GB): quantity 0 → 150.5 +1.52",
        "Log storage (GB): tier, with its allowance and prices Standard → Fintech -1.52",
        "Volume discount: usage charges 57.35 → 7,600.00 -380.00",
        "Adjustment of 2026-08 0.00 → 1,442.65 +1,442.65",
        "Tax: taxed amount 2,057.35 → 14,662.65 +2,395.00",
        "together +15,000.30",
    ]
    other = (await shell.run("invoice", "compare", september, october, "--json")).json
    assert sum(Decimal(cause["amount"]) for cause in other["causes"]) == Decimal(other["difference"])
    assert Decimal(other["difference"]) == storied[2].total_amount - storied[1].total_amount


async def test_an_invoice_that_is_unknown_is_named(shell: Shell, storied: Sequence[InvoiceRow]) -> None:
    known = storied[0].number or ""
    for words in (["explain", "K7M2QX-9999"], ["recompute", "K7M2QX-9999"], ["compare", known, "K7M2QX-9999"]):
        ran = await shell.here("invoice", *words)
        assert (ran.code, ran.out, ran.err) == (1, "", "Error: There is no invoice K7M2QX-9999.\n")
    ran = await shell.here("invoice", "explain", "inv_1")
    assert (ran.code, ran.err) == (1, "Error: This is no ID that begins with `inv_` and goes on with 26 characters.\n")
