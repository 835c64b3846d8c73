"""Price lists added over the API: in force from their day, and refused with the line where one cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta

import pytest

from billing import inputs, invoicing, prices
from billing.periods import Month
from db import invoices, rate_cards, tax_rates
from db.connection import Role
from db.enums import TaxStatus
from db.errors import Invalid
from db.invoices import InvoiceRow
from db.session import Session
from tests.landlord import Tenant
from tests.ledger import NOW, OCTOBER, SEPTEMBER, Ledger
from tests.prices.documents import MISTAKES, Mistake, a_day, replaced, starting

ADD = """
mutation ($input: AddRateCardInput!) {
  addRateCard(input: $input) {
    rateCard { id name currency effectiveFrom tiers { tier basePrice } }
    errors { code message field }
  }
}
"""


async def standing(house: Tenant) -> tuple[list[rate_cards.RateCardRow], list[tax_rates.TaxRateRow]]:
    async with house.session() as session:
        return await rate_cards.every(session), await tax_rates.every(session)


async def test_a_price_list_is_in_force_from_its_first_day_on(house: Tenant) -> None:
    day = a_day()
    text = replaced(starting(day), '"basePrice": "2000.00"', '"basePrice": "2500.00"')
    answer = (await house.api(ADD, input={"document": text}))["addRateCard"]
    assert answer["errors"] == []
    added = answer["rateCard"]
    assert (added["currency"], added["effectiveFrom"]) == ("USD", str(day))
    assert added["tiers"][0] == {"tier": "STANDARD", "basePrice": "2500.00"}
    on = "query ($on: Date) { rateCard(on: $on) { id } }"
    assert (await house.api(on, on=str(day)))["rateCard"]["id"] == added["id"]
    assert (await house.api(on, on=str(day - timedelta(days=1))))["rateCard"]["id"] != added["id"]
    events = await house.landlord.admin.fetch(
        "select event_type, action, resource_type, actor from audit_events where resource_id = $1", added["id"]
    )
    assert [tuple(event) for event in events] == [("rate_card.added", "create", "RateCard", "operations")]


async def test_the_same_list_again_is_refused(house: Tenant) -> None:
    text = starting(a_day())
    await house.api(ADD, input={"document": text})
    before = await standing(house)
    answer = (await house.api(ADD, input={"document": text}))["addRateCard"]
    assert [error["message"][:24] for error in answer["errors"]] == ["line 4: effectiveFrom: a"]
    assert await standing(house) == before


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_is_refused_with_its_line_and_nothing_is_added(house: Tenant, mistake: Mistake) -> None:
    before = await standing(house)
    text = mistake.document()
    answer = (await house.api(ADD, input={"document": text}))["addRateCard"]
    assert answer == {
        "rateCard": None,
        "errors": [{"code": "INVALID", "field": ["input", "document"], "message": mistake.said(text)}],
    }
    assert await standing(house) == before


async def test_a_tenant_adds_none(acme: Tenant, house: Tenant) -> None:
    before = await standing(house)
    answer = (await acme.api(ADD, input={"document": starting(a_day())}))["addRateCard"]
    assert [error["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert await standing(house) == before


# ---------------------------------------------------------------- days that lie behind what was billed

JANUARY = Month(2300, 1)
Act = Callable[[Session, InvoiceRow], Awaitable[None]]
DE = '{"jurisdiction": "DE", "rate": "0.19", "effectiveFrom": "2025-01-01"}'


async def load(session: Session, day: date, *, taxed_from: date | None = None) -> None:
    """Another list from that day on, and from `taxed_from` on another tax in Germany."""
    text = starting(day)
    if taxed_from is not None:
        text = replaced(text, DE, DE.replace("0.19", "0.2").replace("2025-01-01", str(taxed_from)))
    await prices.load(session, text, now=NOW)


@asynccontextmanager
async def january_billed(
    ledger: Ledger, tax_status: TaxStatus = TaxStatus.TAXABLE, *, prices_of: date | None = None
) -> AsyncIterator[Session]:
    """A transaction that leaves nothing behind, in which a customer's January of 2300 is issued, by prices of that day."""
    customer = await ledger.customer(tax_status=tax_status)
    async with ledger.rehearsal(Role.OPERATOR) as session:
        if prices_of is not None:
            await load(session, prices_of)
        known = await inputs.read(session, [customer], JANUARY)
        await invoices.lock_counters(session, [customer])
        bill = inputs.bill_as_if(known, customer, tier=None, usage=None)
        added = await invoicing.draft(session, [bill], JANUARY, at=NOW)
        await invoicing.number(session, list(added.items()), at=NOW)
        yield session


