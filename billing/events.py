"""What customers' own servers hear of: the events, and what each says.

An event is written into the outbox with the change that it is about, once for each endpoint that wants it, and says the
same however late it arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from db import outbox
from db.outbox import EventRow
from db.session import Session
from db.typeids import typeid


class EventType(StrEnum):
    INVOICE_ISSUED = "invoice.issued"
    INVOICE_PAID = "invoice.paid"
    INVOICE_CANCELLED = "invoice.cancelled"
    TICKET_OPENED = "ticket.opened"
    TICKET_COMMENTED = "ticket.commented"
    TICKET_UPDATED = "ticket.updated"
    TIER_CHANGED = "customer.tier_changed"


# What operators write to one endpoint of a customer's (billing/notices.py): nobody subscribes to it.
NOTIFICATION: Final = "notification.sent"


def payload(id: str, type: str, data: Mapping[str, Any], *, at: datetime) -> dict[str, object]:
    """A webhook as the outbox has it: its `webhook-id`, and its body to the letter. `data` holds what JSON can."""
    body = {"type": type, "timestamp": at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "data": data}
    return {"id": id, "body": orjson.dumps(body).decode()}


@dataclass(frozen=True, slots=True)
class Event:
    """`data` says what JSON can: IDs as the API has them, money as text, enums by their names."""

    customer_id: UUID
    type: EventType
    data: Mapping[str, Any]


async def announce(session: Session, happened: Sequence[Event], *, at: datetime) -> None:
    """Let these leave after the commit, for whoever wants to hear of them."""
    if happened:
        await outbox.announce(session, [_row(event, at) for event in happened], at=at)


def _row(event: Event, at: datetime) -> EventRow:
    id = uuid4()
    said = orjson.dumps(payload(typeid("msg", id), event.type, event.data, at=at)).decode()
    return EventRow(event.customer_id, id, event.type, said)
