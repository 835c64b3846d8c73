"""Price lists between the database and the values that rating takes; and how one more is added."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from uuid import UUID

import orjson

from billing.periods import Month
from billing.price_list import PriceList, parse
from billing.rate_card import BadPriceList, Band, Discount, MetricPrice, RateCard, TaxRate, TaxRates, TierPrice
from db import invoices, rate_cards, tax_rates
from db.enums import Metric, Tier
from db.errors import Invalid
from db.rate_cards import DiscountRow, MetricPriceRow, RateCardRow, TierRow
from db.session import Session
from db.tax_rates import TaxRateRow


@dataclass(frozen=True, slots=True)
class StoredRateCard:
    """A price list that stands in the database: `billing.rate_card.in_force` picks from several."""

    id: UUID
    card: RateCard

    @property
    def effective_from(self) -> date:
        return self.card.effective_from


async def all_cards(session: Session) -> list[StoredRateCard]:
    """Every price list, the earliest first."""
    return await _with_prices(session, await rate_cards.every(session))


async def card_on(session: Session, day: date) -> StoredRateCard | None:
    """The price list in force on `day`; None before the first."""
    row = await rate_cards.on(session, day)
    return None if row is None else (await _with_prices(session, [row]))[0]


async def cards_by_ids(session: Session, ids: Sequence[UUID]) -> dict[UUID, StoredRateCard]:
    found = await _with_prices(session, await rate_cards.by_ids(session, ids))
    return {stored.id: stored for stored in found}


async def all_tax_rates(session: Session) -> TaxRates:
    rows = await tax_rates.every(session)
    return TaxRates(
        TaxRate(jurisdiction=row.jurisdiction, rate=row.rate, effective_from=row.effective_from) for row in rows
    )


@dataclass(frozen=True, slots=True)
class _Standing:
    """What stands already, and what it lets come after it."""

    cards: Sequence[RateCardRow]
    rates: Mapping[tuple[str, date], TaxRateRow]
    # The last months with an issued or paid invoice that would have had other prices, or another tax by each new rate.
    billed: Month | None
    taxed: Mapping[tuple[str, date], Month]

    def check(self, price_list: PriceList) -> None:
        """Raises BadPriceList."""
        card = price_list.card
        for other in self.cards:
            if other.currency != card.currency:
                problem = f"all price lists are in {other.currency}, this one is in {card.currency}"
                raise BadPriceList(problem, at=("currency",))
            if other.effective_from == card.effective_from:
                problem = f"a price list from {card.effective_from} on stands already: “{other.name}”"
                raise BadPriceList(problem, at=("effectiveFrom",))
        if self.billed is not None:
            raise BadPriceList(_billed_already(self.billed, "prices"), at=("effectiveFrom",))
        for position, rate in enumerate(price_list.tax_rates):
            known = self.rates.get((rate.jurisdiction, rate.effective_from))
            if known is not None and known.rate != rate.rate:
                raise BadPriceList(
                    f"the tax rate of {rate.jurisdiction} from {rate.effective_from} on is"
                    f" {known.rate.normalize():f} already, not {rate.rate.normalize():f}",
                    at=("taxRates", position, "rate"),
                )
            if (month := self.taxed.get((rate.jurisdiction, rate.effective_from))) is not None:
                problem = _billed_already(month, f"tax of {rate.jurisdiction}")
                raise BadPriceList(problem, at=("taxRates", position, "effectiveFrom"))

    def new_rates(self, price_list: PriceList) -> list[TaxRateRow]:
        return [
            TaxRateRow(jurisdiction=rate.jurisdiction, effective_from=rate.effective_from, rate=rate.rate)
            for rate in price_list.tax_rates
            if (rate.jurisdiction, rate.effective_from) not in self.rates
        ]


def _billed_already(month: Month, what: str) -> str:
    return (
        f"{month} has an invoice that is issued or paid, with the {what} of before: the first day that can still change"
        f" is {month.next().first}"
    )


async def add(session: Session, price_list: PriceList, *, now: datetime, id: UUID | None = None) -> UUID:
    """Store a price list with its tiers and tax rates; its id, drawn by the database unless one is given.

    A tax rate that stands already is left as it is. Raises BadPriceList, with nothing stored, where another list starts
    on the same day or is in another currency, or another rate of a jurisdiction on the same day; and where a month that
    was billed would get other prices or another tax.
    """
    standing = await _standing(session, price_list)
    standing.check(price_list)
    return await _store(session, price_list, standing, now=now, id=id)


async def load(session: Session, document: str, *, now: datetime) -> UUID:
    """As `add`, from a document's text. Raises Invalid, which names the line."""
    try:
        standing = await _standing(session, parse(document))
        price_list = parse(document, check=standing.check)  # once more, since only the text knows the line
    except BadPriceList as refused:
        raise Invalid(f"{refused}.", field=("input", "document")) from refused
    return await _store(session, price_list, standing, now=now)


