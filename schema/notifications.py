"""Notifications as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Self
from uuid import UUID

import strawberry

from auth.scopes import Scope
from db import customers, notifications
from db.notifications import NotificationChannel, NotificationRow, NotificationStatus
from schema.access import Reads
from schema.context import Info
from schema.enums import shown
from schema.errors import UserError
from schema.ids import typeid
from schema.node import Node
from schema.pagination import FIRST_BY_DEFAULT, Connection, window

if TYPE_CHECKING:
    from schema.customers import Customer

shown(NotificationChannel, "How a notification reaches the customer.")
shown(
    NotificationStatus,
    "How far a notification got.",
    PENDING="On its way, or to be tried again.",
    SENT="The receiving side took it.",
    FAILED="Given up; `failedReason` says why.",
)


@strawberry.type(description="A message to a customer, and how far it got.")
class Notification(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `ntf_`.")
    title: str = strawberry.field(description="The subject.")
    message: str = strawberry.field(description="The whole text.")
    channel: NotificationChannel = strawberry.field(description="How it is sent.")
    delivery_address: str = strawberry.field(description="Where it is sent: an e-mail address, a number or a URL.")
    status: NotificationStatus = strawberry.field(description="How far it got.")
    attempts: int = strawberry.field(description="How often it was tried so far.")
    sent_at: datetime | None = strawberry.field(description="When the receiving side took it; null until then.")
    failed_reason: str | None = strawberry.field(description="Why the last try failed; null where none did.")
    created_at: datetime = strawberry.field(description="When it was written.")
    customer_id: strawberry.Private[UUID]

    @strawberry.field(description="Whom it is for.", extensions=[Reads(Scope.CUSTOMERS_READ)])
    async def customer(self, info: Info) -> Annotated[Customer, strawberry.lazy("schema.customers")]:
        from schema.customers import Customer

        row = await info.context.loaders.one(customers.by_ids, self.customer_id)
        assert row is not None  # a foreign key, and whoever sees a notification sees its customer
        return Customer.of(row, today=info.context.now.date())

    @classmethod
    def of(cls, row: NotificationRow) -> Self:
        return cls(
            id=typeid("ntf", row.id),
            title=row.title,
            message=row.message,
            channel=NotificationChannel(row.channel),
            delivery_address=row.delivery_address,
            status=NotificationStatus(row.status),
            attempts=row.attempts,
            sent_at=row.sent_at,
            failed_reason=row.failed_reason,
            created_at=row.created_at,
            customer_id=row.customer_id,
        )


@strawberry.type(description="Notifications, newest first.")
class NotificationConnection(Connection[Notification]):
    pass


@strawberry.input(description="A message to a customer.")
class SendNotificationInput:
    customer_id: strawberry.ID = strawberry.field(description="Whom it is for.")
    title: str = strawberry.field(description="The subject: one line of 1 to 200 characters.")
    message: str = strawberry.field(
        description="The whole text, 1 to 20000 characters; of an SMS at most 1600, the title included."
    )
    channel: NotificationChannel = strawberry.field(description="How it is sent.")
    delivery_address: str = strawberry.field(
        description="An e-mail address; a number such as `+12125550143`; or the URL of an active webhook endpoint of the"
        " customer's, with whose secret it is signed."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET, description="Sent again with the same key, it is written once and answered twice."
    )


@strawberry.type(description="What sending a notification answers.")
class NotificationPayload:
    notification: Notification | None = strawberry.field(
        description="As it was written: it leaves after the answer. Null where it was refused."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")


async def of_customer(
    info: Info, customer_id: UUID, first: int | None = FIRST_BY_DEFAULT, after: str | None = None
) -> NotificationConnection:
    """One question for all customers of which the same is asked. Raises Invalid."""
    here = window("notifications of a customer", first=first, after=after, filter=customer_id)
    page = await info.context.loaders.page(notifications.OF_CUSTOMER, customer_id, first=here.first, after=here.after)
    return NotificationConnection.of(page, here, Notification.of)
