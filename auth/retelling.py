"""What ended lately, told to all sandboxes once more: whoever was to tell them may have been unable to."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from auth.ends import Ends
from db import ends as ended
from db.connection import Connections, Role

# Three times what lies between two calls, and longer than any transaction takes: ends bear the instant of its beginning.
LATELY: Final = timedelta(minutes=15)


async def tell_again(connections: Connections, ends: Ends, *, now: datetime) -> bool:
    """Told twice does no harm. False where not all could be told: the next call does."""
    async with connections.transaction(Role.WORKER) as session:
        lately = await ended.since(session, now - LATELY)
    return await ends.tell(lately, now=now)
