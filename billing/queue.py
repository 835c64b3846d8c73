"""Work in shares, over a queue: a message names a range of customers of one run of billing or one reading of usage.

A message is a hint, for whichever worker takes it. What a worker may touch are the items that it claims in the
transaction that finishes them; so a message that comes twice, late or before others changes nothing, and what is lost
is shared out again by a schedule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

import orjson

from billing import run, usage_sync
from billing.usage_sync import Read
from db import billing_runs, usage_syncs
from db.billing_runs import EVERYONE
from db.connection import Connections, Role

# A few batches: seconds of work, so that none is long out of sight, and there are enough to go round.
SHARE = 2000
# Asks a worker to share out what is not finished.
WAKE: Final = orjson.dumps({"share_out": True}).decode()

Send = Callable[[Sequence[str]], None]


class BadMessage(Exception):
    """It was never one of ours. It will not become one either: the queue puts it aside after a few tries."""


async def take(
    connections: Connections,
    body: str,
    *,
    send: Send,
    read: Read,
    clock: Callable[[], datetime],
    size: int = SHARE,
) -> None:
    """Do what one message asks. `send` and `read` block.

    Raises BadMessage, and as `run.work` and `usage_sync.work`; it may be taken again then.
    """
    match _parsed(body):
        case {"share_out": True}:
            await share_out(connections, send=send, read=read, clock=clock, size=size)
        case {"run": str(run_id), "since": str(since), "until": str() | None as until}:
            within = (_uuid(since), None if until is None else _uuid(until))
            await run.work_share(connections, _uuid(run_id), within=within, clock=clock)
        case {"sync": str(sync_id), "since": str(since), "until": str() | None as until}:
            within = (_uuid(since), None if until is None else _uuid(until))
            await usage_sync.work_share(connections, _uuid(sync_id), within=within, read=read, clock=clock)
        case _:
            raise BadMessage(body)


def kind_of(body: str) -> str:
    """What a message asks, in one word: `share_out`, `run`, `sync`, or `none` where it is none of ours."""
    try:
        said = _parsed(body)
    except BadMessage:
        return "none"
    kinds = ("share_out", "run", "sync")
    return next((kind for kind in kinds if isinstance(said, dict) and kind in said), "none")


async def share_out(
    connections: Connections, *, send: Send, read: Read, clock: Callable[[], datetime], size: int = SHARE
) -> None:
    """Send a message for every `size` customers that are still to be billed or read; finish what has none.

    Doing so twice costs messages, and nothing else.
    """
    async with connections.transaction(Role.WORKER) as session:
        runs = await billing_runs.unfinished(session)
        to_bill = {one.id: await billing_runs.every_nth_pending(session, one.id, size) for one in runs}
        syncs = await usage_syncs.unfinished(session)
        to_read = {one.id: await usage_syncs.every_nth_pending(session, one.id, size) for one in syncs}
    for run_id, starts in to_bill.items():
        if not starts:
            await run.work_share(connections, run_id, within=EVERYONE, clock=clock)
    for sync_id, starts in to_read.items():
        if not starts:
            await usage_sync.work_share(connections, sync_id, within=EVERYONE, read=read, clock=clock)
    bodies = [*_shares("run", to_bill), *_shares("sync", to_read)]
    if bodies:
        await asyncio.to_thread(send, bodies)


def _shares(kind: str, firsts: Mapping[UUID, Sequence[UUID]]) -> Iterator[str]:
    for id, starts in firsts.items():
        for since, until in pairwise([*starts, None]):
            yield orjson.dumps({kind: id, "since": since, "until": until}, default=str).decode()


def _parsed(body: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadMessage(body) from None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadMessage(text) from None
