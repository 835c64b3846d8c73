"""What a month costs so far, or would cost under another tier or with other use; nothing is stored."""

from __future__ import annotations

from uuid import UUID

from billing import inputs
from billing.failures import NotBillable
from billing.periods import Month
from billing.rating import Rating, Usage
from db.enums import Tier
from db.session import Session


async def preview(
    session: Session, customer_id: UUID, month: Month, *, tier: Tier | None, usage: Usage | None
) -> Rating | None:
    """`tier` counts for the whole month, `usage` instead of what is recorded; base and tax are the whole month's.

    None where there is nothing to bill in the month, or no such customer for this session. Raises NoRateCard, NoTaxRate
    or AmountTooLarge.
    """
    known = await inputs.read(session, [customer_id], month)
    if customer_id not in known.customers:
        return None
    try:
        return inputs.bill_as_if(known, customer_id, tier=tier, usage=usage).rating
    except NotBillable:
        return None
