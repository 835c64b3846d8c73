"""A price list as values that cannot be wrong: what would break the rules of pricing is refused when it is made.

The values are the same whether they come from a file or from the database. What rating asks again for every customer
(the price of one, a tier's prices, the discount of a sum) is worked out here, once. Source: BILLING.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

from billing.money import exact
from db.enums import Metric, Tier
from db.errors import Invalid

# These two are metered and never priced.
PRICED_METRICS = tuple(metric for metric in Metric if metric not in (Metric.OU_COUNT, Metric.SCP_COUNT))

MOST_BANDS = 20

_CURRENCY = re.compile(r"[A-Z]{3}")
_JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")


class Digits(NamedTuple):
    """How many digits the tables hold on each side of the point."""

    before: int
    after: int


_MONEY = Digits(12, 2)
_PRICE = Digits(11, 9)
_QUANTITY = Digits(18, 6)
_RATE = Digits(12, 6)


class BadPriceList(Invalid):
    """`at` is the path to what is wrong, such as ("tiers", 0, "basePrice"); `line` its line, where a text was read."""

    def __init__(self, problem: str, *, at: Sequence[str | int] = (), line: int | None = None) -> None:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" for step in at).removeprefix(
            "."
        )
        where = [f"line {line}"] if line is not None else []
        super().__init__(": ".join([*where, *([place] if place else []), problem]))
        self.problem = problem
        self.at = tuple(at)
        self.line = line


def _printable(name: str) -> str:
    """Whoever wrote it: as JSON has it, without the quotes."""
    return json.dumps(name)[1:-1]


@dataclass(frozen=True, slots=True)
class Band:
    """Prices the billable quantity up to and including `up_to`, above the band before; None is without end."""

    up_to: Decimal | None
    price_per_unit: Decimal

    def __post_init__(self) -> None:
        if self.up_to is not None:
            _check(self.up_to, _QUANTITY, "upTo")
        _check(self.price_per_unit, _PRICE, "pricePerUnit")


class Step(NamedTuple):
    """A band with what rating needs of it: where it begins, and the price of a single one."""

    above: Decimal
    up_to: Decimal | None
    price_per_unit: Decimal
    price_of_one: Decimal


@dataclass(frozen=True, slots=True)
class MetricPrice:
    """`included` is what the base price covers; the bands' edges lie on the quantity after it."""

    metric: Metric
    included: Decimal
    unit: Decimal
    bands: tuple[Band, ...]
    steps: tuple[Step, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.metric not in PRICED_METRICS:
            raise BadPriceList(f"{self.metric.name} is metered and never priced", at=("metric",))
        _check(self.included, _QUANTITY, "included")
        _check(self.unit, _QUANTITY, "unit")
        if not _is_power_of_ten(self.unit):
            raise BadPriceList(f"{self.unit:f} is no power of ten", at=("unit",))
        if not 1 <= len(self.bands) <= MOST_BANDS:
            raise BadPriceList(f"one to {MOST_BANDS} bands are needed, not {len(self.bands)}", at=("bands",))
        steps: list[Step] = []
        above = Decimal(0)
        for position, band in enumerate(self.bands):
            last = position == len(self.bands) - 1
            at = ("bands", position, "upTo")
            if last and band.up_to is not None:
                raise BadPriceList(f"the last band ends at {band.up_to}: it must be open (null)", at=at)
            if not last and band.up_to is None:
                raise BadPriceList("only the last band may be open (null)", at=at)
            if band.up_to is not None and band.up_to <= above:
                raise BadPriceList(f"the band ends at {band.up_to}, not above {above}, where it begins", at=at)
            with exact():
                price_of_one = band.price_per_unit / self.unit
            steps.append(Step(above, band.up_to, band.price_per_unit, price_of_one))
            if band.up_to is not None:
                above = band.up_to
        object.__setattr__(self, "steps", tuple(steps))


@dataclass(frozen=True, slots=True)
class TierPrice:
    """`metrics` stand in the order in which an invoice lists them; every priced metric is there once."""

    tier: Tier
    base_price: Decimal
    metrics: tuple[MetricPrice, ...]

    def __post_init__(self) -> None:
        _check(self.base_price, _MONEY, "basePrice")
        _check_once([price.metric for price in self.metrics], PRICED_METRICS, of="metrics", by="metric")


@dataclass(frozen=True, slots=True)
class Discount:
    """`rate` of all usage charges where they are greater than `over`."""

    over: Decimal
    rate: Decimal

    def __post_init__(self) -> None:
        _check(self.over, _MONEY, "over")
        _check_rate(self.rate)


@dataclass(frozen=True, slots=True)
class RateCard:
    """The prices in force from a day on; every tier is there once."""

    name: str
    currency: str
    effective_from: date
    tiers: tuple[TierPrice, ...]
    discounts: tuple[Discount, ...] = ()
    _by_tier: dict[Tier, TierPrice] = field(init=False, repr=False, compare=False)
    _highest_first: tuple[Discount, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.name.strip()) <= 200:
            raise BadPriceList("a name of 1 to 200 characters is needed", at=("name",))
        if _CURRENCY.fullmatch(self.currency) is None:
            raise BadPriceList("a currency is three capital letters, such as USD", at=("currency",))
        _check_once([price.tier for price in self.tiers], tuple(Tier), of="tiers", by="tier")
        for position, discount in enumerate(self.discounts):
            if any(discount.over == earlier.over for earlier in self.discounts[:position]):
                raise BadPriceList(f"a second discount over {discount.over}", at=("discounts", position, "over"))
        object.__setattr__(self, "_by_tier", {price.tier: price for price in self.tiers})
        highest_first = sorted(self.discounts, key=lambda discount: discount.over, reverse=True)
        object.__setattr__(self, "_highest_first", tuple(highest_first))

    def of(self, tier: Tier) -> TierPrice:
        return self._by_tier[tier]

    def discount_on(self, usage_charges: Decimal) -> Discount | None:
        """The one with the highest `over` that these charges exceed; it counts alone."""
        for discount in self._highest_first:
            if usage_charges > discount.over:
                return discount
        return None


@dataclass(frozen=True, slots=True)
class TierFeatures:
    """What a tier grants beside its prices."""

    tier: Tier
    max_accounts: int
    max_regions: int
    sso_users_limit: int
    custom_scps: bool
    priority_support: bool
    compliance_reports: bool
    cost_analytics: bool
    multi_region: bool
    break_glass_role: bool


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A jurisdiction's rate from a day on: 0.19 is 19 %."""

    jurisdiction: str
    rate: Decimal
    effective_from: date

    def __post_init__(self) -> None:
        if _JURISDICTION.fullmatch(self.jurisdiction) is None:
            raise BadPriceList("a jurisdiction is written as DE or US-WA", at=("jurisdiction",))
        _check_rate(self.rate)


class TaxRates:
    """The rates of all jurisdictions, asked by day."""

    def __init__(self, rates: Iterable[TaxRate]) -> None:
        self._newest_first: dict[str, list[TaxRate]] = {}
        for position, rate in enumerate(rates):
            known = self._newest_first.setdefault(rate.jurisdiction, [])
            if any(rate.effective_from == other.effective_from for other in known):
                problem = f"a second rate of {rate.jurisdiction} from {rate.effective_from} on"
                raise BadPriceList(problem, at=("taxRates", position, "effectiveFrom"))
            known.append(rate)
        for known in self._newest_first.values():
            known.sort(key=lambda rate: rate.effective_from, reverse=True)

    def on(self, day: date, jurisdiction: str) -> Decimal | None:
        """None where the jurisdiction has no rate yet."""
        for rate in self._newest_first.get(jurisdiction, ()):
            if rate.effective_from <= day:
                return rate.rate
        return None


class _FromADayOn(Protocol):
    @property
    def effective_from(self) -> date: ...


Card = TypeVar("Card", bound=_FromADayOn)


def in_force(cards: Iterable[Card], day: date) -> Card | None:
    """The one of these price lists that is in force on `day`; None before the first."""
    begun = (card for card in cards if card.effective_from <= day)
    return max(begun, key=lambda card: card.effective_from, default=None)


def _check(value: Decimal, digits: Digits, name: str) -> None:
    if not value.is_finite():
        raise BadPriceList(f"{value} is no number", at=(name,))
    if value.is_signed():
        raise BadPriceList(f"{value:f} is negative", at=(name,))
    if value >= Decimal(10) ** digits.before:
        raise BadPriceList(f"{value:f} has more than {digits.before} digits before the point", at=(name,))
    if value != round(value, digits.after):
        raise BadPriceList(f"{value:f} has more than {digits.after} decimal places", at=(name,))


def _check_rate(rate: Decimal) -> None:
    _check(rate, _RATE, "rate")
    if rate > 1:
        raise BadPriceList(f"{rate} is more than 1: a rate of 5 % is written 0.05", at=("rate",))


def _check_once(found: Sequence[Tier | Metric], wanted: Sequence[Tier | Metric], *, of: str, by: str) -> None:
    """Each of `wanted` is among the members of the collection `of`, whose field `by` tells them apart, and once."""
    for position, one in enumerate(found):
        if one in found[:position]:
            raise BadPriceList(f"a second {one.name}", at=(of, position, by))
    for one in wanted:
        if one not in found:
            raise BadPriceList(f"{one.name} is missing", at=(of,))


def _is_power_of_ten(value: Decimal) -> bool:
    return value > 0 and value.normalize().as_tuple().digits == (1,)
