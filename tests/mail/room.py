"""A mail room: customers with addresses of their own, a clock that stands still, and SES on the emulator."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from app import utc_now
from billing import outbox, pdf
from billing.mail import Letter
from billing.outbox import Send
from billing.pdf import Press
from billing.ses import Ses
from db.invoices import InvoiceRow
from tests.aws import PostOffice
from tests.ledger import NOW, OCTOBER, Ledger


@dataclass
class Clock:
    # what the database queues bears the machine's own instant, and is due from then on
    now: datetime = field(default_factory=lambda: max(NOW, utc_now()) + timedelta(minutes=10))

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class Room:
    ledger: Ledger
    post: PostOffice
    clock: Clock = field(default_factory=Clock)

    async def customer(self, name: str = "Initech", address: str | None = None) -> UUID:
        """With October's usage, and an address that is nobody else's unless one is given."""
        customer_id = await self.ledger.customer()
        address = address or f"{secrets.token_hex(8)}@example.com"
        await self.ledger.admin.execute(
            "update customers set name = $2, billing_email = $3 where id = $1", customer_id, name, address
        )
        return customer_id

    async def address(self, customer_id: UUID) -> str:
        found: str = await self.ledger.admin.fetchval("select billing_email from customers where id = $1", customer_id)
        return found

    async def issued(self, customer_id: UUID) -> InvoiceRow:
        return await self.ledger.issued(customer_id, OCTOBER, now=self.clock())

    async def announced(self, name: str = "Initech", address: str | None = None) -> tuple[UUID, InvoiceRow]:
        """A customer, and an invoice whose mail is due."""
        customer_id = await self.customer(name, address)
        return customer_id, await self.issued(customer_id)

    async def work(self, send: Send | None = None, press: Press = pdf.render) -> bool:
        return await outbox.work(self.ledger.connections, send=send or Ses().send, press=press, clock=self.clock)

    async def taken(self, customer_id: UUID) -> list[tuple[str, str]]:
        """Subject and text of what SES took for this customer."""
        mails = self.post.taken(await self.address(customer_id))
        return [(mail["Subject"], mail["BodyText"].replace("\r\n", "\n").rstrip("\n")) for mail in mails]

    async def shown(self, customer_id: UUID) -> list[dict[str, Any]]:
        """The customer's notifications, the oldest first."""
        rows = await self.ledger.admin.fetch(
            """
            select title, status, attempts, failed_reason, sent_at from notifications where customer_id = $1 order by id
            """,
            customer_id,
        )
        return [dict(row) for row in rows]

    async def queue(self, customer_id: UUID) -> list[dict[str, Any]]:
        """The customer's messages, the oldest first."""
        rows = await self.ledger.admin.fetch(
            """
            select split_part(key, '/', 1) as about, attempts, sent_at, failed_reason, due_at, claimed_until
              from outbox where customer_id = $1 order by id
            """,
            customer_id,
        )
        return [dict(row) for row in rows]


class Watched:
    """SES, and what it was given."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self._ses = Ses()

    def __call__(self, letter: Letter) -> None:
        self._ses.send(letter)
        self.letters.append(letter)
