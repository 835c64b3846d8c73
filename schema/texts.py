"""The one text of each value that has several: instants and decimals, whatever the session or the machine is set to."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal


class Money(Decimal):
    """An amount that is answered with two places: `Money(row.total)`. It does not round: a third place is a fault."""

    __slots__ = ()


def instant_text(value: datetime) -> str:
    """In UTC, with six digits and Z."""
    here = value if value.tzinfo is UTC else value.astimezone(UTC)
    return here.isoformat(timespec="microseconds")[:26] + "Z"


def decimal_text(value: Decimal) -> str:
    """Two places for Money; otherwise no exponent and no trailing zeros."""
    if isinstance(value, Money):
        text = f"{value:.2f}"
        if Decimal(text) != value:
            raise ValueError("money with more than two places")
    else:
        text = f"{value:f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    return text if value else text.lstrip("-")
