"""What the API answers, in the reference's words: to be compared whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.billing import reference
from tests.billing.ours import cents
from tests.billing.reference import Stretch

# Of an invoice and of a preview alike.
AMOUNTS = """
    tier tierBaseCost usageCharges volumeDiscount adjustments subtotal taxRate taxAmount totalAmount
    lines {
        kind metric tier adjustedMonth quantity billable amount bands { quantity unit pricePerUnit amount }
    }
"""


def invoice(said: Mapping[str, Any]) -> reference.Invoice:
    """Of what AMOUNTS selects."""
    money = {name: cents(Decimal(said[name])) for name in said if name.endswith(("Cost", "Charges", "Amount"))}
    return reference.Invoice(
        tier=said["tier"],
        lines=tuple(line(one) for one in said["lines"]),
        base=money["tierBaseCost"],
        usage=money["usageCharges"],
        discount=cents(Decimal(said["volumeDiscount"])),
        adjustments=cents(Decimal(said["adjustments"])),
        subtotal=cents(Decimal(said["subtotal"])),
        tax_rate=Fraction(said["taxRate"]),
        tax=money["taxAmount"],
        total=money["totalAmount"],
    )


def line(said: Mapping[str, Any]) -> reference.Line:
    month = said["adjustedMonth"]
    subjects = [said["tier"], said["metric"], None if month is None else date.fromisoformat(f"{month}-01")]
    return reference.Line(
        kind=said["kind"],
        cents=cents(Decimal(said["amount"])),
        subject=next((one for one in subjects if one is not None), None),
        quantity=_exactly(said["quantity"]),
        billable=_exactly(said["billable"]),
        stretches=tuple(
            Stretch(*(Fraction(band[name]) for name in ("quantity", "unit", "pricePerUnit", "amount")))
            for band in said["bands"]
        ),
    )


def _exactly(number: str | None) -> Fraction | None:
    return None if number is None else Fraction(number)
