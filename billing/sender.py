"""Sends one parcel to where it goes, and says what became of it. Knows no database.

Twice is all one to the receiver: the second has the same id. Late is not: after its lease somebody else has the message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from billing import signatures
from billing.parcels import Fate, Parcel, Receipt, Text, Webhook
from billing.post import SECONDS, Net, Undelivered, post
from billing.sms import NotTaken, NumberRefused

_log = logging.getLogger("landlord.sender")


@dataclass(frozen=True)
class Sender:
    """`keys` are those of which webhooks' secrets are made. `text` blocks, and raises as `Sms.send`."""

    keys: Mapping[str, bytes] = field(repr=False)
    net: Net
    text: Callable[[str, str], None]
    clock: Callable[[], datetime]
    seconds: float = SECONDS

    async def send(self, parcel: Parcel) -> Receipt | None:
        """None where its lease has ended, and nothing was sent. Raises UnknownKey."""
        now = self.clock()
        if now >= parcel.until:
            _log.info("parcel %s of customer %s comes too late", parcel.message_id, parcel.customer_id)
            return None
        match parcel.content:
            case Webhook() as webhook:
                fate, reason = await self._posted(webhook, now)
            case Text(number, text):
                fate, reason = await self._texted(number, text)
        return Receipt(parcel.customer_id, parcel.message_id, parcel.until, fate, reason)

    async def _posted(self, webhook: Webhook, now: datetime) -> tuple[Fate, str]:
        secret = signatures.secret_of(self.keys, webhook.salt)
        body = webhook.body.encode()
        try:
            signed = signatures.headers(webhook.id, body, [secret], at=now)
            status = await post(webhook.url, signed, body, self.net, seconds=self.seconds)
        except Undelivered as problem:
            return Fate.FAILED, str(problem)
        if 200 <= status < 300:
            return Fate.DELIVERED, ""
        return Fate.GONE if status == HTTPStatus.GONE else Fate.FAILED, f"The server answered {status}."

    async def _texted(self, number: str, text: str) -> tuple[Fate, str]:
        try:
            await asyncio.to_thread(self.text, number, text)
        except NumberRefused as reason:
            return Fate.REFUSED, str(reason)
        except NotTaken as reason:
            _log.warning("a text is not taken: %s", reason)
            return Fate.FAILED, "The carrier cannot be reached; it is tried again."
        return Fate.DELIVERED, ""
