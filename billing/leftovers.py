"""What nobody asks for any more goes, once a day: of the outbox, of idempotency keys, of sessions that were ended.

Of the outbox goes what left long ago, or was given up then; the notifications that customers see stay, and so does what is
still to leave, however long it has waited. A key keeps its message from being queued twice for as long as that could
happen: weeks, where this waits for more than a year. The database itself lets nothing go that could still count.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from db import idempotency_keys, outbox, sessions
from db.connection import Connections, Role

KEPT: Final = timedelta(days=400)
# Answers count for 30 days, and sessions until they expire.
ANSWERS_KEPT: Final = timedelta(days=31)
SESSIONS_KEPT: Final = timedelta(days=2)
_AT_ONCE = 5000


async def remove(connections: Connections, *, now: datetime, at_once: int = _AT_ONCE) -> int:
    """How many were removed, so many in a transaction. Killed anywhere, or run by several at once, it goes on next time."""
    removed = 0
    for clear, kept in (
        (outbox.clear, KEPT),
        (idempotency_keys.clear, ANSWERS_KEPT),
        (sessions.clear, SESSIONS_KEPT),
    ):
        while True:
            async with connections.transaction(Role.WORKER) as session:
                gone = await clear(session, before=now - kept, most=at_once)
            removed += gone
            if not gone:
                break
    return removed