async def _standing(session: Session, price_list: PriceList) -> _Standing:
    """What stays as it is until this transaction ends."""
    await rate_cards.lock(session)
    cards = await rate_cards.every(session)
    rates = {(rate.jurisdiction, rate.effective_from): rate for rate in await tax_rates.every(session)}
    first_day = price_list.card.effective_from
    following = min((other.effective_from for other in cards if other.effective_from > first_day), default=None)
    billed = await invoices.newest_billed_month(session, first_day, following)
    taxed = {}
    for rate in price_list.tax_rates:
        key = jurisdiction, day = rate.jurisdiction, rate.effective_from
        begun = [start for place, start in rates if place == jurisdiction]
        # before its first rate nobody was taxed there
        if key not in rates and any(start < day for start in begun):
            until = min((start for start in begun if start > day), default=None)
            if (month := await invoices.newest_taxed_month(session, jurisdiction, day, until)) is not None:
                taxed[key] = Month.of(month)
    return _Standing(cards, rates, None if billed is None else Month.of(billed), taxed)


async def _store(
    session: Session, price_list: PriceList, standing: _Standing, *, now: datetime, id: UUID | None = None
) -> UUID:
    card = price_list.card
    made = await rate_cards.insert(
        session, name=card.name, currency=card.currency, effective_from=card.effective_from, at=now, id=id
    )
    await rate_cards.insert_tiers(session, made, _tier_rows(price_list), at=now)
    await rate_cards.insert_metric_prices(session, made, _metric_rows(card), at=now)
    await rate_cards.insert_discounts(session, made, [(one.over, one.rate) for one in card.discounts], at=now)
    await tax_rates.insert(session, standing.new_rates(price_list), at=now)
    return made


async def _with_prices(session: Session, rows: Sequence[RateCardRow]) -> list[StoredRateCard]:
    ids = [row.id for row in rows]
    tiers: dict[UUID, list[TierRow]] = defaultdict(list)
    for tier in await rate_cards.tiers_by_cards(session, ids):
        tiers[tier.rate_card_id].append(tier)
    metrics: dict[tuple[UUID, str], list[MetricPrice]] = defaultdict(list)
    for price in await rate_cards.metric_prices_by_cards(session, ids):
        metrics[price.rate_card_id, price.tier].append(_metric_price(price))
    discounts: dict[UUID, list[DiscountRow]] = defaultdict(list)
    for discount in await rate_cards.discounts_by_cards(session, ids):
        discounts[discount.rate_card_id].append(discount)
    return [
        StoredRateCard(
            row.id,
            RateCard(
                name=row.name,
                currency=row.currency,
                effective_from=row.effective_from,
                tiers=tuple(
                    TierPrice(Tier(tier.tier), tier.base_price, tuple(metrics[row.id, tier.tier]))
                    for tier in tiers[row.id]
                ),
                discounts=tuple(Discount(over=one.over, rate=one.rate) for one in discounts[row.id]),
            ),
        )
        for row in rows
    ]


def _metric_price(row: MetricPriceRow) -> MetricPrice:
    return MetricPrice(
        metric=Metric(row.metric),
        included=row.included,
        unit=row.unit,
        bands=tuple(
            Band(up_to=up_to, price_per_unit=price) for up_to, price in zip(row.band_up_to, row.band_price, strict=True)
        ),
    )


def _tier_rows(price_list: PriceList) -> str:
    features = {one.tier: one for one in price_list.features}
    rows = [
        {**asdict(features[price.tier]), "position": position, "base_price": str(price.base_price)}
        for position, price in enumerate(price_list.card.tiers, 1)
    ]
    return orjson.dumps(rows).decode()


def _metric_rows(card: RateCard) -> str:
    rows = [
        {
            "tier": tier.tier,
            "metric": price.metric,
            "position": position,
            "included": str(price.included),
            "unit": str(price.unit),
            "band_up_to": [None if band.up_to is None else str(band.up_to) for band in price.bands],
            "band_price": [str(band.price_per_unit) for band in price.bands],
        }
        for tier in card.tiers
        for position, price in enumerate(tier.metrics, 1)
    ]
    return orjson.dumps(rows).decode()
