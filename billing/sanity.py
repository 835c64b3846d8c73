"""Bills so much larger than usual that a person has to look before they leave the house.

Source: BILLING.md, "A run".
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from billing.failures import SanityBound
from billing.inputs import Bill
from billing.money import exact, share
from billing.periods import Month
from db import billing_inputs
from db.session import Session

# Of the mean subtotal of so many whole months.
_TIMES = 10
_MONTHS = 3


async def doubts(session: Session, bills: Sequence[Bill], month: Month) -> dict[UUID, SanityBound]:
    """Those of these bills for `month` that are beyond the bound, by customer; with fewer months before there is none."""
    before = await billing_inputs.sums_of_last(session, _MONTHS, [bill.customer_id for bill in bills], month.first)
    found: dict[UUID, SanityBound] = {}
    with exact():
        for bill in bills:
            subtotal, usual = bill.rating.subtotal, before.get(bill.customer_id)
            if usual is not None and subtotal * _MONTHS > usual * _TIMES:
                found[bill.customer_id] = SanityBound(month, subtotal, share(usual, 1, _MONTHS))
    return found
