"""Price lists in the database: as they were in their document, in force on their days, and never in conflict."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from billing import price_list, prices
from billing.price_list import PriceList
from billing.rate_card import BadPriceList, TaxRate, in_force
from db import rate_cards, tax_rates
from db.enums import Tier
from db.errors import LandlordError
from db.session import Session
from tests.landlord import Tenant

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


class Undone(LandlordError):
    """Raised so that a transaction leaves nothing behind."""


@pytest.fixture
async def session(house: Tenant) -> AsyncIterator[Session]:
    """Price lists cannot be removed, so what a test adds is never committed."""
    with suppress(Undone):
        async with house.session() as session:
            yield session
            raise Undone


def listed(day: str, *, currency: str = "USD", tax_rates: tuple[TaxRate, ...] = ()) -> PriceList:
    """The first list, from another day on, in a decade of its own."""
    read = price_list.read(price_list.FIRST_PRICE_LIST)
    card = replace(read.card, name=f"list of {day}", effective_from=date.fromisoformat(day), currency=currency)
    return replace(read, card=card, tax_rates=tax_rates)


async def test_a_price_list_comes_back_as_it_was_in_its_document(session: Session) -> None:
    wanted = listed("2090-01-01")
    made = await prices.add(session, wanted, now=NOW)
    stored = await prices.card_on(session, date(2090, 1, 1))
    assert stored is not None
    assert (stored.id, stored.card) == (made, wanted.card)
    assert await prices.cards_by_ids(session, [made]) == {made: stored}
    assert stored in await prices.all_cards(session)
    assert [price.metric for price in stored.card.of(Tier.FINTECH).metrics] == [
        price.metric for price in wanted.card.of(Tier.FINTECH).metrics
    ]


async def test_what_each_tier_grants_comes_back_too(session: Session) -> None:
    wanted = listed("2090-01-01")
    made = await prices.add(session, wanted, now=NOW)
    found = await rate_cards.tiers_by_cards(session, [made])
    assert [row.tier for row in found] == [one.tier for one in wanted.features]
    for row, one in zip(found, wanted.features, strict=True):
        names = one.__slots__
        assert [getattr(row, name) for name in names] == [getattr(one, name) for name in names]


async def test_a_list_is_in_force_from_its_first_day_until_the_next_ones(session: Session) -> None:
    first = await prices.add(session, listed("2090-01-01"), now=NOW)
    later = await prices.add(session, listed("2091-07-15"), now=NOW)
    days = [date(2089, 12, 31), date(2090, 1, 1), date(2091, 7, 14), date(2091, 7, 15), date(2099, 1, 1)]
    found = [await rate_cards.on(session, day) for day in days]
    assert [row and row.id for row in found[1:]] == [first, first, later, later]
    assert found[0] is None or found[0].id not in (first, later)
    cards = await prices.all_cards(session)
    assert [stored and stored.id for stored in (in_force(cards, day) for day in days[1:])] == [
        first,
        first,
        later,
        later,
    ]
    tiers = await rate_cards.tiers_on(session, days)
    assert [row.tier for row in tiers if row.day == days[3]] == ["standard", "fintech", "healthcare", "gov_federal"]


async def test_before_the_first_list_there_is_none(session: Session) -> None:
    day = date(1980, 1, 1)
    assert await rate_cards.on(session, day) is None
    assert await prices.card_on(session, day) is None
    assert await rate_cards.tiers_on(session, [day]) == []


async def test_two_lists_never_start_on_one_day(session: Session) -> None:
    await prices.add(session, listed("2090-01-01"), now=NOW)
    before = await rate_cards.every(session)
    with pytest.raises(BadPriceList, match="from 2090-01-01 on stands already: “list of 2090-01-01”"):
        await prices.add(session, listed("2090-01-01"), now=NOW)
    assert await rate_cards.every(session) == before


async def test_all_lists_are_in_one_currency(session: Session) -> None:
    await prices.add(session, listed("2090-01-01"), now=NOW)
    before = await rate_cards.every(session)
    with pytest.raises(BadPriceList, match="all price lists are in USD, this one is in EUR"):
        await prices.add(session, listed("2091-01-01", currency="EUR"), now=NOW)
    assert await rate_cards.every(session) == before


async def test_a_tax_rate_is_followed_by_another_and_never_replaced(session: Session) -> None:
    old = TaxRate("ZZ", Decimal("0.19"), date(2090, 1, 1))
    new = TaxRate("ZZ", Decimal("0.21"), date(2091, 1, 1))
    await prices.add(session, listed("2090-01-01", tax_rates=(old,)), now=NOW)
    await prices.add(session, listed("2091-01-01", tax_rates=(old, new)), now=NOW)
    rates = await prices.all_tax_rates(session)
    found = [rates.on(day, "ZZ") for day in (date(2089, 12, 31), date(2090, 12, 31), date(2091, 1, 1))]
    assert found == [None, Decimal("0.19"), Decimal("0.21")]
    before = (await rate_cards.every(session), await tax_rates.every(session))
    with pytest.raises(BadPriceList, match=r"ZZ from 2090-01-01 on is 0\.19 already, not 0\.2$"):
        await prices.add(session, listed("2092-01-01", tax_rates=(replace(old, rate=Decimal("0.20")),)), now=NOW)
    assert (await rate_cards.every(session), await tax_rates.every(session)) == before


async def test_the_first_list_stands_in_a_new_database(session: Session) -> None:
    read = price_list.read(Path(price_list.FIRST_PRICE_LIST))
    stored = await prices.card_on(session, date(2025, 1, 1))
    assert stored is not None
    assert stored.card == read.card
