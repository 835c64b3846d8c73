"""Lists of invoices: newest first, page by page, by state, month and customer; drafts are not the tenant's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from billing import invoicing
from billing.periods import Month
from db import invoices
from db.invoices import InvoiceRow
from tests.landlord import Tenant
from tests.ledger import NOW, OCTOBER, SEPTEMBER, Ledger

AUGUST = Month(2026, 8)
TODAY = NOW.date()


async def three_months(ledger: Ledger) -> tuple[UUID, list[InvoiceRow]]:
    """August overdue, September issued, October a draft; newest first."""
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    august = await ledger.issued(customer, AUGUST, now=datetime(2026, 9, 1, tzinfo=UTC))
    september = await ledger.issued(customer, SEPTEMBER)
    return customer, [await ledger.draft(customer), september, august]


async def test_a_customers_invoices_come_newest_first_and_page_by_page(ledger: Ledger) -> None:
    customer, expected = await three_months(ledger)
    async with ledger.house.session() as session:
        first = await invoices.page(session, first=2, after=None, today=TODAY, customer_id=customer)
        assert (first.rows, first.has_next, first.after_given) == (expected[:2], True, False)
        rest = await invoices.page(session, first=2, after=expected[1].id, today=TODAY, customer_id=customer)
        assert (rest.rows, rest.has_next, rest.after_given) == (expected[2:], False, True)
        assert await first.count() == await rest.count() == 3


async def test_states_tell_overdue_from_issued_by_the_day(ledger: Ledger) -> None:
    customer, (draft, issued, overdue) = await three_months(ledger)

    async def found(*statuses: str, today: date = TODAY) -> list[InvoiceRow]:
        async with ledger.house.session() as session:
            page = await invoices.page(
                session, first=9, after=None, today=today, customer_id=customer, statuses=statuses
            )
            assert await page.count() == len(page.rows)
            return list(page.rows)

    assert await found("overdue") == [overdue]
    assert await found("issued") == [issued]
    assert await found("issued", "overdue", "draft") == [draft, issued, overdue]
    assert await found("paid", "cancelled") == []
    assert await found() == []
    assert await found("issued", today=date(2026, 10, 1)) == [issued, overdue]


async def test_months_are_inclusive_and_one_month_is_paged_over_everyone(ledger: Ledger) -> None:
    customer, (_, september, august) = await three_months(ledger)
    span: dict[str, Any] = {"today": TODAY, "from_month": AUGUST.first, "to_month": SEPTEMBER.first}
    one: dict[str, Any] = {"today": TODAY, "from_month": AUGUST.first, "to_month": AUGUST.first}
    async with ledger.house.session() as session:
        both = await invoices.page(session, first=9, after=None, customer_id=customer, **span)
        assert both.rows == [september, august]
        of_all = await invoices.page(session, first=1000, after=None, **one)
        assert august in of_all.rows
        assert {row.month for row in of_all.rows} == {AUGUST.first}
        assert await of_all.count() == len(of_all.rows)
        newest = await invoices.page(session, first=1000, after=None, **span)
        assert {row.month for row in newest.rows} == {AUGUST.first, SEPTEMBER.first}
        assert [row.id for row in newest.rows] == sorted((row.id for row in newest.rows), reverse=True)
        assert await newest.count() == len(newest.rows)


async def test_many_customers_are_answered_by_one_question_each_with_its_own_page(ledger: Ledger) -> None:
    one, its = await three_months(ledger)
    other, others = await three_months(ledger)
    nobody = await ledger.customer(used=())
    async with ledger.house.session() as session:
        before = session.statements
        rows = await invoices.pages_by_customers(session, [one, other, nobody], first=1, after=None, today=TODAY)
        counts = await invoices.counts_by_customers(
            session, [one, other, nobody], today=TODAY, statuses=("draft", "overdue")
        )
        assert session.statements - before == 2
    # one more than asked for, which says that there are more
    assert [row for row in rows if row.customer_id == one] == its[:2]
    assert [row for row in rows if row.customer_id == other] == others[:2]
    assert len(rows) == 4
    assert dict(counts) == {one: 2, other: 2, nobody: 0}


async def test_an_invoice_is_found_by_its_number_and_nothing_by_another(ledger: Ledger) -> None:
    invoice = await ledger.issued(await ledger.customer())
    assert invoice.number is not None
    async with ledger.house.session() as session:
        prefix = invoice.number[:6]
        asked = [invoice.number, f"{prefix}-0002", "", "garbage", f"{prefix}-0001x"]
        assert await invoices.by_numbers(session, asked) == [invoice]


async def test_a_tenant_sees_its_numbered_invoices_with_all_that_hangs_on_them_and_no_draft(
    ledger: Ledger, acme: Tenant, globex: Tenant
) -> None:
    assert acme.customer_id is not None
    await ledger.use(acme.customer_id, SEPTEMBER)
    await ledger.use(acme.customer_id, OCTOBER)
    issued, draft = await ledger.issued(acme.customer_id, SEPTEMBER), await ledger.draft(acme.customer_id)
    lines = await ledger.lines(issued)
    async with acme.session() as session:
        page = await invoices.page(session, first=9, after=None, today=TODAY)
        assert page.rows == [issued]
        assert await page.count() == 1
        assert await invoices.by_ids(session, [issued.id, draft.id]) == [issued]
        assert await invoices.lines_by_invoices(session, [issued.key, draft.key]) == lines
        assert [(row.id, row.balance) for row in await invoices.balances(session, [acme.customer_id])] == [
            (acme.customer_id, invoicing.amount_due(issued))
        ]
    async with globex.session() as session:
        everything = await invoices.page(session, first=9, after=None, today=TODAY, customer_id=acme.customer_id)
        assert everything.rows == []
        assert await invoices.by_ids(session, [issued.id]) == []
        assert await invoices.by_numbers(session, [issued.number or ""]) == []
        assert await invoices.lines_by_invoices(session, [issued.key]) == []
        assert [row.balance for row in await invoices.balances(session, [acme.customer_id])] == [0]
