"""API keys as known documents read them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from auth import api_keys as holding
from db import api_keys
from db.customers import CustomerRow
from resolvers.shapes import (
    ITSELF,
    Edge,
    Shape,
    derived,
    grouped,
    id_of,
    names,
)
from schema.context import Context


async def _of_customers(context: Context, parents: Sequence[CustomerRow]) -> Sequence[Any]:
    return await grouped(context, parents, api_keys.Shown(context.now), ITSELF, attrgetter("customer_id"))


async def _keys_of_caller(context: Context, parents: Sequence[None]) -> Sequence[Any]:
    own = context.caller.customer_id
    if own is not None:
        return [await api_keys.Shown(context.now)(context.session, [own])]
    return [await api_keys.shown_of_house(context.session, now=context.now)]


_KEY = Shape(
    plain=names("name prefix scopes created_at expires_at last_used_at"),
    derived={
        "id": id_of("key"),
        "is_active": derived(lambda row, context: holding.works(row, context.now), "revoked_at expires_at"),
    },
)
OF_CUSTOMER = Edge("many", _of_customers, "ApiKey")
OF_CALLER = Edge("many", _keys_of_caller, "ApiKey")
SHAPES = {"ApiKey": _KEY}
