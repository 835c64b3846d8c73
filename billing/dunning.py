"""Reminders of what is overdue: on days 1, 7 and 14 after the due date, each once. Source: BILLING.md, "States".

One that the daily job missed is made up for until the next is due, the last one for a week. It is queued here and no
more: whether something is still overdue is looked at again when it is sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from db import outbox
from db.connection import Connections, Role

# The days after the due date on which a reminder is made.
_STAGES = {1: range(1, 7), 7: range(7, 14), 14: range(14, 21)}
_AT_ONCE = 5000


async def remind(connections: Connections, *, now: datetime) -> int:
    """Queue what is due by this instant's UTC day; how many. Run again, or by several at once, it queues none twice."""
    today = now.date()
    queued = 0
    for stage, days in _STAGES.items():
        while True:
            async with connections.transaction(Role.WORKER) as session:
                added = await outbox.queue_reminders(
                    session,
                    day=stage,
                    due_from=today - timedelta(days=days[-1]),
                    due_to=today - timedelta(days=days[0]),
                    at=now,
                    most=_AT_ONCE,
                )
            queued += added
            if not added:
                break
    return queued
