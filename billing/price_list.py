"""Reads a price list from its JSON text: shape, words and numbers. Every mistake is refused with its line.

The text has the names of the public schema. Decimals are strings, so that no float ever stands between the text and
the amount. `price_list.json` beside this file is the one that a new database starts with.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import ParamSpec, TypeVar

from billing import json_lines
from billing.json_lines import BadJson, Node
from billing.periods import parse_day
from billing.rate_card import (
    BadPriceList,
    Band,
    Discount,
    MetricPrice,
    RateCard,
    TaxRate,
    TaxRates,
    TierFeatures,
    TierPrice,
)
from db.enums import Metric, Tier
from db.errors import Invalid

FIRST_PRICE_LIST = Path(__file__).with_name("price_list.json")

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?")
_MOST_COUNT = 2**31 - 1
_MOST_CHARACTERS = 1_000_000

P = ParamSpec("P")
T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class PriceList:
    """What one document says: prices, what each tier grants (in the order of its prices), and taxes."""

    card: RateCard
    features: tuple[TierFeatures, ...]
    tax_rates: tuple[TaxRate, ...]


def read(path: Path) -> PriceList:
    """As `parse`, from a file. Raises BadPriceList also where it is no UTF-8 text."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise BadPriceList(f"{path.name} is no UTF-8 text") from None


def parse(text: str, *, check: Callable[[PriceList], None] | None = None) -> PriceList:
    """Raises BadPriceList with the line; so does what `check` refuses of the whole, which names the place alone."""
    if len(text) > _MOST_CHARACTERS:
        raise BadPriceList(f"more than {_MOST_CHARACTERS:,} characters are no price list")
    try:
        root = json_lines.parse(text)
    except BadJson as error:
        raise BadPriceList(error.problem, line=json_lines.line_of(text, error.offset)) from None
    try:
        price_list = _price_list(root)
        if check is not None:
            check(price_list)
    except BadPriceList as error:
        line = json_lines.line_of(text, _nearest(root, error.at).offset)
        raise BadPriceList(error.problem, at=error.at, line=line) from None
    return price_list


def _price_list(root: Node) -> PriceList:
    names = ("name", "currency", "effectiveFrom", "tiers", "discounts", "taxRates")
    name, currency, effective_from, tiers, discounts, tax_rates = _members(root, *names)
    priced = _each(_tier, tiers)
    card = _made(
        root,
        RateCard,
        name=_text(name),
        currency=_text(currency),
        effective_from=_day(effective_from),
        tiers=tuple(price for price, _ in priced),
        discounts=_each(_discount, discounts),
    )
    rates = _each(_tax_rate, tax_rates)
    _made(root, TaxRates, rates)
    return PriceList(card, tuple(features for _, features in priced), rates)


def _tier(node: Node) -> tuple[TierPrice, TierFeatures]:
    name, base_price, features, metrics = _members(node, "tier", "basePrice", "features", "metrics")
    tier = _word(Tier, name)
    price = _made(node, TierPrice, tier=tier, base_price=_decimal(base_price), metrics=_each(_metric, metrics))
    return price, _features(tier, features)


def _features(tier: Tier, node: Node) -> TierFeatures:
    accounts, regions, users, scps, support, reports, analytics, multi_region, break_glass = _members(
        node,
        "maxAccounts",
        "maxRegions",
        "ssoUsersLimit",
        "customScps",
        "prioritySupport",
        "complianceReports",
        "costAnalytics",
        "multiRegion",
        "breakGlassRole",
    )
    return TierFeatures(
        tier=tier,
        max_accounts=_count(accounts),
        max_regions=_count(regions),
        sso_users_limit=_count(users),
        custom_scps=_flag(scps),
        priority_support=_flag(support),
        compliance_reports=_flag(reports),
        cost_analytics=_flag(analytics),
        multi_region=_flag(multi_region),
        break_glass_role=_flag(break_glass),
    )


def _metric(node: Node) -> MetricPrice:
    metric, included, unit, bands = _members(node, "metric", "included", "unit", "bands")
    return _made(
        node,
        MetricPrice,
        metric=_word(Metric, metric),
        included=_decimal(included),
        unit=_decimal(unit),
        bands=_each(_band, bands),
    )


def _band(node: Node) -> Band:
    up_to, price_per_unit = _members(node, "upTo", "pricePerUnit")
    edge = None if up_to.value is None else _decimal(up_to)
    return _made(node, Band, up_to=edge, price_per_unit=_decimal(price_per_unit))


def _discount(node: Node) -> Discount:
    over, rate = _members(node, "over", "rate")
    return _made(node, Discount, over=_decimal(over), rate=_decimal(rate))


def _tax_rate(node: Node) -> TaxRate:
    jurisdiction, rate, effective_from = _members(node, "jurisdiction", "rate", "effectiveFrom")
    return _made(
        node, TaxRate, jurisdiction=_text(jurisdiction), rate=_decimal(rate), effective_from=_day(effective_from)
    )


def _made(node: Node, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The value that stands at `node`. What it refuses of itself is refused at that place of the document."""
    try:
        return make(*args, **kwargs)
    except BadPriceList as error:
        raise BadPriceList(error.problem, at=(*node.path, *error.at)) from None


def _each(read: Callable[[Node], T], node: Node) -> tuple[T, ...]:
    if not isinstance(node.value, list):
        raise BadPriceList("a list is expected", at=node.path)
    return tuple(read(member) for member in node.value)


def _members(node: Node, *names: str) -> list[Node]:
    """Those of an object, in this order: all of them, and no others."""
    if not isinstance(node.value, dict):
        raise BadPriceList(f"an object with {', '.join(names)} is expected", at=node.path)
    for name, member in node.value.items():
        if name not in names:
            raise BadPriceList(f"nothing of that name is known here, only {', '.join(names)}", at=member.path)
    for name in names:
        if name not in node.value:
            raise BadPriceList(f"{name} is missing", at=node.path)
    return [node.value[name] for name in names]


def _text(node: Node) -> str:
    if not isinstance(node.value, str):
        raise BadPriceList("a text in quotes is expected", at=node.path)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in node.value):
        raise BadPriceList("a text in one line is expected, without control characters", at=node.path)
    return node.value


def _word(words: type[Word], node: Node) -> Word:
    name = _text(node)
    if name not in words.__members__:
        raise BadPriceList(f"one of {', '.join(words.__members__)} is expected", at=node.path)
    return words[name]


def _decimal(node: Node) -> Decimal:
    if not isinstance(node.value, str) or _DECIMAL.fullmatch(node.value) is None:
        raise BadPriceList('a decimal in quotes is expected, such as "0.045"', at=node.path)
    return Decimal(node.value)


def _day(node: Node) -> date:
    text = _text(node)
    try:
        return parse_day(text)
    except Invalid as error:
        raise BadPriceList(str(error).rstrip("."), at=node.path) from None


def _count(node: Node) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not 0 <= node.value <= _MOST_COUNT:
        raise BadPriceList(f"a whole number from 0 to {_MOST_COUNT} is expected", at=node.path)
    return node.value


def _flag(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise BadPriceList("true or false is expected", at=node.path)
    return node.value


def _nearest(root: Node, path: json_lines.Path) -> Node:
    """The node at the path, or the last one on the way to it that exists."""
    members: Iterable[Node] = ()
    if isinstance(root.value, dict):
        members = root.value.values()
    elif isinstance(root.value, list):
        members = root.value
    for member in members:
        if path[: len(member.path)] == member.path:
            return _nearest(member, path)
    return root
