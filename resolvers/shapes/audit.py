"""The audit trail as known documents read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Final
from uuid import UUID

import orjson

from auth.caller import CallerKind
from db import audit
from db.audit import EventRow, Wanted
from db.customers import CustomerRow
from resolvers.shapes import (
    Derived,
    Edge,
    Part,
    Shape,
    derived,
    id_of,
    names,
    pages,
)
from schema.context import Context
from schema.ids import typeid
from schema.windows import LONGEST_PAGE, window

# As in schema/audit.py: the operation that asks may have left events of its own by now, and clocks differ.
_A_LITTLE: Final = timedelta(hours=1)


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
    row: type[EventRow] = EventRow,
) -> Sequence[Part]:
    return await pages(
        context,
        parents,
        "audit events of a customer",
        audit.OF_CUSTOMER,
        first=first,
        after=after,
        bind=lambda id: [str(id), None],
        most=LONGEST_PAGE,
        wanted=Wanted(until=context.now + _A_LITTLE),
        row=row,
    )


async def _events_of_caller(
    context: Context,
    parents: Sequence[None],
    first: int | None = None,
    after: str | None = None,
    row: type[EventRow] = EventRow,
) -> Sequence[Part]:
    here = window("audit events", first=first, after=after, most=LONGEST_PAGE)
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
    plain=names("event_type action resource_type resource_id actor status error_message request_id created_at hash"),
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
OF_CUSTOMER = Edge("page", _of_customers, "AuditEvent", EventRow)
OF_CALLER = Edge("page", _events_of_caller, "AuditEvent", EventRow)
SHAPES = {"AuditEvent": _EVENT}
