"""Who asks, as known documents read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auth.caller import Caller
from db.customers import CustomerRow
from db.session import Asked
from resolvers.shapes import (
    Edge,
    Shape,
    derived,
    names,
)
from resolvers.shapes.customers import customer_of_caller
from schema.context import Context


async def _viewer(context: Context, parents: Sequence[None]) -> Sequence[Any]:
    return [context.caller]


async def _customer_of(
    context: Context, callers: Sequence[Caller], row: Asked[CustomerRow] = CustomerRow
) -> Sequence[Any]:
    return await customer_of_caller(context, [None], row=row)


_VIEWER = Shape(
    plain=names("kind name"),
    derived={
        "scopes": derived(lambda caller, _: sorted(caller.scopes), "scopes"),
        "session_expires_at": derived(
            lambda caller, _: None if caller.session is None else caller.session.expires_at, "session"
        ),
    },
    edges={"customer": Edge("one", _customer_of, "Customer", CustomerRow)},
)
CALLER = Edge("one", _viewer, "Viewer", asks=0)
SHAPES = {"Viewer": _VIEWER}
