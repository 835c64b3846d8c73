"""Webhooks and texts out of the outbox: claimed under a lease for whoever sends them, and settled by what became of them.

    parcels = await claim(connections, clock=utc_now)
    ...                                    # sent by somebody who has no database; it takes minutes, or gets lost
    await settle(connections, receipt, clock=utc_now, jitter=random)

What is lost, on the way out or back, is claimed again when its lease has ended, with the same id and the same body. An
endpoint that fails rests, and what waits for it rests along: one that answers slowly or never takes little time from the
others. One that has taken nothing for three days is shut, and its customer is told by mail.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import orjson

from billing.notices import text_of
from billing.parcels import SHUT, Fate, Parcel, Receipt, Text, Webhook
from db import audit, notifications, outbox, webhooks
from db.audit import Event
from db.connection import Connections, Role
from db.notifications import NotificationStatus
from db.outbox import ParcelRow
from db.session import Session
from db.typeids import typeid

# Longer than a parcel waits for its turn, and its receipt for its own.
LEASE: Final = timedelta(minutes=10)
AT_ONCE: Final = 100
PATIENCE: Final = timedelta(days=3)
# Nobody is given up for having been asked too seldom: we may have stood still ourselves.
FEWEST_TRIES: Final = 10
_SHORTEST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=4)

DELETED: Final = "The webhook endpoint was deleted."

Clock = Callable[[], datetime]
# From 0 to 1; drawn where it is used.
Jitter = Callable[[], float]
# As `Sender.send`.
Deliver = Callable[[Parcel], Awaitable[Receipt | None]]

_log = logging.getLogger("landlord.webhooks")
_deliveries = logging.getLogger("landlord.deliveries")


def pause(failing_for: timedelta, jitter: float) -> timedelta:
    """As long again as it has failed so far, a minute at least and four hours at most; and up to an eighth more, so that
    what failed together does not come back together."""
    return min(max(failing_for, _SHORTEST_PAUSE), _LONGEST_PAUSE) * (1 + jitter / 8)


async def work(
    connections: Connections,
    deliver: Deliver,
    *,
    clock: Clock,
    jitter: Jitter,
    most: int = AT_ONCE,
) -> None:
    """Send all that is due from here, together with whoever else does."""
    while parcels := await claim(connections, clock=clock, most=most):
        for receipt in await asyncio.gather(*(deliver(parcel) for parcel in parcels)):
            if receipt is not None:
                await settle(connections, receipt, clock=clock, jitter=jitter)


async def claim(connections: Connections, *, clock: Clock, most: int = AT_ONCE) -> list[Parcel]:
    """At most so many that are due and that nobody has in hand, those that waited longest; empty when there is none."""
    async with connections.transaction(Role.WORKER) as session:
        now = clock()
        until = now + LEASE
        parcels: list[Parcel] = []
        while not parcels and (rows := await outbox.claim_parcels(session, now=now, until=until, most=most)):
            ids = [row.notification_id for row in rows if row.endpoint_id is None and row.notification_id is not None]
            shown = {notice.key: notice for notice in await notifications.by_ids(session, ids)} if ids else {}
            keys = [(row.customer_id, row.endpoint_id) for row in rows if row.endpoint_id is not None]
            places = {(place.customer_id, place.id): place for place in await webhooks.places(session, keys)}
            for row in rows:
                if row.endpoint_id is None:
                    # of the notification alone: a tenant's role may write a payload, and has no business with a telephone
                    notice = (
                        shown.get((row.customer_id, row.notification_id)) if row.notification_id is not None else None
                    )
                    if notice is None:
                        await _park(session, row, "Nobody wrote this.")
                        continue
                    text = text_of(notice.title, notice.message)
                    content: Webhook | Text = Text(notice.delivery_address, text)
                elif (place := places.get((row.customer_id, row.endpoint_id))) is None:
                    await _park(session, row, DELETED)
                    continue
                elif place.resting_until is not None and place.resting_until > now:
                    await outbox.leave(session, row, until=place.resting_until)
                    continue
                else:
                    payload = orjson.loads(row.payload)
                    content = Webhook(place.url, place.secret, payload["id"], payload["body"])
                parcels.append(Parcel(row.customer_id, row.id, until, content))
        return parcels


async def settle(connections: Connections, receipt: Receipt, *, clock: Clock, jitter: Jitter) -> None:
    """Nothing, where the lease has ended: somebody else has the message by now, or had it."""
    async with connections.transaction(Role.WORKER) as session:
        row = await outbox.hold_parcel(session, receipt.customer_id, receipt.message_id, receipt.until)
        if row is None:
            return
        now = clock()
        if receipt.fate is Fate.DELIVERED:
            await _delivered(session, row, now)
        elif receipt.fate is Fate.REFUSED:
            await _park(session, row, receipt.reason)
        else:
            await _failed(session, row, receipt, now, jitter())


async def _delivered(session: Session, row: ParcelRow, now: datetime) -> None:
    await outbox.sent(session, row, at=now)
    _settled(row, "sent")
    if row.endpoint_id is not None and await webhooks.arrived(session, row.customer_id, row.endpoint_id):
        await outbox.wake(session, row.customer_id, row.endpoint_id, at=now)
    if row.notification_id is not None:
        shown = row.customer_id, row.notification_id
        await notifications.tell(session, shown, NotificationStatus.SENT, attempts=row.attempts, sent_at=now)


async def _failed(session: Session, row: ParcelRow, receipt: Receipt, now: datetime, jitter: float) -> None:
    first = since = row.failing_since or now
    if row.endpoint_id is not None:
        failing = await webhooks.failed(session, row.customer_id, row.endpoint_id, at=now)
        if failing is None:
            await _park(session, row, DELETED)
            return
        since = failing
        if receipt.fate is Fate.GONE or (now - since >= PATIENCE and row.attempts >= FEWEST_TRIES):
            await _shut(session, row, receipt.reason, now)
            return
    if now - first >= PATIENCE and row.attempts >= FEWEST_TRIES:
        await _park(session, row, f"Given up after {row.attempts} tries. {receipt.reason}")
        return
    until = now + pause(now - min(since, first), jitter)
    await outbox.fail(session, row, since=first, reason=receipt.reason, until=until)
    _settled(row, "put off")
    if row.endpoint_id is not None:
        await webhooks.rest(session, row.customer_id, row.endpoint_id, until=until)
        await outbox.rest(session, row.customer_id, row.endpoint_id, until=until)
    await _tell(session, row, NotificationStatus.PENDING, receipt.reason)


async def _shut(session: Session, row: ParcelRow, reason: str, now: datetime) -> None:
    """Nothing goes to its endpoint any more, and its customer learns it: by mail, and from the trail."""
    assert row.endpoint_id is not None
    await webhooks.shut(session, row.customer_id, row.endpoint_id)
    for waiting in await outbox.unsent_to(session, row.customer_id, row.endpoint_id):
        await _park(session, waiting, f"{SHUT} {reason}")
    said = {"endpoint_id": str(row.endpoint_id)}
    await outbox.add(
        session, row.customer_id, kind="email", key=f"webhook-shut/{row.endpoint_id}", payload=said, at=now
    )
    named = typeid("whe", row.endpoint_id)
    shut = Event(row.customer_id, "webhook_endpoint.shut", "update", named, orjson.dumps({"reason": reason}).decode())
    await audit.record_work(session, [shut], actor="webhooks", resource_type="WebhookEndpoint")
    _log.warning("%s of customer %s is shut", named, row.customer_id)


async def _park(session: Session, row: ParcelRow, reason: str) -> None:
    await outbox.park(session, row, reason=reason)
    _settled(row, "parked")
    await _tell(session, row, NotificationStatus.FAILED, reason)


async def _tell(session: Session, row: ParcelRow, status: NotificationStatus, reason: str) -> None:
    """What an operator wrote is shown; an event is not."""
    if row.notification_id is not None:
        shown = row.customer_id, row.notification_id
        await notifications.tell(session, shown, status, attempts=row.attempts, failed_reason=reason)


def _settled(row: ParcelRow, outcome: str) -> None:
    said = {"kind": "sms" if row.endpoint_id is None else "webhook", "outcome": outcome, "tries": row.attempts}
    _deliveries.info("%s", orjson.dumps(said).decode())