@pytest.mark.parametrize("day", [date(2299, 6, 1), JANUARY.first])
async def test_a_month_that_was_billed_gets_no_other_prices(ledger: Ledger, day: date) -> None:
    async with january_billed(ledger) as session:
        with pytest.raises(Invalid) as refused:
            await load(session, day)
        assert str(refused.value) == (
            "line 4: effectiveFrom: 2300-01 has an invoice that is issued or paid, with the prices of before: the first"
            " day that can still change is 2300-02-01."
        )


async def test_prices_may_begin_after_it_or_end_before_it(ledger: Ledger) -> None:
    async with january_billed(ledger, prices_of=date(2299, 12, 1)) as session:
        await load(session, date(2299, 6, 1))
        await load(session, JANUARY.first + timedelta(days=1))
        with pytest.raises(Invalid):
            await load(session, date(2299, 12, 2))


async def test_a_month_that_was_taxed_gets_no_other_tax(ledger: Ledger) -> None:
    line = starting(date(2301, 1, 1)).split(DE)[0].count("\n") + 1
    async with january_billed(ledger) as session:
        with pytest.raises(Invalid) as refused:
            await load(session, date(2301, 1, 1), taxed_from=JANUARY.last)
        assert str(refused.value) == (
            f"line {line}: taxRates[6].effectiveFrom: 2300-01 has an invoice that is issued or paid, with the tax of DE of"
            " before: the first day that can still change is 2300-02-01."
        )
        await load(session, date(2301, 1, 1), taxed_from=JANUARY.next().first)


async def test_whoever_pays_no_tax_keeps_no_tax_from_changing(ledger: Ledger) -> None:
    async with january_billed(ledger, TaxStatus.REVERSE_CHARGE) as session:
        await load(session, date(2301, 1, 1), taxed_from=JANUARY.first)


@pytest.mark.off_script("it holds locks on two connections at once")
async def test_no_price_list_is_added_while_an_invoice_is_issued_nor_the_other_way_round(ledger: Ledger) -> None:
    """Or a list could begin in a month that somebody is just billing by the one before."""
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    drafts = await ledger.draft(customer, SEPTEMBER), await ledger.draft(customer)

    async def issue(session: Session, invoice: InvoiceRow) -> None:
        await invoicing.issue(session, invoice.id, now=NOW)

    async def add(session: Session, invoice: InvoiceRow) -> None:
        await rate_cards.lock(session)

    for (first, second), invoice in zip(((add, issue), (issue, add)), drafts, strict=True):
        pids: asyncio.Queue[int] = asyncio.Queue()

        async def other(act: Act = second, invoice: InvoiceRow = invoice, pids: asyncio.Queue[int] = pids) -> None:
            async with ledger.house.session() as session:
                pids.put_nowait(await session.value("select pg_backend_pid()"))
                await act(session, invoice)

        async with ledger.house.session() as session:
            await first(session, invoice)
            task = asyncio.create_task(other())
            await ledger.until_it_waits(task, await pids.get())
            waited = not task.done()
        await task
        assert waited
    assert [(await ledger.again(invoice)).status for invoice in drafts] == ["issued", "issued"]
