"""The audit trail as known documents read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

import orjson

from auth.caller import CallerKind
from db import audit
from db.audit import EventRow, Wanted
from db.customers import CustomerRow
from db.session import Asked
from resolvers.shapes import (
    NOBODY,
    Derived,
    Edge,
    Listed,
    Part,
    Shape,
    derived,
    id_of,
    names,
    pages,
)
from schema.context import Context
from schema.ids import typeid
from schema.windows import LONGEST_PAGE, Window, window

# As in schema/audit.py: the operation that asks may have left events of its own by now, and clocks differ.
_A_LITTLE: Final = timedelta(hours=1)
_EVENTS: Final = "audit events of a customer"


def _of_whom(name: str) -> Derived:
    """What a tenant is not told of the company's operators."""

    read = attrgetter(name)

    def told(row: EventRow, context: Context) -> str | None:
        hidden = row.actor_kind == "operator" and context.caller.kind is CallerKind.TENANT
        return None if hidden else read(row)

    return derived(told, f"actor_kind {name}")


@lru_cache(maxsize=1024)
def _customer_id(id: UUID) -> str:
    """Most pages are of one customer, and an ID takes as long as the rest of an event."""
    return typeid("cus", id)


async def _of_customers(
    context: Context,
    parents: Sequence[CustomerRow],
    first: int | None = None,
    after: str | None = None,
    row: Asked[EventRow] = EventRow,
) -> Sequence[Part]:
    return await pages(
        context,
        parents,
        _EVENTS,
        audit.OF_CUSTOMER,
        first=first,
        after=after,
        bind=_bound,
        most=LONGEST_PAGE,
        wanted=Wanted(until=context.now + _A_LITTLE),
        row=row,
    )


def _bound(id: UUID) -> Any:
    return [str(id), None]


def _window_of_customer(id: UUID, first: int | None = None, after: str | None = None) -> Window:
    return window(_EVENTS, first=first, after=after, filter=_bound(id), most=LONGEST_PAGE)


def _window_of_caller(id: UUID, first: int | None = None, after: str | None = None) -> Window:
    return window("audit events", first=first, after=after, most=LONGEST_PAGE)


def _values(context: Context, **_: Any) -> Sequence[Any]:
    return (audit.first_id(context.now + _A_LITTLE),)


async def _events_of_caller(
    context: Context,
    parents: Sequence[None],
    first: int | None = None,
    after: str | None = None,
    row: Asked[EventRow] = EventRow,
) -> Sequence[Part]:
    here = _window_of_caller(NOBODY, first, after)
    found = await audit.page(
        context.session,
        first=here.first,
        after=here.after,
        customer_id=None,
        wanted=Wanted(until=context.now + _A_LITTLE),
        row=row,
    )
    return [Part.of(found, here)]


_EVENT = Shape(
    plain=names(
        "event_type action resource_type resource_id actor actor_kind status error_message request_id created_at hash"
    ),
    derived={
        "id": id_of("evt"),
        "customer_id": derived(
            lambda row, _: None if row.customer_id is None else _customer_id(row.customer_id), "customer_id"
        ),
        "actor_email": _of_whom("actor_email"),
        "actor_ip": _of_whom("actor_ip"),
        "actor_user_agent": _of_whom("actor_user_agent"),
        "metadata": derived(lambda row, _: orjson.loads(row.metadata), "metadata"),
    },
)
OF_CUSTOMER = Edge(
    "page",
    _of_customers,
    "AuditEvent",
    EventRow,
    listed=Listed(audit.LISTED_OF_CUSTOMER, _values, _window_of_customer),
)
OF_CALLER = Edge(
    "page", _events_of_caller, "AuditEvent", EventRow, listed=Listed(audit.LISTED, _values, _window_of_caller)
)
SHAPES = {"AuditEvent": _EVENT}
