"""What goes over the wire, connection by connection: each statement, and for whom the transaction around it speaks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import asyncpg

# What frames a transaction, and what may be asked before it is known whose it is. A statement that opens is one by itself
# where none has begun.
_CLEAN = "select app.clean()"
_BEGIN = f"begin; {_CLEAN}"
_ENDS = ("commit", "rollback")
_BEFORE = ("select app.record_refusal($1, $2)", "from app.find_api_key($1)")


@dataclass
class Wire:
    """`spoken_for` counts transactions by whom they were opened for; `strays` are statements that no tenant stands for."""

    connect: Any = field(default=asyncpg.connect, repr=False)
    statements: int = 0
    spoken_for: Counter[str] = field(default_factory=Counter)
    strays: list[str] = field(default_factory=list)

    async def connected(self, *args: Any, **kwargs: Any) -> asyncpg.Connection:
        """In place of `asyncpg.connect`."""
        connection: asyncpg.Connection = await self.connect(*args, **kwargs)
        connection.add_query_logger(Line(self).said)
        return connection


@dataclass
class Line:
    """One connection; the driver tells of its messages in their order."""

    wire: Wire
    begun: bool = False
    subject: str | None = None

    def said(self, message: Any) -> None:
        text = " ".join(message.query.split())
        self.wire.statements += 1
        if text == _BEGIN:
            self.begun, self.subject = True, None
        elif text in _ENDS:
            self.begun, self.subject = False, None
        elif "app.open($1" in text:
            # kid.purpose.subject.expiry.nonce.mac
            purpose, subject = message.args[0].split(".")[1:3]
            if self.subject not in (None, subject) or purpose != "tenant":
                self.wire.strays.append(f"opened for {purpose} {subject} after {self.subject}")
            self.subject = subject if self.begun else None
            self.wire.spoken_for[subject] += 1
        elif not self.begun:
            if text != _CLEAN:
                self.wire.strays.append(f"outside of a transaction: {text}")
        elif self.subject is None and not text.endswith(_BEFORE):
            self.wire.strays.append(f"before a tenant is known: {text}")
