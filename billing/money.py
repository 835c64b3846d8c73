"""The one place where money is rounded, and the arithmetic in which nothing else is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow, localcontext

CENT = Decimal("0.01")
ZERO = Decimal("0.00")

_DIGITS = 60
_TRAPS = [InvalidOperation, DivisionByZero, Overflow]
_ROUNDING = Context(prec=_DIGITS, rounding=ROUND_HALF_UP, traps=_TRAPS)
_EXACT = Context(prec=_DIGITS, rounding=ROUND_HALF_UP, traps=[*_TRAPS, Inexact])


def exact() -> AbstractContextManager[Context]:
    """Decimal arithmetic of 60 digits in which an inexact result raises `decimal.Inexact`.

    Python's own context rounds at 28 digits, silently. `to_cents` and `share` round all the same.
    """
    return localcontext(_EXACT)


def to_cents(amount: Decimal) -> Decimal:
    """Rounded half-up (away from zero on a tie, as PostgreSQL's `round`), with exactly two places."""
    return amount.quantize(CENT, ROUND_HALF_UP, _ROUNDING)


def share(amount: Decimal, part: int, whole: int) -> Decimal:
    """`amount` x `part` / `whole`, to cents.

    The quotient may have no end. It is cut at 60 digits, far behind the half cent that decides: for a whole of days
    it either is that half exactly, or misses it by more than a ten-thousandth of a cent.
    """
    return to_cents(_ROUNDING.divide(_ROUNDING.multiply(amount, Decimal(part)), Decimal(whole)))
