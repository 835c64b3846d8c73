"""What has to leave the house after a commit: taken up under a lease, tried, and settled, each in its own transaction.

A message is a worker's from `claim` until its lease ends; whoever holds no lease any more settles nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import orjson

from db.session import Session, columns


@dataclass(frozen=True, slots=True)
class MessageRow:
    """`key` is the same at every try, and unique with its customer; `payload` is JSON text."""

    customer_id: UUID
    id: UUID
    key: str
    payload: str = field(metadata={"sql": "message.payload::text"})
    attempts: int
    claimed_until: datetime
    notification_id: UUID | None
    created_at: datetime


_MESSAGE = columns(MessageRow, prefix="message.")


async def add(
    session: Session,
    customer_id: UUID,
    *,
    kind: str,
    key: str,
    payload: Mapping[str, object],
    notification_id: UUID,
    endpoint_id: UUID | None,
    at: datetime,
) -> None:
    """What the customer sees already as this notification. As an operator."""
    await session.execute(
        """
        insert into outbox (customer_id, kind, key, payload, due_at, notification_id, endpoint_id)
        values ($1, $2, $3, $4::text::jsonb, $5, $6, $7)
        """,
        customer_id,
        kind,
        key,
        orjson.dumps(payload).decode(),
        at,
        notification_id,
        endpoint_id,
    )


async def claim(session: Session, *, now: datetime, until: datetime) -> MessageRow | None:
    """The e-mail that has waited longest, if one is due that nobody has in hand; it counts as tried once more."""
    return await session.first(
        MessageRow,
        f"""
        with due as (
            select customer_id, id
              from outbox
             where kind = 'email' and sent_at is null and failed_reason is null and due_at <= $1
               and (claimed_until is null or claimed_until <= $1)
             order by due_at, id
             limit 1
               for update skip locked
        )
        update outbox message
           set claimed_until = $2, attempts = message.attempts + 1
          from due
         where message.customer_id = due.customer_id and message.id = due.id
        returning {_MESSAGE}
        """,
        now,
        until,
    )


async def oldest_due(session: Session, *, now: datetime) -> datetime | None:
    """Since when the e-mail is due that has waited longest; None where none is."""
    since: datetime | None = await session.value(
        "select min(due_at) from outbox where kind = 'email' and sent_at is null and failed_reason is null and due_at <= $1",
        now,
    )
    return since


async def hold(session: Session, message: MessageRow) -> bool:
    """Whether the lease is still ours; if so, this transaction sees the message's customer and no other."""
    held = await session.execute(
        """
        update outbox
           set claimed_in = pg_current_xact_id()
         where customer_id = $1 and id = $2 and claimed_until = $3 and sent_at is null and failed_reason is null
        """,
        message.customer_id,
        message.id,
        message.claimed_until,
    )
    return held == 1


async def show_as(session: Session, message: MessageRow, notification_id: UUID) -> None:
    """This is what the customer sees of the message."""
    await session.execute(
        "update outbox set notification_id = $3 where customer_id = $1 and id = $2",
        message.customer_id,
        message.id,
        notification_id,
    )


async def shown_as(session: Session, message: MessageRow) -> UUID | None:
    """The notification that the customer sees of the message, once there is one."""
    found: UUID | None = await session.value(
        "select notification_id from outbox where customer_id = $1 and id = $2", message.customer_id, message.id
    )
    return found


# ---------------------------------------------------------------- settling, under `hold`


async def sent(session: Session, message: MessageRow, *, at: datetime) -> None:
    await session.execute(
        "update outbox set sent_at = $3, claimed_until = null where customer_id = $1 and id = $2",
        message.customer_id,
        message.id,
        at,
    )


async def put_off(session: Session, message: MessageRow, *, until: datetime) -> None:
    """Not before `until`, and then by anybody."""
    await session.execute(
        "update outbox set due_at = $3, claimed_until = null where customer_id = $1 and id = $2",
        message.customer_id,
        message.id,
        until,
    )


async def park(session: Session, message: MessageRow, *, reason: str) -> None:
    """Never tried again."""
    await session.execute(
        "update outbox set failed_reason = $3, claimed_until = null where customer_id = $1 and id = $2",
        message.customer_id,
        message.id,
        reason,
    )


# ---------------------------------------------------------------- reminders


async def queue_reminders(session: Session, *, day: int, due_from: date, due_to: date, at: datetime, most: int) -> int:
    """Queue the reminder of this day after the due date for open invoices due in these days, each once; how many."""
    queued: int = await session.value("select app.queue_reminders($1, $2, $3, $4, $5)", day, due_from, due_to, at, most)
    return queued


async def queue_key_notices(
    session: Session, *, days: int, ends_from: datetime, ends_to: datetime, at: datetime, most: int
) -> int:
    """Queue the notice of so many days before the end for keys that end in [ends_from, ends_to), each once; how many."""
    queued: int = await session.value(
        "select app.queue_key_notices($1, $2, $3, $4, $5)", days, ends_from, ends_to, at, most
    )
    return queued
