"""Support tickets and what is said on them, as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar
from uuid import UUID

import strawberry

from auth.scopes import Scope
from db import customers, tickets
from db.page import Page
from db.tickets import CommentRow, TicketPriority, TicketRow, TicketStatus
from schema.access import Reads
from schema.context import Info
from schema.enums import ActorKind, reader, shown
from schema.errors import UserError
from schema.ids import typeid, uuid_of
from schema.node import Node
from schema.pagination import FIRST_BY_DEFAULT, After, Connection, First, window

if TYPE_CHECKING:
    from schema.customers import Customer

Given = TypeVar("Given")

shown(
    TicketStatus,
    "Where a ticket stands.",
    OPEN="Waits for an operator.",
    IN_PROGRESS="An operator is at it.",
    WAITING_ON_CUSTOMER="Waits for an answer: the customer's next comment opens it again.",
    RESOLVED="A tenant's comment on a waiting or resolved ticket opens it again.",
    CLOSED="For good: neither comments nor changes.",
)
shown(TicketPriority, "How pressing a ticket is, as whoever opened or changed it says.")

_status, _priority, _kind = reader(TicketStatus), reader(TicketPriority), reader(ActorKind)


@strawberry.type(description="One thing said on a ticket. It stays as it was written.")
class TicketComment(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `tkc_`.")
    author: str = strawberry.field(
        description="The name of the API key, its own or a session's, that it was written with."
    )
    author_kind: ActorKind = strawberry.field(
        description="Whether the customer wrote it, or the company: a key's name is whatever its maker chose."
    )
    body: str = strawberry.field(description="The text, as it was sent.")
    internal: bool = strawberry.field(description="Seen, and counted, by operators alone.")
    created_at: datetime = strawberry.field(description="When it was written.")

    @classmethod
    def of(cls, row: CommentRow) -> Self:
        return cls(
            id=typeid("tkc", row.id),
            author=row.author,
            author_kind=_kind(row.author_kind),
            body=row.body,
            internal=row.internal,
            created_at=row.created_at,
        )


@strawberry.type(description="What was said on a ticket, newest first.")
class TicketCommentConnection(Connection[TicketComment]):
    pass


@strawberry.type(description="A question or a fault that a customer wants looked into, and all that is said about it.")
class Ticket(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `tkt_`.")
    subject: str = strawberry.field(description="What it is about, in one line.")
    status: TicketStatus = strawberry.field(description="Where it stands.")
    priority: TicketPriority = strawberry.field(description="How pressing it is.")
    created_by: str = strawberry.field(
        description="The name of the API key, its own or a session's, that it was opened with."
    )
    assigned_to: str | None = strawberry.field(description="Who looks into it; null while nobody does.")
    first_response_due_at: datetime | None = strawberry.field(
        description="When the first answer is due under the customer's tier, from the opening on: after 24 hours for"
        " STANDARD, 8 for FINTECH, 4 for HEALTHCARE, 1 for GOV_FEDERAL. It stays when the tier changes."
    )
    first_responded_at: datetime | None = strawberry.field(
        description="When an operator first wrote a comment that the customer can read; null until then."
    )
    created_at: datetime = strawberry.field(description="When it was opened.")
    updated_at: datetime = strawberry.field(
        description="When it last changed, or something was said on it that the customer can read."
    )
    customer_id: strawberry.Private[UUID]
    ticket_id: strawberry.Private[UUID]

    @strawberry.field(description="Whose ticket it is.", extensions=[Reads(Scope.CUSTOMERS_READ)])
    async def customer(self, info: Info) -> Annotated[Customer, strawberry.lazy("schema.customers")]:
        from schema.customers import Customer

        row = await info.context.loaders.one(customers.by_ids, self.customer_id)
        assert row is not None  # a foreign key, and whoever sees a ticket sees its customer
        return Customer.of(row, today=info.context.now.date())

    @strawberry.field(
        description="Newest first; the oldest is what the ticket was opened with.",
        extensions=[Reads(Scope.TICKETS_READ)],
    )
    async def comments(
        self, info: Info, first: First = FIRST_BY_DEFAULT, after: After = None
    ) -> TicketCommentConnection:
        here = window("comments of a ticket", first=first, after=after, filter=self.ticket_id)
        page = await info.context.loaders.page(tickets.COMMENTS, self.ticket_id, first=here.first, after=here.after)
        return TicketCommentConnection.of(page, here, TicketComment.of)

    @classmethod
    def of(cls, row: TicketRow) -> Self:
        return cls(
            id=typeid("tkt", row.id),
            subject=row.subject,
            status=_status(row.status),
            priority=_priority(row.priority),
            created_by=row.created_by,
            assigned_to=row.assigned_to,
            first_response_due_at=row.first_response_due_at,
            first_responded_at=row.first_responded_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
            customer_id=row.customer_id,
            ticket_id=row.id,
        )


@strawberry.type(description="Tickets, newest first.")
class TicketConnection(Connection[Ticket]):
    pass


@strawberry.input(description="Which tickets: those that fit all that is given.")
class TicketFilter:
    customer_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Of this customer.")
    status: list[TicketStatus] | None = strawberry.field(
        default=strawberry.UNSET, description="In any of these states."
    )
    priority: list[TicketPriority] | None = strawberry.field(
        default=strawberry.UNSET, description="Of any of these priorities."
    )
    assigned_to: str | None = strawberry.field(
        default=strawberry.UNSET, description="Who looks into it, word for word."
    )

    def customer(self) -> UUID | None:
        """Raises Invalid."""
        named = _given(self.customer_id)
        return None if named is None else uuid_of("cus", named, ("filter", "customerId"))

    def narrowed(self) -> dict[str, Any]:
        """The rest, as `db.tickets` takes it."""
        statuses, priorities = _given(self.status), _given(self.priority)
        return {
            "statuses": None if statuses is None else tuple(statuses),
            "priorities": None if priorities is None else tuple(priorities),
            "assigned_to": _given(self.assigned_to),
        }


@strawberry.input(description="A new ticket.")
class OpenTicketInput:
    customer_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Operators name the customer. Tenants: their own, or left out."
    )
    subject: str = strawberry.field(description="What it is about, in one line of 1 to 200 characters.")
    body: str = strawberry.field(description="Becomes the first comment. 1 to 20000 characters.")
    priority: TicketPriority = strawberry.field(default=TicketPriority.NORMAL, description="How pressing it is.")
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Sent again with the same key, the ticket is opened once and answered twice.",
    )


@strawberry.input(description="What to say on a ticket.")
class CommentOnTicketInput:
    id: strawberry.ID = strawberry.field(description="Which ticket.")
    body: str = strawberry.field(description="1 to 20000 characters.")
    internal: bool = strawberry.field(
        default=False, description="Operators only: a comment that the customer neither sees nor counts."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Sent again with the same key, it is said once and answered twice.",
    )


@strawberry.input(
    description="What is left out stays as it is. Null for `assignedTo` takes the ticket from whoever had it; elsewhere"
    " null is INVALID."
)
class UpdateTicketInput:
    id: strawberry.ID = strawberry.field(description="Which ticket.")
    status: TicketStatus | None = strawberry.field(
        default=strawberry.UNSET, description="Tenants: OPEN, RESOLVED or CLOSED. Closing is for good."
    )
    priority: TicketPriority | None = strawberry.field(default=strawberry.UNSET, description="How pressing it is.")
    assigned_to: str | None = strawberry.field(
        default=strawberry.UNSET, description="Operators only: who looks into it, in 1 to 200 characters."
    )

    def changes(self) -> dict[str, Any]:
        """What is given, by its name here."""
        given = {"status": self.status, "priority": self.priority, "assigned_to": self.assigned_to}
        return {name: value for name, value in given.items() if value is not strawberry.UNSET}


@strawberry.type(description="What a change of a ticket answers.")
class TicketPayload:
    ticket: Ticket | None = strawberry.field(
        description="As it stands now; null where nothing was changed for a refusal."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")


async def of_customer(
    info: Info,
    customer_id: UUID,
    first: int | None = FIRST_BY_DEFAULT,
    after: str | None = None,
    filter: TicketFilter | None = None,
) -> TicketConnection:
    """One question for all customers of which the same is asked. Raises Invalid."""
    here = window("tickets of a customer", first=first, after=after, filter=(customer_id, filter))
    narrower = filter or TicketFilter()
    if narrower.customer() not in (None, customer_id):
        return TicketConnection.of(
            Page([], has_next=False, after_given=after is not None, count=_none), here, Ticket.of
        )
    page = await info.context.loaders.page(
        tickets.OF_CUSTOMER, customer_id, first=here.first, after=here.after, **narrower.narrowed()
    )
    return TicketConnection.of(page, here, Ticket.of)


async def _none() -> int:
    return 0


def _given(value: Given | None) -> Given | None:
    """None for what is left out, too."""
    return None if value is strawberry.UNSET else value
