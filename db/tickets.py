"""Support tickets and what is said on them: rows, and every question put about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from uuid import UUID

from db import as_json
from db.as_json import Listing
from db.page import COUNT_LIMIT, Edge, Page
from db.session import Asked, Session, columns


class TicketStatus(StrEnum):
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    WAITING_ON_CUSTOMER = "waiting_on_customer"
    RESOLVED = "resolved"
    CLOSED = "closed"


class TicketPriority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True)
class TicketRow:
    id: UUID
    customer_id: UUID
    subject: str
    status: str
    priority: str
    created_by: str
    assigned_to: str | None
    first_response_due_at: datetime | None
    first_responded_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CommentRow:
    """A tenant's session has none that are internal."""

    id: UUID
    customer_id: UUID
    ticket_id: UUID
    author: str
    author_kind: str
    body: str
    internal: bool
    created_at: datetime


_TICKET = columns(TicketRow, prefix="t.")
_COMMENT = columns(CommentRow, prefix="c.")


def _pair(parent: UUID, number: int) -> tuple[UUID, int]:
    return parent, number


# ---------------------------------------------------------------- tickets

# $1 limit, $2 after, $3 statuses, $4 priorities, $5 whose it is, $6 customers
_WANTED = """
    t.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and ($3::text[] is null or t.status = any($3))
    and ($4::text[] is null or t.priority = any($4))
    and ($5::text is null or t.assigned_to = $5)
"""
_PAGE_OF_ALL = f"select {{row}} from support_tickets t where {_WANTED} order by t.id desc limit $1::int"
_PAGE_OF_CUSTOMER = f"""
    select {{row}}
      from support_tickets t
     where t.customer_id = $6::uuid and {_WANTED}
     order by t.id desc
     limit $1::int
"""
_OF_PARENT = f"""
    select * from support_tickets t where t.customer_id = parent.id and {_WANTED} order by t.id desc limit $1::int
"""
_PAGES_OF_CUSTOMERS = f"""
    select {{row}} from unnest($6::uuid[]) as parent (id) cross join lateral ({_OF_PARENT}) as t order by t.id desc
"""
_COUNT_OF_ALL = f"select count(*) from (select from support_tickets t where {_WANTED} limit $1::int) as counted"
_COUNT_OF_CUSTOMER = f"""
    select count(*)
      from (select from support_tickets t where t.customer_id = $6::uuid and {_WANTED} limit $1::int) as counted
"""
_COUNTS_OF_CUSTOMERS = f"""
    select parent.id, (
               select count(*)
                 from (
                       select from support_tickets t where t.customer_id = parent.id and {_WANTED} limit $1::int
                      ) as counted
           )
      from unnest($6::uuid[]) as parent (id)
"""


async def page(
    session: Session,
    *,
    first: int,
    after: UUID | None,
    customer_id: UUID | None = None,
    statuses: Sequence[TicketStatus] | None = None,
    priorities: Sequence[TicketPriority] | None = None,
    assigned_to: str | None = None,
    row: Asked[TicketRow] = TicketRow,
) -> Page[TicketRow]:
    """Newest first."""
    customer = [customer_id] if customer_id is not None else []
    wanted = [statuses, priorities, assigned_to, *customer]
    sql = _PAGE_OF_CUSTOMER if customer else _PAGE_OF_ALL
    rows = await session.shown(row, sql, "t.", first + 1, after, *wanted)

    async def count() -> int:
        number: int = await session.value(_COUNT_OF_CUSTOMER if customer else _COUNT_OF_ALL, COUNT_LIMIT, None, *wanted)
        return number

    return Page.cut(rows, first=first, after_given=after is not None, count=count)


async def pages_by_customers(
    session: Session,
    customer_ids: Sequence[UUID],
    *,
    first: int,
    after: UUID | None,
    statuses: Sequence[TicketStatus] | None = None,
    priorities: Sequence[TicketPriority] | None = None,
    assigned_to: str | None = None,
    row: Asked[TicketRow] = TicketRow,
) -> list[TicketRow]:
    wanted = statuses, priorities, assigned_to
    return await session.shown(row, _PAGES_OF_CUSTOMERS, "t.", first + 1, after, *wanted, customer_ids)


async def counts_by_customers(
    session: Session,
    customer_ids: Sequence[UUID],
    *,
    statuses: Sequence[TicketStatus] | None = None,
    priorities: Sequence[TicketPriority] | None = None,
    assigned_to: str | None = None,
) -> list[tuple[UUID, int]]:
    return await session.all(
        _pair, _COUNTS_OF_CUSTOMERS, COUNT_LIMIT, None, statuses, priorities, assigned_to, customer_ids
    )


OF_CUSTOMER = Edge(ask=pages_by_customers, count=counts_by_customers, parent=attrgetter("customer_id"))


LISTED_OF_CUSTOMER = Listing(
    rows=_OF_PARENT,
    places=5,
    parent=("id",),
    alias="t",
    order="t.id desc",
    fields={
        "id": as_json.id("tkt", "t.id"),
        "subject": as_json.text("t.subject"),
        "status": as_json.word("t.status"),
        "priority": as_json.word("t.priority"),
        "createdBy": as_json.text("t.created_by"),
        "assignedTo": as_json.text("t.assigned_to", null=True),
        "firstResponseDueAt": as_json.instant("t.first_response_due_at", null=True),
        "firstRespondedAt": as_json.instant("t.first_responded_at", null=True),
        "createdAt": as_json.instant("t.created_at"),
        "updatedAt": as_json.instant("t.updated_at"),
    },
)
LISTED = replace(
    LISTED_OF_CUSTOMER,
    rows=f"select * from support_tickets t where {_WANTED} order by t.id desc limit $1::int",
    parent=(),
)


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[TicketRow]:
    return await session.all(TicketRow, f"select {_TICKET} from support_tickets t where t.id = any($1)", ids)


