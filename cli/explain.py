"""How each amount of an invoice came about, as calculations that a person can check with a pocket calculator."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from billing.comparison import Billed
from billing.money import exact
from billing.rating import METRIC_NAMES, Line, LineBand
from cli.show import amount, number
from db.enums import LineKind


@dataclass(frozen=True, slots=True)
class Explained:
    """One line. `how` are its calculations; the last one ends in the line's amount."""

    line: Line
    what: str
    how: tuple[str, ...]


def explain(billed: Billed) -> list[Explained]:
    """Every line of the invoice, in its order."""
    with exact():
        return [_explained(billed, line) for line in billed.rating.lines]


def sums(billed: Billed) -> tuple[str, str]:
    """How the lines come to the subtotal, and that to the total."""
    rated = billed.rating
    subtotal = (
        f"base {amount(rated.tier_base_cost)} + usage {amount(rated.usage_charges)} - discount"
        f" {amount(rated.volume_discount)} {_plus(rated.adjustments, 'adjustments')} = subtotal {amount(rated.subtotal)}"
    )
    total = f"subtotal {amount(rated.subtotal)} + tax {amount(rated.tax_amount)} = total {amount(rated.total_amount)}"
    return subtotal, total


def _explained(billed: Billed, line: Line) -> Explained:
    match line.kind:
        case LineKind.BASE:
            return Explained(line, line.description, (_share(billed, line),))
        case LineKind.USAGE:
            return _usage(billed, line)
        case LineKind.DISCOUNT:
            return Explained(line, line.description, (_discount(billed, line),))
        case LineKind.ADJUSTMENT:
            return Explained(line, line.description, ())
        case LineKind.TAX:
            rated = billed.rating
            product = rated.tax_rate * rated.subtotal
            how = f"{amount(rated.subtotal)} x {number(rated.tax_rate)} = {_rounded(product, line.amount)}"
            return Explained(line, line.description, (how,))


def _share(billed: Billed, line: Line) -> str:
    assert line.tier is not None
    assert line.quantity is not None
    price, whole = billed.card.of(line.tier).base_price, billed.rating.month.days
    days = f"{amount(price)} x {number(line.quantity)} / {whole} days"
    if price * line.quantity == line.amount * whole:
        return f"{days} = {amount(line.amount)}"
    return f"{days}, to cents {amount(line.amount)}"


def _usage(billed: Billed, line: Line) -> Explained:
    """The allowance, then each band, then their sum where there are several."""
    assert line.metric is not None
    assert line.quantity is not None
    assert line.billable is not None
    [price] = [one for one in billed.card.of(billed.rating.tier).metrics if one.metric == line.metric]
    used, included = number(line.quantity), number(price.included)
    if not line.bands:
        return Explained(
            line, METRIC_NAMES[line.metric], (f"{used} within {included} included = {amount(line.amount)}",)
        )
    how = [f"{used} - {included} included = {number(line.billable)} billable"]
    whole = " + ".join(number(band.amount) for band in line.bands)
    if len(line.bands) > 1:
        how += [f"{_product(band)} = {number(band.amount)}" for band in line.bands]
    else:
        whole = _product(line.bands[0])
    how.append(f"{whole} = {_rounded(sum((band.amount for band in line.bands), Decimal(0)), line.amount)}")
    return Explained(line, METRIC_NAMES[line.metric], tuple(how))


def _product(band: LineBand) -> str:
    units = number(band.quantity) if band.unit == 1 else f"{number(band.quantity)} / {number(band.unit)}"
    return f"{units} x {number(band.price_per_unit)}"


def _discount(billed: Billed, line: Line) -> str:
    charges = billed.rating.usage_charges
    discount = billed.card.discount_on(charges)
    assert discount is not None
    product = discount.rate * charges
    why = f"{amount(charges)} is over {amount(discount.over)}"
    return f"{why}: {amount(charges)} x -{number(discount.rate)} = {_rounded(-product, line.amount)}"


def _rounded(whole: Decimal, cents: Decimal) -> str:
    """`7.345678, to cents 7.35`, or the amount alone where it is in cents already."""
    return amount(cents) if whole == cents else f"{number(whole)}, to cents {amount(cents)}"


def _plus(value: Decimal, name: str) -> str:
    return f"{'-' if value < 0 else '+'} {name} {amount(abs(value))}"
