"""Tickets and their comments as known documents read them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from db import customers, tickets
from db.customers import CustomerRow
from db.tickets import CommentRow, TicketRow
from resolvers.shapes import (
    Edge,
    Filter,
    Part,
    Shape,
    filtered,
    id_of,
    names,
    one,
    pages,
)
from schema.context import Context
from schema.windows import window


async def _comments(
    context: Context,
    parents: Sequence[Any],
    first: int | None = None,
    after: str | None = None,
    row: type[CommentRow] = CommentRow,
) -> Sequence[Part]:
    return await pages(
        context, parents, "comments of a ticket", tickets.COMMENTS, first=first, after=after, bind=str, row=row
    )


def _narrowed(filter: Filter) -> dict[str, Any]:
    statuses, priorities = filter.get("status"), filter.get("priority")
    return {
        "statuses": None if statuses is None else tuple(tickets.TicketStatus[name] for name in statuses),
        "priorities": None if priorities is None else tuple(tickets.TicketPriority[name] for name in priorities),
    }


async def _of_customers(
    context: Context,
    parents: Sequence[CustomerRow],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = MappingProxyType({}),
    row: type[TicketRow] = TicketRow,
) -> Sequence[Part]:
    return await pages(
        context,
        parents,
        "tickets of a customer",
        tickets.OF_CUSTOMER,
        first=first,
        after=after,
        bind=filtered(filter),
        **_narrowed(filter),
        row=row,
    )


async def _tickets_of_caller(
    context: Context,
    parents: Sequence[None],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = MappingProxyType({}),
    row: type[TicketRow] = TicketRow,
) -> Sequence[Part]:
    here = window("tickets", first=first, after=after, filter=filter or None)
    found = await tickets.page(context.session, first=here.first, after=here.after, **_narrowed(filter), row=row)
    return [Part.of(found, here)]


_COMMENT = Shape(plain=names("author body internal created_at"), derived={"id": id_of("tkc")})
_TICKET = Shape(
    plain=names(
        "subject status priority created_by assigned_to first_response_due_at first_responded_at created_at updated_at"
    ),
    derived={"id": id_of("tkt")},
    edges={
        "customer": Edge("one", one(customers.by_ids, attrgetter("customer_id")), "Customer", CustomerRow),
        "comments": Edge("page", _comments, "TicketComment", CommentRow),
    },
)
OF_CUSTOMER = Edge("page", _of_customers, "Ticket", TicketRow)
OF_CALLER = Edge("page", _tickets_of_caller, "Ticket", TicketRow)
SHAPES = {"Ticket": _TICKET, "TicketComment": _COMMENT}
