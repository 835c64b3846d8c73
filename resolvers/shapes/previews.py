"""Previews of invoices as known documents read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from billing.periods import Month
from billing.preview import preview
from db.enums import Tier
from resolvers.shapes import (
    Edge,
    Shape,
    names,
)
from schema.context import Context
from schema.ids import uuid_of


async def _lines_of(context: Context, ratings: Sequence[Any]) -> Sequence[Any]:
    return [rating.lines for rating in ratings]


async def _preview(
    context: Context,
    parents: Sequence[None],
    month: Month,
    customer_id: str | None = None,
    tier: str | None = None,
) -> Sequence[Any]:
    own = context.caller.customer_id
    asked = own if customer_id is None else uuid_of("cus", customer_id, ("customerId",))
    if asked is None:
        return [None]
    as_if = None if tier is None else Tier[tier]
    return [await preview(context.session, asked, month, tier=as_if, usage=None)]


_PREVIEW = Shape(
    plain=names(
        "month tier currency tier_base_cost usage_charges volume_discount adjustments subtotal tax_rate tax_amount"
        " total_amount"
    ),
    edges={"lines": Edge("many", _lines_of, "InvoiceLine", asks=0)},
)
OF_CALLER = Edge("one", _preview, "InvoicePreview", asks=2)
SHAPES = {"InvoicePreview": _PREVIEW}
