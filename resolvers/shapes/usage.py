"""Usage as known documents read it."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from billing import usage as recording
from billing.periods import Month
from db.customers import CustomerRow
from db.usage import LISTED_OF_CUSTOMER, Between
from resolvers.shapes import (
    ITSELF,
    Edge,
    Listed,
    Shape,
    grouped,
    names,
)
from schema.context import Context
from schema.ids import uuid_of


def _months(context: Context, from_: Month | None, to: Month | None) -> Between:
    """Raises Invalid."""
    start, end = recording.span(from_, to, now=context.now)
    return Between(start.first, end.first)


async def _of_customers(
    context: Context, parents: Sequence[CustomerRow], from_: Month | None = None, to: Month | None = None
) -> Sequence[Any]:
    return await grouped(context, parents, _months(context, from_, to), ITSELF, attrgetter("customer_id"))


def _values(context: Context, from_: Month | None = None, to: Month | None = None) -> Sequence[Any]:
    months = _months(context, from_, to)
    return months.first, months.last


async def _usage_of_caller(
    context: Context,
    parents: Sequence[None],
    customer_id: str | None = None,
    from_: Month | None = None,
    to: Month | None = None,
) -> Sequence[Any]:
    own = context.caller.customer_id
    asked = own if customer_id is None else uuid_of("cus", customer_id, ("customerId",))
    return [[] if asked is None else await _months(context, from_, to)(context.session, [asked])]


_USAGE = Shape(
    plain=names(
        "month account_count ou_count scp_count cloudtrail_events config_evaluations log_storage_gb nat_bytes_processed"
        " data_transfer_gb revision recorded_at"
    )
)
OF_CUSTOMER = Edge("many", _of_customers, "UsageMonth", listed=Listed(LISTED_OF_CUSTOMER, _values))
OF_CALLER = Edge("many", _usage_of_caller, "UsageMonth")
SHAPES = {"UsageMonth": _USAGE}
