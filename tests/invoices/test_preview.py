"""What a month costs so far, or would cost: computed as an invoice is, and stored nowhere."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from billing import customers as customer_rules
from billing import preview
from billing.failures import NoRateCard, NoTaxRate
from billing.periods import Month
from billing.rating import Rating, Usage
from db.enums import Tier
from tests.landlord import Tenant
from tests.ledger import NOW, OCTOBER, Ledger

NOVEMBER = Month(2026, 11)


async def previewed(ledger: Ledger, customer: UUID, month: Month = OCTOBER, **what: Any) -> Rating | None:
    async with ledger.house.session() as session:
        return await preview.preview(session, customer, month, **({"tier": None, "usage": None} | what))


def said(rating: Rating | None) -> tuple[str, ...]:
    assert rating is not None
    amounts = (rating.tier_base_cost, rating.usage_charges, rating.volume_discount, rating.tax_amount)
    return rating.tier.name, *map(str, (*amounts, rating.total_amount))


async def test_a_preview_is_the_invoice_that_a_run_would_draft(ledger: Ledger) -> None:
    customer = await ledger.customer()
    rating = await previewed(ledger, customer)
    assert rating is not None
    assert await ledger.living([customer]) == []
    invoice = await ledger.draft(customer)
    amounts = ("tier", "currency", "tier_base_cost", "usage_charges", "volume_discount", "adjustments", "subtotal")
    for name in (*amounts, "tax_rate", "tax_amount", "total_amount"):
        assert getattr(rating, name) == getattr(invoice, name), name
    stored = [(line.position, line.kind, line.description, line.amount) for line in await ledger.lines(invoice)]
    assert [(line.position, line.kind.value, line.description, line.amount) for line in rating.lines] == stored


async def test_a_month_without_usage_costs_its_whole_base_even_while_it_goes_on(ledger: Ledger) -> None:
    customer = await ledger.customer(used=())
    assert said(await previewed(ledger, customer, NOVEMBER)) == (
        "STANDARD", "2000.00", "0.00", "0.00", "380.00", "2380.00",
    )  # fmt: skip


async def test_another_tier_counts_for_the_whole_month(ledger: Ledger) -> None:
    customer = await ledger.customer()
    async with ledger.house.session() as session:
        await customer_rules.change_tier(session, customer, Tier.HEALTHCARE, effective_on=date(2026, 10, 16), now=NOW)
    # within Fintech's allowances of 50 accounts and 25 million events
    rating = await previewed(ledger, customer, tier=Tier.FINTECH)
    assert said(rating) == ("FINTECH", "8000.00", "0.00", "0.00", "1520.00", "9520.00")
    assert rating is not None
    assert [line.kind.value for line in rating.lines] == ["base", "usage", "usage", "tax"]


async def test_a_customer_that_begins_within_the_month_pays_its_days_under_another_tier_too(ledger: Ledger) -> None:
    customer = await ledger.customer(active_from=date(2026, 10, 31))
    assert said(await previewed(ledger, customer, tier=Tier.GOV_FEDERAL))[:2] == ("GOV_FEDERAL", "806.45")


async def test_other_usage_counts_instead_of_what_is_recorded(ledger: Ledger) -> None:
    customer = await ledger.customer()
    usage = Usage(account_count=410, data_transfer_gb=Decimal("100.5"))
    # 100 at 25.00 and 300 at 20.00; half a GB at 0.09; 5 % off 8,500.05
    assert said(await previewed(ledger, customer, usage=usage)) == (
        "STANDARD", "2000.00", "8500.05", "425.00", "1914.26", "11989.31",
    )  # fmt: skip


async def test_there_is_nothing_to_preview_without_a_billable_day_or_a_customer(ledger: Ledger, acme: Tenant) -> None:
    customer = await ledger.customer(active_from=date(2026, 11, 1), used=())
    assert await previewed(ledger, customer) is None
    assert await previewed(ledger, uuid4()) is None
    async with acme.session() as session:
        foreign = await preview.preview(session, customer, NOVEMBER, tier=None, usage=None)
    assert foreign is None


async def test_what_is_missing_is_said(ledger: Ledger) -> None:
    no_rate = await ledger.customer(jurisdiction="ZZ")
    with pytest.raises(NoTaxRate):
        await previewed(ledger, no_rate)
    early = await ledger.customer(active_from=date(2024, 1, 1), used=())
    with pytest.raises(NoRateCard):
        await previewed(ledger, early, Month(2024, 12))
