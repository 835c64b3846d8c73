"""What goes between those who know the outbox and those who know the world: a parcel on the way out, and what became of it.

Both are JSON on a queue. A parcel holds no secret: the salt of a webhook's secret is none without our key.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

import orjson

# How the reason begins why a message to an endpoint that was shut is not sent.
SHUT: Final = "The webhook endpoint was shut."


class BadParcel(Exception):
    """It was never one of ours, and will not become one: the queue puts it aside after a few tries."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """`id` is the `webhook-id`, the same at every try; `body` is what is signed, to the letter."""

    url: str
    salt: bytes = field(repr=False)
    id: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Text:
    number: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message of one customer. Whoever has it may send it before `until`, which is also its lease's name."""

    customer_id: UUID
    message_id: UUID
    until: datetime
    content: Webhook | Text

    def written(self) -> str:
        head = {"customer": self.customer_id, "message": self.message_id, "until": self.until}
        match self.content:
            case Webhook(url, salt, id, body):
                said: dict[str, Any] = {"webhook": [url, base64.b64encode(salt).decode(), id, body]}
            case Text(number, text):
                said = {"sms": [number, text]}
        return orjson.dumps(head | said, default=str).decode()  # asyncpg's own UUIDs are strange to orjson

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises BadParcel."""
        try:
            said = orjson.loads(text)
            head = UUID(said["customer"]), UUID(said["message"]), datetime.fromisoformat(said["until"])
            if "sms" in said:
                return cls(*head, Text(*said["sms"]))
            url, salt, id, body = said["webhook"]
            return cls(*head, Webhook(url, base64.b64decode(salt, validate=True), id, body))
        except (KeyError, TypeError, ValueError) as problem:
            raise BadParcel from problem


class Fate(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"  # to be tried again
    REFUSED = "refused"  # never to be tried again
    GONE = "gone"  # the endpoint itself says that it is not there any more


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a parcel; `reason`, empty where it was delivered, is a sentence that its customer may read."""

    customer_id: UUID
    message_id: UUID
    until: datetime
    fate: Fate
    reason: str = ""

    def written(self) -> str:
        return orjson.dumps(
            {
                "customer": self.customer_id,
                "message": self.message_id,
                "until": self.until,
                "fate": self.fate,
                "reason": self.reason,
            },
            default=str,
        ).decode()

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises BadParcel."""
        try:
            said = orjson.loads(text)
            head = UUID(said["customer"]), UUID(said["message"]), datetime.fromisoformat(said["until"])
            return cls(*head, Fate(said["fate"]), said["reason"])
        except (KeyError, TypeError, ValueError) as problem:
            raise BadParcel from problem
