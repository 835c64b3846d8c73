"""Delivers the outbox's e-mails: at least once each, under a stable key, by any number of workers.

    await work(connections, send=Ses().send, clock=utc_now)

A message is taken up under a lease in one transaction and put into words in a second; it is sent outside of any, and
settled in a last one. Killed between sending and settling, it is sent again when the lease has ended, with the same key
and the same text. No refusal of one keeps another from leaving.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import orjson

from billing import mail, pdf
from billing.bounces import CUSTOMER, NOTIFICATION
from billing.mail import Letter, Pointless, Refused, Text
from billing.pdf import Press
from billing.ses import Unreachable
from db import company, notifications, outbox
from db.connection import Connections, Role
from db.notifications import NotificationChannel, NotificationRow, NotificationStatus
from db.outbox import MessageRow
from db.session import Session

# Longer than the PDF, S3 and SES, with all their time-outs, can take.
LEASE = timedelta(minutes=3)
# For so long a function takes letters up, which the next minute's call goes on with: killed at its time-out it would have some
# in hand, and each of them sent twice.
STINT = timedelta(minutes=1)
LANES = 4
# A minute, two, four, and from the ninth try on four hours: three days in all.
MOST_TRIES = 24
_LONGEST_WAIT = timedelta(hours=4)

Send = Callable[[Letter], None]

_log = logging.getLogger("landlord.outbox")
_deliveries = logging.getLogger("landlord.deliveries")


async def work(
    connections: Connections,
    *,
    send: Send,
    clock: Callable[[], datetime],
    press: Press = pdf.render,
    lanes: int = LANES,
    until: datetime | None = None,
) -> bool:
    """Send all that is due, together with whoever else does; False where mail has to wait for something.

    `send` blocks, and raises Refused or Unreachable; `press` makes the PDF that goes along. Returns when nothing is due
    that nobody else has in hand, and takes nothing up from `until` on. While nobody has said who bills, no message is taken
    up at all.
    """
    async with connections.transaction(Role.WORKER) as session:
        if await company.on(session, clock().date()) is None:
            _log.warning("mail stands still: %s", pdf.NoCompanyDetails())
            return False
    ran = await asyncio.gather(
        *(_lane(connections, send, press, clock, until) for _ in range(lanes)), return_exceptions=True
    )
    for ended in ran:
        if isinstance(ended, BaseException):
            raise ended
    return all(ran)


async def lag(connections: Connections, *, now: datetime) -> timedelta:
    """How long something has been due by now that has not left and that nobody has in hand: a letter, a webhook, a text.

    A letter or a text that was put off has been due since before its first try.
    """
    async with connections.transaction(Role.WORKER) as session:
        since = await outbox.oldest_due(session, now=now)
    return timedelta(0) if since is None else now - since


async def _lane(
    connections: Connections, send: Send, press: Press, clock: Callable[[], datetime], until: datetime | None
) -> bool:
    while until is None or clock() < until:
        now = clock()
        async with connections.transaction(Role.WORKER) as session:
            message = await outbox.claim(session, now=now, until=now + LEASE)
        if message is None:
            return True
        try:
            await _deliver(connections, message, send, press, clock)
        except Unreachable as reason:
            _log.warning("mail stands still: %s", reason)
            await _put_off(connections, message, "The mail service cannot be reached; it is tried again.", clock())
            return False
        except Exception:
            # a mistake of ours, or a database that is away: either way this message waits, and the others go on
            _log.exception("message %s of customer %s stays", message.key, message.customer_id)
            await _put_off(connections, message, "It could not be written just now; it is tried again.", clock())
    return True


async def _deliver(
    connections: Connections, message: MessageRow, send: Send, press: Press, clock: Callable[[], datetime]
) -> None:
    async with connections.transaction(Role.WORKER) as session:
        written = await _write(session, message, now=clock())
    if written is None:
        return
    text, shown = written
    try:
        letter = await asyncio.to_thread(_letter, message.key, text, shown, press)
        await asyncio.to_thread(send, letter)
    except Refused as reason:
        async with connections.transaction(Role.WORKER) as session:
            if await outbox.hold(session, message):
                await _park(session, message, str(reason))
        return
    async with connections.transaction(Role.WORKER) as session:
        if await outbox.hold(session, message):
            at = clock()
            await outbox.sent(session, message, at=at)
            await notifications.tell(session, shown.key, NotificationStatus.SENT, attempts=message.attempts, sent_at=at)
            _settled(message, "sent")


async def _write(session: Session, message: MessageRow, *, now: datetime) -> tuple[Text, NotificationRow] | None:
    """The message in words, those of its first try, and what the customer sees of it.

    None where there is nothing left to say, or somebody else has it in hand by now.
    """
    if not await outbox.hold(session, message):
        return None
    try:
        payload = orjson.loads(message.payload)
        text = await mail.write(session, message.key, message.customer_id, payload, today=now.date())
    except Pointless as reason:
        await _park(session, message, str(reason), outcome="pointless")
        return None
    if message.notification_id is None:
        shown = await notifications.add(
            session,
            message.customer_id,
            title=text.subject,
            message=text.body,
            channel=NotificationChannel.EMAIL,
            address=text.recipient,
            at=now,
        )
        await outbox.show_as(session, message, shown.id)
    else:
        (shown,) = await notifications.by_ids(session, [message.notification_id])
        text = replace(text, subject=shown.title, body=shown.message, recipient=shown.delivery_address)
    await notifications.tell(
        session,
        shown.key,
        NotificationStatus.PENDING,
        attempts=message.attempts,
        failed_reason=shown.failed_reason,
    )
    return text, shown


def _letter(key: str, text: Text, shown: NotificationRow, press: Press) -> Letter:
    """Raises Refused."""
    attachment = None if text.paper is None else press(text.paper)
    letter = mail.letter(key, text, attachment, at=shown.created_at)
    return replace(letter, tags={CUSTOMER: str(shown.customer_id), NOTIFICATION: str(shown.id)})


async def _put_off(connections: Connections, message: MessageRow, reason: str, now: datetime) -> None:
    async with connections.transaction(Role.WORKER) as session:
        if not await outbox.hold(session, message):
            return
        if message.attempts >= MOST_TRIES:
            await _park(session, message, f"Given up after {message.attempts} tries.")
            return
        wait = min(timedelta(minutes=2 ** (message.attempts - 1)), _LONGEST_WAIT)
        await outbox.put_off(session, message, until=now + wait)
        _settled(message, "put off")
        await _tell(session, message, NotificationStatus.PENDING, reason)


async def _park(session: Session, message: MessageRow, reason: str, *, outcome: str = "parked") -> None:
    await outbox.park(session, message, reason=reason)
    _settled(message, outcome)
    if outcome == "parked":
        # the reason stands in its notification: it may quote an address
        _log.warning("message %s of customer %s is given up", message.key, message.customer_id)
    await _tell(session, message, NotificationStatus.FAILED, reason)


async def _tell(session: Session, message: MessageRow, status: NotificationStatus, reason: str) -> None:
    """A message that was never put into words is shown nowhere."""
    if (shown := await outbox.shown_as(session, message)) is not None:
        await notifications.tell(
            session, (message.customer_id, shown), status, attempts=message.attempts, failed_reason=reason
        )


def _settled(message: MessageRow, outcome: str) -> None:
    _deliveries.info("%s", orjson.dumps({"kind": "email", "outcome": outcome, "tries": message.attempts}).decode())
