"""Notices before an API key ends: 14, 3 and 1 days ahead, each once, to the customer's e-mail.

One that the daily job missed is made up for until the next is due. It is queued here and no more: whether the key still
ends then is looked at again when it is sent. The house's own keys have no customer to write to: whoever runs this is told
of them, by a line in the log and a number for an alarm.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from db import api_keys, outbox
from db.connection import Connections, Role
from db.typeids import typeid

# Days ahead, and the days ahead of the next notice.
_STAGES = {14: 3, 3: 1, 1: 0}
_AT_ONCE = 5000

_log = logging.getLogger("landlord.keys")


async def remind(connections: Connections, *, now: datetime) -> int:
    """Queue what is due at this instant; how many. Run again, or by several at once, it queues none twice."""
    queued = 0
    for days, until in _STAGES.items():
        while True:
            async with connections.transaction(Role.WORKER) as session:
                added = await outbox.queue_key_notices(
                    session,
                    days=days,
                    ends_from=now + timedelta(days=until),
                    ends_to=now + timedelta(days=days),
                    at=now,
                    most=_AT_ONCE,
                )
            queued += added
            if not added:
                break
    return queued


async def house_keys(connections: Connections, *, now: datetime) -> int:
    """How many of operators' keys end within 14 days and were not replaced; each is named in the log."""
    async with connections.transaction(Role.WORKER) as session:
        ending = await api_keys.of_house_that_end(session, now=now, days=max(_STAGES))
    for id, ends_at in ending:
        _log.warning("operators' key %s ends at %s and has no successor: rotate it", typeid("key", id), ends_at)
    return len(ending)
