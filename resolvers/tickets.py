"""Root fields about support tickets, and above them what may be done with a ticket, by whom."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry

from auth.caller import Caller, CallerKind
from auth.scopes import Scope
from billing import events
from billing.customers import tier_on
from billing.events import Event, EventType
from db import customers
from db import tickets as stored
from db.audit import AuditAction
from db.enums import Tier
from db.errors import Forbidden, IllegalState, Invalid, NotFound
from db.session import Session
from db.tickets import TicketPriority, TicketRow, TicketStatus
from resolvers.access import Writes
from schema.access import Reads
from schema.context import Info
from schema.ids import typeid, uuid_of
from schema.pagination import FIRST_BY_DEFAULT, After, First, window
from schema.tickets import (
    CommentOnTicketInput,
    OpenTicketInput,
    Ticket,
    TicketConnection,
    TicketFilter,
    TicketPayload,
    UpdateTicketInput,
)

# Set by ourselves: the contract promises a time under each tier, and names none. `Ticket.firstResponseDueAt` says them.
FIRST_RESPONSE: Final[Mapping[Tier, timedelta]] = MappingProxyType(
    {
        Tier.STANDARD: timedelta(hours=24),
        Tier.FINTECH: timedelta(hours=8),
        Tier.HEALTHCARE: timedelta(hours=4),
        Tier.GOV_FEDERAL: timedelta(hours=1),
    }
)
LONGEST_SUBJECT: Final = 200
LONGEST_BODY: Final = 20_000
LONGEST_ASSIGNEE: Final = 200

_TENANTS_MAY_SET: Final = (TicketStatus.OPEN, TicketStatus.RESOLVED, TicketStatus.CLOSED)
_OPENS_AGAIN: Final = (TicketStatus.WAITING_ON_CUSTOMER, TicketStatus.RESOLVED)


async def open_for(
    session: Session,
    caller: Caller,
    *,
    customer_id: UUID | None,
    subject: str,
    body: str,
    priority: TicketPriority,
    now: datetime,
) -> TicketRow:
    """A new ticket, whose first comment is `body`.

    Raises Invalid, also where an operator names no customer, and NotFound for one that is not the caller's.
    """
    about = _line(subject, LONGEST_SUBJECT, "subject")
    text = _body(body)
    whose = customer_id or caller.customer_id
    if whose is None:
        raise Invalid("Name the customer that the ticket is for.", field=("input", "customerId"))
    found = await customers.by_ids(session, [whose])
    if not found:
        raise NotFound("customer", whose, field=("input", "customerId"))
    ticket = await stored.insert(
        session,
        customer_id=whose,
        subject=about,
        priority=priority,
        created_by=caller.name,
        first_response_due_at=now + FIRST_RESPONSE[tier_on(found[0], now.date())],
        at=now,
    )
    await stored.comment(
        session, ticket, author=caller.name, author_kind=caller.kind.value, body=text, internal=False, at=now
    )
    await _announce(session, ticket, EventType.TICKET_OPENED, at=now)
    return ticket


async def comment(session: Session, caller: Caller, id: UUID, *, body: str, internal: bool, now: datetime) -> TicketRow:
    """A tenant's comment opens a waiting or resolved ticket again; an operator's first one is the first response.

    An internal one leaves no trace on the ticket, since tenants see that. Raises Invalid, NotFound, IllegalState for a
    closed ticket, Forbidden for a tenant's internal comment.
    """
    if internal and caller.kind is CallerKind.TENANT:
        raise Forbidden(
            Scope.OPERATOR, "Internal comments are for operators alone, whose keys have the scope `operator`."
        )
    text = _body(body)
    ticket = await stored.lock(session, id)
    _refuse_closed(ticket, "comment on")
    await stored.comment(
        session, ticket, author=caller.name, author_kind=caller.kind.value, body=text, internal=internal, at=now
    )
    if internal:
        return ticket
    if caller.kind is CallerKind.OPERATOR:
        commented = await stored.answer(session, ticket, at=now)
    else:
        status = TicketStatus.OPEN if ticket.status in _OPENS_AGAIN else TicketStatus(ticket.status)
        priority = TicketPriority(ticket.priority)
        commented = await stored.change(session, ticket, status=status, priority=priority, at=now)
    await _announce(session, commented, EventType.TICKET_COMMENTED, at=now, author=caller.name)
    if commented.status != ticket.status:
        await _announce(session, commented, EventType.TICKET_UPDATED, at=now)
    return commented


async def update(session: Session, caller: Caller, id: UUID, changes: Mapping[str, Any], *, now: datetime) -> TicketRow:
    """`changes` has those of `status`, `priority` and `assigned_to` that are given. What is so already stays so.

    Raises Invalid, NotFound, IllegalState for a closed ticket, Forbidden where a tenant assigns it.
    """
    tenant = caller.kind is CallerKind.TENANT
    if tenant and "assigned_to" in changes:
        raise Forbidden(
            Scope.OPERATOR, "Tickets are assigned by operators alone, whose keys have the scope `operator`."
        )
    for name in ("status", "priority"):
        if name in changes and changes[name] is None:
            raise Invalid("This cannot be null: leave it out to keep it as it is.", field=("input", name))
    if tenant and changes.get("status", TicketStatus.OPEN) not in _TENANTS_MAY_SET:
        raise Invalid("You can set a ticket to OPEN, RESOLVED or CLOSED.", field=("input", "status"))
    assignee = changes.get("assigned_to")
    if assignee is not None:
        assignee = _line(assignee, LONGEST_ASSIGNEE, "assignedTo")

    ticket = before = await stored.lock(session, id)
    _refuse_closed(ticket, "change")
    if "assigned_to" in changes and assignee != ticket.assigned_to:
        ticket = await stored.assign(session, ticket, assignee, at=now)
    status, priority = changes.get("status", ticket.status), changes.get("priority", ticket.priority)
    if (status, priority) != (ticket.status, ticket.priority):
        ticket = await stored.change(
            session, ticket, status=TicketStatus(status), priority=TicketPriority(priority), at=now
        )
    if ticket != before:
        await _announce(session, ticket, EventType.TICKET_UPDATED, at=now)
    return ticket


async def _announce(session: Session, ticket: TicketRow, type: EventType, *, at: datetime, **more: str) -> None:
    said = {
        "id": typeid("tkt", ticket.id),
        "subject": ticket.subject,
        "status": TicketStatus(ticket.status).name,
        "priority": TicketPriority(ticket.priority).name,
        "assignedTo": ticket.assigned_to,
    }
    await events.announce(session, [Event(ticket.customer_id, type, said | more)], at=at)


def _refuse_closed(ticket: TicketRow, action: str) -> None:
    if ticket.status == TicketStatus.CLOSED:
        raise IllegalState(ticket, action, "This ticket is closed for good: open a new one.")


def _line(value: str, longest: int, name: str) -> str:
    text = value.strip()
    if not 1 <= len(text) <= longest:
        raise Invalid(f"A text of 1 to {longest} characters is expected.", field=("input", name))
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise Invalid("A text in one line is expected, without control characters.", field=("input", name))
    return text


def _body(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_BODY:
        raise Invalid(f"A text of 1 to {LONGEST_BODY} characters is expected.", field=("input", "body"))
    return text


@strawberry.type
class TicketQueries:
    @strawberry.field(description="A tenant's own; for an operator everyone's.", extensions=[Reads(Scope.TICKETS_READ)])
    async def tickets(
        self,
        info: Info,
        first: First = FIRST_BY_DEFAULT,
        after: After = None,
        filter: TicketFilter | None = None,
    ) -> TicketConnection:
        part = window("tickets", first=first, after=after, filter=filter)
        wanted = filter or TicketFilter()
        page = await stored.page(
            info.context.session,
            first=part.first,
            after=part.after,
            customer_id=wanted.customer(),
            **wanted.narrowed(),
        )
        return TicketConnection.of(page, part, Ticket.of)

    @strawberry.field(
        description="Null when it does not exist or is not the caller's.", extensions=[Reads(Scope.TICKETS_READ)]
    )
    async def ticket(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The ticket's ID.")]
    ) -> Ticket | None:
        row = await info.context.loaders.one(stored.by_ids, uuid_of("tkt", id, ("id",)))
        return None if row is None else Ticket.of(row)


@strawberry.type
class TicketMutations:
    @strawberry.mutation(
        description="Ask for help. The body becomes the ticket's first comment.",
        extensions=[Writes(Scope.TICKETS_WRITE, event="ticket.opened", action=AuditAction.CREATE)],
    )
    async def open_ticket(self, info: Info, input: OpenTicketInput) -> TicketPayload:
        context = info.context
        named = input.customer_id
        row = await open_for(
            context.session,
            context.caller,
            customer_id=uuid_of("cus", named, ("input", "customerId"))
            if named not in (None, strawberry.UNSET)
            else None,
            subject=input.subject,
            body=input.body,
            priority=input.priority,
            now=context.now,
        )
        return TicketPayload(ticket=Ticket.of(row))

    @strawberry.mutation(
        description="A tenant's comment opens a waiting or resolved ticket again; an operator's first one that is not"
        " internal sets `firstRespondedAt`. A closed ticket takes none (ILLEGAL_STATE).",
        extensions=[Writes(Scope.TICKETS_WRITE, event="ticket.commented", action=AuditAction.UPDATE)],
    )
    async def comment_on_ticket(self, info: Info, input: CommentOnTicketInput) -> TicketPayload:
        context = info.context
        row = await comment(
            context.session,
            context.caller,
            uuid_of("tkt", input.id, ("input", "id")),
            body=input.body,
            internal=input.internal,
            now=context.now,
        )
        return TicketPayload(ticket=Ticket.of(row))

    @strawberry.mutation(
        description="Change what is given, and nothing else. A closed ticket stays as it is (ILLEGAL_STATE).",
        extensions=[Writes(Scope.TICKETS_WRITE, event="ticket.updated", action=AuditAction.UPDATE)],
    )
    async def update_ticket(self, info: Info, input: UpdateTicketInput) -> TicketPayload:
        context = info.context
        row = await update(
            context.session,
            context.caller,
            uuid_of("tkt", input.id, ("input", "id")),
            input.changes(),
            now=context.now,
        )
        return TicketPayload(ticket=Ticket.of(row))
