"""`landlord invoice`: why an invoice says what it says, whether it still computes, and why it differs from another."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import click

from billing.comparison import Cause, Change, Value, compare
from billing.money import ZERO, exact
from billing.periods import Month
from billing.rate_card import Discount, MetricPrice
from billing.rating import METRIC_NAMES, TIER_NAMES
from cli import api, explain, paper, show
from cli.api import Refused
from cli.paper import Paper
from cli.show import amount, number, signed
from db.enums import Metric, Tier


@click.group()
def invoice() -> None:
    """Why an invoice says what it says. An invoice is named by its number (K7M2QX-0001), a draft by its ID (inv_...)."""


# ---------------------------------------------------------------- explain


@invoice.command("explain")
@click.argument("number")
@show.as_json
def explain_(number: str, as_json: bool) -> None:
    """Every line of an invoice with the calculation behind it, to the cent."""
    with api.connected() as asked:
        [found] = paper.papers(asked, number)
    explained = explain.explain(found.billed)
    if as_json:
        hows = {one.line.position: list(one.how) for one in explained}
        lines = [{**line, "how": hows[line["position"]]} for line in found.said["lines"]]
        show.in_json({**found.said, "lines": lines, "sums": explain.sums(found.billed)})
    else:
        _tell_explained(found, explained)


def _tell_explained(found: Paper, explained: list[explain.Explained]) -> None:
    said = found.said
    click.echo(f"{found.name}: {said['month']} of {said['customer']['name']}, {said['status']}, in {said['currency']}")
    card = said["rateCard"]
    tier = TIER_NAMES[found.billed.rating.tier]
    click.echo(
        f"Price list “{card['name']}” of {card['effectiveFrom']}, tier {tier}, usage revision {said['usageRevision']}"
    )
    click.echo()
    show.table(("#", "right"), "line", ("amount", "right"), rows=_rows(explained))
    click.echo()
    for text in explain.sums(found.billed):
        click.echo(text)
    if said["number"] is not None:
        click.echo(_due(said))


def _due(said: dict[str, Any]) -> str:
    if said["status"] == "CANCELLED":
        return "cancelled: nothing is due"
    total, *taken = (Decimal(said[name]) for name in ("totalAmount", "creditApplied", "amountCredited", "amountPaid"))
    left = total - sum(taken)
    credit, credited, paid = map(amount, taken)
    came_to = f"total {amount(total)} - credit {credit} - credited {credited} - paid {paid}"
    if left < 0:
        return f"{came_to} = {amount(left)}: that became credit for other invoices, and nothing is due"
    return f"{came_to} = due {amount(said['amountDue'])}"


def _rows(explained: list[explain.Explained]) -> Iterator[list[str]]:
    for one in explained:
        yield [str(one.line.position), one.what, amount(one.line.amount)]
        for how in one.how:
            yield ["", f"    {how}", ""]


# ---------------------------------------------------------------- recompute


_AGAIN = "id number recomputation { where stored computed }"


@invoice.command()
@click.argument("number")
@show.as_json
def recompute(number: str, as_json: bool) -> None:
    """Compute an invoice again from what it stored, and say where it says something else. Ends with 1 where it does."""
    with api.connected() as asked:
        [said] = paper.ask(asked, number, selected=_AGAIN, fragments="")
    differences = said["recomputation"]
    if as_json:
        show.in_json({"id": said["id"], "number": said["number"], "equal": not differences, "differences": differences})
    elif differences:
        click.echo(f"{number} says something else than what it was computed from gives:")
        rows = [[one["where"], one["stored"] or "(none)", one["computed"] or "(none)"] for one in differences]
        show.table("where", "stored", "computed again", rows=rows)
    else:
        click.echo(f"{number} computes again to the cent: every line and amount is equal.")
    if differences:
        raise SystemExit(1)


# ---------------------------------------------------------------- compare


@invoice.command("compare")
@click.argument("before")
@click.argument("after")
@show.as_json
def compare_(before: str, after: str, as_json: bool) -> None:
    """Why AFTER comes to something else than BEFORE: differences by cause, which sum to that of the totals."""
    with api.connected() as asked:
        old, new = paper.papers(asked, before, after)
    try:
        causes = compare(old.billed, new.billed)
    except ValueError as problem:
        raise Refused(f"{problem}.") from None
    total = new.billed.rating.total_amount - old.billed.rating.total_amount
    with exact():
        explained = sum((cause.amount for cause in causes), ZERO)
    if as_json:
        show.in_json(
            {"before": _named(old), "after": _named(new), "difference": total, "causes": list(map(_said, causes))}
        )
    else:
        for one in (old, new):
            said = one.said
            click.echo(
                f"{one.name}: {said['month']} of {said['customer']['name']}, {amount(said['totalAmount'])} {said['currency']}"
            )
        click.echo()
        rows = [
            [_what(cause), f"{_value(cause, cause.before)} → {_value(cause, cause.after)}", signed(cause.amount)]
            for cause in causes
        ]
        show.table("because of", "", ("difference", "right"), rows=[*rows, ["together", "", signed(explained)]])
    if explained != total:
        raise Refused(
            f"The totals differ by {signed(total)}: one of the two does not compute. `landlord invoice recompute` says which."
        )


def _named(one: Paper) -> dict[str, Any]:
    return {name: one.said[name] for name in ("id", "number", "month", "totalAmount")}


def _said(cause: Cause) -> dict[str, Any]:
    return {
        "change": cause.change.name,
        "subject": str(cause.subject) if isinstance(cause.subject, Month) else getattr(cause.subject, "name", None),
        "before": _value(cause, cause.before),
        "after": _value(cause, cause.after),
        "amount": cause.amount,
    }


_WHAT = {
    Change.DAYS: "{}: days in this tier",
    Change.BASE_PRICE: "{}: base price",
    Change.QUANTITY: "{}: quantity",
    Change.TIER: "{}: tier, with its allowance and prices",
    Change.ALLOWANCE: "{}: allowance in the price list",
    Change.PRICES: "{}: prices in the price list",
    Change.DISCOUNTED: "Volume discount: usage charges",
    Change.DISCOUNT: "Volume discount: its terms",
    Change.ADJUSTMENT: "Adjustment of {}",
    Change.TAXED: "Tax: taxed amount",
    Change.TAX_RATE: "Tax: rate",
}


def _what(cause: Cause) -> str:
    subject = cause.subject
    name = (
        METRIC_NAMES[subject]
        if isinstance(subject, Metric)
        else TIER_NAMES[subject]
        if isinstance(subject, Tier)
        else subject
    )
    return _WHAT[cause.change].format(name)


def _value(cause: Cause, value: Value) -> str:
    match value:
        case Tier():
            return TIER_NAMES[value]
        case MetricPrice():
            return _bands(value)
        case Discount():
            return f"{number(value.rate * 100)} % over {amount(value.over)}"
        case None:
            return "none"
    if cause.change in (Change.DAYS, Change.QUANTITY, Change.ALLOWANCE):
        return number(value)
    return f"{number(value * 100)} %" if cause.change is Change.TAX_RATE else amount(value)


def _bands(price: MetricPrice) -> str:
    """`25 up to 100, then 20`, and for how many where that is not one."""
    bands = [
        number(band.price_per_unit) + (f" up to {number(band.up_to)}" if band.up_to is not None else "")
        for band in price.bands
    ]
    unit = "" if price.unit == Decimal(1) else f" per {number(price.unit)}"
    return ", then ".join(bands) + unit
