"""Tickets and their comments as known documents read them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from db import customers, tickets
from db.customers import CustomerRow
from db.session import Asked
from db.tickets import CommentRow, TicketRow
from resolvers.shapes import (
    NOBODY,
    NOTHING,
    Edge,
    Filter,
    Listed,
    Part,
    Shape,
    filtered,
    id_of,
    names,
    one,
    pages,
)
from schema.context import Context
from schema.windows import Window, window

_TICKETS: Final = "tickets of a customer"
_COMMENTS: Final = "comments of a ticket"


async def _comments(
    context: Context,
    parents: Sequence[Any],
    first: int | None = None,
    after: str | None = None,
    row: Asked[CommentRow] = CommentRow,
) -> Sequence[Part]:
    return await pages(context, parents, _COMMENTS, tickets.COMMENTS, first=first, after=after, bind=str, row=row)


def _window_of_comments(id: UUID, first: int | None = None, after: str | None = None) -> Window:
    return window(_COMMENTS, first=first, after=after, filter=str(id))


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
    filter: Filter = NOTHING,
    row: Asked[TicketRow] = TicketRow,
) -> Sequence[Part]:
    return await pages(
        context,
        parents,
        _TICKETS,
        tickets.OF_CUSTOMER,
        first=first,
        after=after,
        bind=filtered(filter),
        **_narrowed(filter),
        row=row,
    )


def _window_of_customer(
    id: UUID, first: int | None = None, after: str | None = None, filter: Filter = NOTHING
) -> Window:
    return window(_TICKETS, first=first, after=after, filter=filtered(filter)(id))


def _window_of_caller(id: UUID, first: int | None = None, after: str | None = None, filter: Filter = NOTHING) -> Window:
    return window("tickets", first=first, after=after, filter=filter or None)


def _values(context: Context, filter: Filter = NOTHING, **_: Any) -> Sequence[Any]:
    return *_narrowed(filter).values(), None


async def _tickets_of_caller(
    context: Context,
    parents: Sequence[None],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = NOTHING,
    row: Asked[TicketRow] = TicketRow,
) -> Sequence[Part]:
    here = _window_of_caller(NOBODY, first, after, filter)
    found = await tickets.page(context.session, first=here.first, after=here.after, **_narrowed(filter), row=row)
    return [Part.of(found, here)]


_COMMENT = Shape(plain=names("author author_kind body internal created_at"), derived={"id": id_of("tkc")})
_TICKET = Shape(
    plain=names(
        "subject status priority created_by assigned_to first_response_due_at first_responded_at created_at updated_at"
    ),
    derived={"id": id_of("tkt")},
    edges={
        "customer": Edge("one", one(customers.by_ids, attrgetter("customer_id")), "Customer", CustomerRow),
        "comments": Edge(
            "page",
            _comments,
            "TicketComment",
            CommentRow,
            listed=Listed(tickets.LISTED_COMMENTS, lambda *_, **__: (), _window_of_comments),
        ),
    },
)
OF_CUSTOMER = Edge(
    "page",
    _of_customers,
    "Ticket",
    TicketRow,
    listed=Listed(tickets.LISTED_OF_CUSTOMER, _values, _window_of_customer),
)
OF_CALLER = Edge(
    "page", _tickets_of_caller, "Ticket", TicketRow, listed=Listed(tickets.LISTED, _values, _window_of_caller)
)
SHAPES = {"Ticket": _TICKET, "TicketComment": _COMMENT}