async def lock(session: Session, id: UUID) -> TicketRow:
    """The ticket as it stands, held until the end of the transaction. Raises NotFound."""
    return await session.one(
        TicketRow, f"select {_TICKET} from support_tickets t where t.id = $1 for no key update", id, what="ticket"
    )


async def insert(
    session: Session,
    *,
    customer_id: UUID,
    subject: str,
    priority: TicketPriority,
    created_by: str,
    first_response_due_at: datetime,
    at: datetime,
) -> TicketRow:
    return await session.one(
        TicketRow,
        f"""
        insert into support_tickets as t (
            customer_id, subject, priority, created_by, first_response_due_at, created_at, updated_at
        )
        values ($1, $2, $3, $4, $5, $6, $6)
        returning {_TICKET}
        """,
        customer_id,
        subject,
        priority,
        created_by,
        first_response_due_at,
        at,
        what="ticket",
    )


async def change(
    session: Session, ticket: TicketRow, *, status: TicketStatus, priority: TicketPriority, at: datetime
) -> TicketRow:
    return await session.one(
        TicketRow,
        f"""
        update support_tickets t
           set status = $3, priority = $4, updated_at = $5
         where t.customer_id = $1 and t.id = $2
        returning {_TICKET}
        """,
        ticket.customer_id,
        ticket.id,
        status,
        priority,
        at,
        what="ticket",
    )


async def assign(session: Session, ticket: TicketRow, assigned_to: str | None, *, at: datetime) -> TicketRow:
    """A tenant's session may not."""
    return await session.one(
        TicketRow,
        f"""
        update support_tickets t
           set assigned_to = $3, updated_at = $4
         where t.customer_id = $1 and t.id = $2
        returning {_TICKET}
        """,
        ticket.customer_id,
        ticket.id,
        assigned_to,
        at,
        what="ticket",
    )


async def answer(session: Session, ticket: TicketRow, *, at: datetime) -> TicketRow:
    """The first response was given now, unless one was before. A tenant's session may not."""
    return await session.one(
        TicketRow,
        f"""
        update support_tickets t
           set first_responded_at = coalesce(t.first_responded_at, $3), updated_at = $3
         where t.customer_id = $1 and t.id = $2
        returning {_TICKET}
        """,
        ticket.customer_id,
        ticket.id,
        at,
        what="ticket",
    )


# ---------------------------------------------------------------- comments

# $1 limit, $2 after, $3 tickets. A ticket's own customer leads to the index of its comments.
_OF_TICKET = """
    select * from ticket_comments c
     where c.customer_id = parent.customer_id and c.ticket_id = parent.id
       and c.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
     order by c.id desc
     limit $1::int
"""
_PAGES_OF_TICKETS = f"""
    select {{row}}
      from support_tickets parent cross join lateral ({_OF_TICKET}) as c
     where parent.id = any($3::uuid[])
     order by c.id desc
"""
_COUNTS_OF_TICKETS = """
    select t.id, (
               select count(*)
                 from (
                       select from ticket_comments c
                        where c.customer_id = t.customer_id and c.ticket_id = t.id
                        limit $1::int
                      ) as counted
           )
      from support_tickets t
     where t.id = any($2::uuid[])
"""


async def comments_by_tickets(
    session: Session,
    ticket_ids: Sequence[UUID],
    *,
    first: int,
    after: UUID | None,
    row: Asked[CommentRow] = CommentRow,
) -> list[CommentRow]:
    return await session.shown(row, _PAGES_OF_TICKETS, "c.", first + 1, after, ticket_ids)


async def comment_counts_by_tickets(session: Session, ticket_ids: Sequence[UUID]) -> list[tuple[UUID, int]]:
    return await session.all(_pair, _COUNTS_OF_TICKETS, COUNT_LIMIT, ticket_ids)


COMMENTS = Edge(ask=comments_by_tickets, count=comment_counts_by_tickets, parent=attrgetter("ticket_id"))


LISTED_COMMENTS = Listing(
    rows=_OF_TICKET,
    places=2,
    parent=("customer_id", "id"),
    alias="c",
    order="c.id desc",
    fields={
        "id": as_json.id("tkc", "c.id"),
        "author": as_json.text("c.author"),
        "authorKind": as_json.word("c.author_kind"),
        "body": as_json.text("c.body"),
        "internal": as_json.number("c.internal"),
        "createdAt": as_json.instant("c.created_at"),
    },
)


async def comments_by_ids(session: Session, ids: Sequence[UUID]) -> list[CommentRow]:
    return await session.all(CommentRow, f"select {_COMMENT} from ticket_comments c where c.id = any($1)", ids)


async def comment(
    session: Session, ticket: TicketRow, *, author: str, author_kind: str, body: str, internal: bool, at: datetime
) -> None:
    await session.execute(
        """
        insert into ticket_comments (customer_id, ticket_id, author, author_kind, body, internal, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)
        """,
        ticket.customer_id,
        ticket.id,
        author,
        author_kind,
        body,
        internal,
        at,
    )
