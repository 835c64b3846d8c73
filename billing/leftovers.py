"""What left the house long ago, or was given up then, goes from the outbox; the notifications that customers see stay.

Nothing that is still to leave goes, however long it has waited. A key keeps its message from being queued twice for as
long as that could happen: weeks, where this waits for more than a year, and the database itself for two months.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from db import outbox
from db.connection import Connections, Role

KEPT = timedelta(days=400)
_AT_ONCE = 5000


async def remove(connections: Connections, *, now: datetime, at_once: int = _AT_ONCE) -> int:
    """How many were removed, so many in a transaction. Killed anywhere, or run by several at once, it goes on next time."""
    removed = 0
    while True:
        async with connections.transaction(Role.WORKER) as session:
            gone = await outbox.clear(session, before=now - KEPT, most=at_once)
        removed += gone
        if not gone:
            return removed
