"""What operators write to a customer: shown to it at once, and sent through the outbox."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from billing import events
from db import customers, notifications, outbox, webhooks
from db.errors import Invalid, NotFound
from db.notifications import NotificationChannel, NotificationRow
from db.session import Session
from db.typeids import typeid

LONGEST_TITLE = 200
LONGEST_MESSAGE = 20_000
LONGEST_SMS = 1_600  # what Amazon SNS takes, in several parts

_EMAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}")
_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")


async def send(
    session: Session,
    customer_id: UUID,
    *,
    title: str,
    message: str,
    channel: NotificationChannel,
    address: str,
    now: datetime,
) -> NotificationRow:
    """A webhook goes to an endpoint of the customer's, by its URL: only so is there a secret to sign it with.

    Raises Invalid, and NotFound for an unknown customer.
    """
    subject = _line(title, "title", LONGEST_TITLE)
    if not message.strip() or len(message) > LONGEST_MESSAGE:
        raise Invalid(f"A text of 1 to {LONGEST_MESSAGE} characters is expected.", field=("input", "message"))
    if channel is NotificationChannel.SMS and len(text_of(subject, message)) > LONGEST_SMS:
        raise Invalid(f"An SMS, its title included, has at most {LONGEST_SMS} characters.", field=("input", "message"))
    if (form := _FORMS.get(channel)) is not None and form[0].fullmatch(address) is None:
        raise Invalid(form[1], field=("input", "deliveryAddress"))
    if not await customers.by_ids(session, [customer_id]):
        raise NotFound("customer", customer_id, field=("input", "customerId"))
    endpoint = None
    if channel is NotificationChannel.WEBHOOK:
        endpoint = await webhooks.at(session, customer_id, address)
        if endpoint is None:
            raise Invalid(
                "This customer has no active webhook endpoint with this URL.", field=("input", "deliveryAddress")
            )
    shown = await notifications.add(
        session, customer_id, title=subject, message=message, channel=channel, address=address, at=now
    )
    await outbox.add(
        session,
        customer_id,
        kind=channel,
        key=f"notification/{shown.id}",
        payload=_payload(shown),
        notification_id=shown.id,
        endpoint_id=endpoint.id if endpoint is not None else None,
        at=now,
    )
    return shown


def _payload(shown: NotificationRow) -> dict[str, object]:
    """What its sender needs. Of e-mails and texts the notification itself says the rest: it is no tenant's to write."""
    id = typeid("ntf", shown.id)
    if shown.channel == NotificationChannel.WEBHOOK:
        said = {"id": id, "title": shown.title, "message": shown.message}
        return events.payload(id, events.NOTIFICATION, said, at=shown.created_at)
    return {"notification_id": str(shown.id)}


def text_of(title: str, message: str) -> str:
    """Of an SMS."""
    return f"{title}\n{message}"


_FORMS: Mapping[NotificationChannel, tuple[re.Pattern[str], str]] = {
    NotificationChannel.EMAIL: (_EMAIL, "An e-mail address in ASCII is expected, with one @ and no spaces."),
    NotificationChannel.SMS: (_NUMBER, "A number is + and 7 to 15 digits, without spaces: +12125550143."),
}


def _line(value: str, name: str, longest: int) -> str:
    text = value.strip()
    if not 1 <= len(text) <= longest:
        raise Invalid(f"A text of 1 to {longest} characters is expected.", field=("input", name))
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise Invalid("A text in one line is expected, without control characters.", field=("input", name))
    return text
