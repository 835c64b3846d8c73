"""Runs in shares, over a queue: a message names a range of one run's customers, for whichever worker takes it.

A message is a hint. What a worker may touch are the items that it claims in the transaction that bills them; so a
message that comes twice, late or before others changes nothing, and what is lost is shared out again by a schedule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import orjson

from billing import run
from db import billing_runs
from db.connection import Connections, Role

# A few batches: seconds of work, so that none is long out of sight, and there are enough to go round.
SHARE = 2000
# Asks a worker to share out what is not finished.
WAKE: Final = orjson.dumps({"share_out": True}).decode()

Send = Callable[[Sequence[str]], None]


class BadMessage(Exception):
    """It was never one of ours. It will not become one either: the queue puts it aside after a few tries."""


async def take(
    connections: Connections, body: str, *, send: Send, clock: Callable[[], datetime], size: int = SHARE
) -> None:
    """Do what one message asks. `send` blocks. Raises BadMessage, and as `run.work`; it may be taken again then."""
    match _read(body):
        case {"share_out": True}:
            await share_out(connections, send=send, clock=clock, size=size)
        case {"run": str(run_id), "since": str(since), "until": str() | None as until}:
            within = (_uuid(since), None if until is None else _uuid(until))
            await run.work_share(connections, _uuid(run_id), within=within, clock=clock)
        case _:
            raise BadMessage(body)


async def share_out(connections: Connections, *, send: Send, clock: Callable[[], datetime], size: int = SHARE) -> None:
    """Send a message for every `size` customers that are still to be billed; finish what has none.

    Doing so twice costs messages, and nothing else.
    """
    async with connections.transaction(Role.WORKER) as session:
        runs = await billing_runs.unfinished(session)
        firsts = {one.id: await billing_runs.every_nth_pending(session, one.id, size) for one in runs}
    for one in runs:
        if not firsts[one.id]:
            await run.work_share(connections, one.id, within=billing_runs.EVERYONE, clock=clock)
    bodies = [
        orjson.dumps({"run": run_id, "since": since, "until": until}, default=str).decode()
        for run_id, starts in firsts.items()
        for since, until in pairwise([*starts, None])
    ]
    if bodies:
        await asyncio.to_thread(send, bodies)


def _read(body: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadMessage(body) from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadMessage(text) from None
