"""Who asks, as known documents read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auth.caller import Caller
from resolvers.shapes import (
    Edge,
    Shape,
    names,
)
from resolvers.shapes.customers import customer_of_caller
from schema.context import Context

_VIEWER = Shape(
    plain=names("kind name"),
    derived={
        "scopes": lambda caller, _: sorted(caller.scopes),
        "session_expires_at": lambda caller, _: None if caller.session is None else caller.session.expires_at,
    },
    edges={"customer": Edge("one", lambda context, callers: _customer_of(context, callers), "Customer")},
)


async def _viewer(context: Context, parents: Sequence[None]) -> Sequence[Any]:
    return [context.caller]


async def _customer_of(context: Context, callers: Sequence[Caller]) -> Sequence[Any]:
    return await customer_of_caller(context, [None])


CALLER = Edge("one", _viewer, "Viewer")
SHAPES = {"Viewer": _VIEWER}
