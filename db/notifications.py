"""Messages to customers, and how far each got."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from uuid import UUID

from db.page import COUNT_LIMIT, Edge
from db.session import Session, columns


class NotificationChannel(StrEnum):
    EMAIL = "email"
    SMS = "sms"
    WEBHOOK = "webhook"


class NotificationStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NotificationRow:
    id: UUID
    customer_id: UUID
    title: str
    message: str
    channel: str
    delivery_address: str
    status: str
    attempts: int
    sent_at: datetime | None
    failed_reason: str | None
    created_at: datetime

    @property
    def key(self) -> tuple[UUID, UUID]:
        return self.customer_id, self.id


_NOTIFICATION = columns(NotificationRow, prefix="n.")


def _pair(parent: UUID, number: int) -> tuple[UUID, int]:
    return parent, number


async def pages_by_customers(
    session: Session, customer_ids: Sequence[UUID], *, first: int, after: UUID | None
) -> list[NotificationRow]:
    return await session.all(
        NotificationRow,
        f"""
        select {_NOTIFICATION}
          from unnest($3::uuid[]) as parent (id)
         cross join lateral (
                   select * from notifications n
                    where n.customer_id = parent.id
                      and n.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                    order by n.id desc
                    limit $1::int
               ) as n
         order by n.id desc
        """,
        first + 1,
        after,
        customer_ids,
    )


async def counts_by_customers(session: Session, customer_ids: Sequence[UUID]) -> list[tuple[UUID, int]]:
    return await session.all(
        _pair,
        """
        select parent.id, (
                   select count(*)
                     from (select from notifications n where n.customer_id = parent.id limit $1::int) as counted
               )
          from unnest($2::uuid[]) as parent (id)
        """,
        COUNT_LIMIT,
        customer_ids,
    )


OF_CUSTOMER = Edge(ask=pages_by_customers, count=counts_by_customers, parent=attrgetter("customer_id"))


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[NotificationRow]:
    return await session.all(NotificationRow, f"select {_NOTIFICATION} from notifications n where n.id = any($1)", ids)


# ---------------------------------------------------------------- on its way


async def add(
    session: Session,
    customer_id: UUID,
    *,
    title: str,
    message: str,
    channel: NotificationChannel,
    address: str,
    at: datetime,
) -> NotificationRow:
    """Shown to the customer from now on; what sends it is a message of the outbox. Not as a tenant."""
    return await session.one(
        NotificationRow,
        f"""
        insert into notifications as n (customer_id, title, message, channel, delivery_address, created_at)
        values ($1, $2, $3, $4, $5, $6)
        returning {_NOTIFICATION}
        """,
        customer_id,
        title,
        message,
        channel,
        address,
        at,
        what="notification",
    )


async def tell(
    session: Session,
    notification: tuple[UUID, UUID],
    status: NotificationStatus,
    *,
    attempts: int,
    sent_at: datetime | None = None,
    failed_reason: str | None = None,
) -> None:
    """How far this one, named by (customer, notification), has got after so many tries. As a worker."""
    await session.execute(
        """
        update notifications
           set status = $3, attempts = $4, sent_at = $5, failed_reason = $6
         where customer_id = $1 and id = $2
        """,
        *notification,
        status,
        attempts,
        sent_at,
        failed_reason,
    )
