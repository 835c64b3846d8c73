"""What has to leave the house after a commit: taken up under a lease, tried, and settled, each in its own transaction.

A message is a worker's from `claim` until its lease ends; whoever holds no lease any more settles nothing. E-mails are
claimed one by one, for whoever asks SES; webhooks and texts many at a time, since others send them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
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


class EventRow(NamedTuple):
    """What is announced; `id` is its own, and `payload` JSON text."""

    customer_id: UUID
    id: UUID
    type: str
    payload: str


@dataclass(frozen=True, slots=True)
class ParcelRow:
    """A webhook or a text; `payload` is JSON text. `failing_since` is when it was tried first, where it failed."""

    customer_id: UUID
    id: UUID
    payload: str = field(metadata={"sql": "message.payload::text"})
    attempts: int
    endpoint_id: UUID | None
    notification_id: UUID | None
    failing_since: datetime | None


_MESSAGE = columns(MessageRow, prefix="message.")
_PARCEL = columns(ParcelRow, prefix="message.")


async def add(
    session: Session,
    customer_id: UUID,
    *,
    kind: str,
    key: str,
    payload: Mapping[str, object],
    at: datetime,
    notification_id: UUID | None = None,
    endpoint_id: UUID | None = None,
) -> None:
    """`notification_id` is what the customer sees of it already. Not as a tenant, who writes events alone."""
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


async def announce(session: Session, events: Sequence[EventRow], *, at: datetime) -> None:
    """Let each event, at least one, leave after the commit for every endpoint of its customer that wants to hear of it."""
    await session.execute(
        """
        insert into outbox (customer_id, kind, key, payload, due_at, endpoint_id)
        select event.customer_id, 'webhook', 'event/' || event.id || '/' || w.id, event.payload::jsonb, $5, w.id
          from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) with ordinality
               as event (customer_id, id, type, payload, place)
          join webhook_endpoints w
            on w.customer_id = event.customer_id and w.is_active and w.deleted_at is null
           and (w.event_types = '{}' or event.type = any(w.event_types))
         order by event.place
        """,
        *zip(*events, strict=True),
        at,
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
    """Since when the message is due that has waited longest and that nobody has in hand; None where there is none.

    A letter or a text that was put off counts from when it was due at first: it is SES that does not take it, or SNS, or we
    who cannot write it. A webhook that was put off waits for its customer's server, which is that customer's affair.
    """
    since: datetime | None = await session.value(
        """
        select least(
            (select min(due_at)
               from outbox
              where kind in ('email', 'sms', 'webhook') and sent_at is null and failed_reason is null and due_at <= $1
                and (claimed_until is null or claimed_until <= $1)),
            (select min(failing_since)
               from outbox
              where kind in ('email', 'sms') and sent_at is null and failed_reason is null
                and (claimed_until is null or claimed_until <= $1)))
        """,
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


async def claim_parcels(session: Session, *, now: datetime, until: datetime, most: int) -> list[ParcelRow]:
    """The webhooks and texts that have waited longest, of those that are due and that nobody has in hand; each counts as
    tried once more. This transaction sees their customers."""
    return await session.all(
        ParcelRow,
        f"""
        with due as (
            select customer_id, id
              from outbox
             where kind in ('webhook', 'sms') and sent_at is null and failed_reason is null and due_at <= $1
               and (claimed_until is null or claimed_until <= $1)
             order by due_at, id
             limit $3
               for update skip locked
        )
        update outbox message
           set claimed_until = $2, attempts = message.attempts + 1, claimed_in = pg_current_xact_id()
          from due
         where message.customer_id = due.customer_id and message.id = due.id
        returning {_PARCEL}
        """,
        now,
        until,
        most,
    )


async def hold_parcel(session: Session, customer_id: UUID, id: UUID, until: datetime) -> ParcelRow | None:
    """The message, if the lease that ends then is still in force; then this transaction sees its customer and no other."""
    return await session.first(
        ParcelRow,
        f"""
        update outbox message
           set claimed_in = pg_current_xact_id()
         where customer_id = $1 and id = $2 and claimed_until = $3 and sent_at is null and failed_reason is null
        returning {_PARCEL}
        """,
        customer_id,
        id,
        until,
    )


async def hold_sent(session: Session, notification: tuple[UUID, UUID]) -> int | None:
    """How often the message behind this notification was tried until it left; None where it has not.

    As `hold`: this transaction sees its customer and no other.
    """
    attempts: int | None = await session.value(
        """
        update outbox
           set claimed_in = pg_current_xact_id()
         where customer_id = $1 and notification_id = $2 and sent_at is not null
        returning attempts
        """,
        *notification,
    )
    return attempts


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


# ---------------------------------------------------------------- settling, under a lease


async def sent(session: Session, message: MessageRow | ParcelRow, *, at: datetime) -> None:
    await session.execute(
        "update outbox set sent_at = $3, claimed_until = null where customer_id = $1 and id = $2",
        message.customer_id,
        message.id,
        at,
    )


async def put_off(session: Session, message: MessageRow, *, until: datetime) -> None:
    """Not before `until`, and then by anybody."""
    await session.execute(
        """
        update outbox
           set due_at = $3, claimed_until = null, failing_since = coalesce(failing_since, due_at)
         where customer_id = $1 and id = $2
        """,
        message.customer_id,
        message.id,
        until,
    )


async def park(session: Session, message: MessageRow | ParcelRow, *, reason: str) -> None:
    """Never tried again."""
    await session.execute(
        "update outbox set failed_reason = $3, claimed_until = null where customer_id = $1 and id = $2",
        message.customer_id,
        message.id,
        reason,
    )


# ---------------------------------------------------------------- settling webhooks and texts


async def fail(session: Session, message: ParcelRow, *, since: datetime, reason: str, until: datetime) -> None:
    """As `put_off`, and why."""
    await session.execute(
        """
        update outbox
           set due_at = $3, claimed_until = null, failing_since = $4, last_failure = $5
         where customer_id = $1 and id = $2
        """,
        message.customer_id,
        message.id,
        until,
        since,
        reason,
    )


async def leave(session: Session, message: ParcelRow, *, until: datetime) -> None:
    """As `put_off`, and it does not count as tried."""
    await session.execute(
        """
        update outbox
           set due_at = $3, claimed_until = null, attempts = attempts - 1
         where customer_id = $1 and id = $2
        """,
        message.customer_id,
        message.id,
        until,
    )


# what waits for one endpoint, and nobody has in hand
_WAITING = (
    "customer_id = $1 and endpoint_id = $2 and sent_at is null and failed_reason is null and claimed_until is null"
)


async def rest(session: Session, customer_id: UUID, endpoint_id: UUID, *, until: datetime) -> None:
    """What waits for this endpoint waits until then."""
    await session.execute(
        f"update outbox set due_at = $3 where {_WAITING} and due_at < $3", customer_id, endpoint_id, until
    )


async def wake(session: Session, customer_id: UUID, endpoint_id: UUID, *, at: datetime) -> None:
    """What waits for this endpoint waits no longer."""
    await session.execute(
        f"update outbox set due_at = $3 where {_WAITING} and due_at > $3", customer_id, endpoint_id, at
    )


async def unsent_to(session: Session, customer_id: UUID, endpoint_id: UUID) -> list[ParcelRow]:
    """Whoever has it in hand."""
    return await session.all(
        ParcelRow,
        f"""
        select {_PARCEL}
          from outbox message
         where customer_id = $1 and endpoint_id = $2 and sent_at is null and failed_reason is null
        """,
        customer_id,
        endpoint_id,
    )


async def last_reason(session: Session, customer_id: UUID, endpoint_id: UUID) -> str | None:
    """Why what was sent last to this endpoint was given up."""
    reason: str | None = await session.value(
        """
        select failed_reason
          from outbox
         where customer_id = $1 and endpoint_id = $2 and failed_reason is not null
         order by id desc
         limit 1
        """,
        customer_id,
        endpoint_id,
    )
    return reason


# ---------------------------------------------------------------- what is done with


async def clear(session: Session, *, before: datetime, most: int) -> int:
    """Remove what left before that instant, or was due before it and given up, the oldest first; how many."""
    removed: int = await session.value("select app.clear_outbox($1, $2)", before, most)
    return removed


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
