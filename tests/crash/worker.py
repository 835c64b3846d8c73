"""A worker to be killed: `python -m tests.crash.worker FOLDER NAME [WRONG DESIGN]`.

It bills and sends mail for ever, against the database whose URL stands in FOLDER/worker-url. What it sends is a line in
FOLDER/mailbox. As long as there is FOLDER/storm it dawdles between its statements, so that a kill comes in the middle
of something.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg

from billing import outbox as delivery
from billing import run
from billing.mail import Letter, Text
from billing.pdf import Press
from db import billing_runs, invoices, outbox
from db.billing_runs import RunRow
from db.connection import Connections, Role
from db.notifications import NotificationRow
from db.outbox import MessageRow
from db.session import Session
from tests.crash import designs

BATCH = 20
LANES = 2
DAWDLES = 0.008  # seconds before a statement, at most
HURRY = 60  # seconds of the clock in one: a lease that a killed worker held ends in three


async def main(folder: Path, name: str, wrong: str | None) -> None:
    _dawdle(folder)
    _shuffle_runs()
    _replace(delivery, "_letter", _letter)
    if wrong == designs.LOOKS_THEN_WRITES:
        _replace(invoices, "lock_counters", _holds_nothing)
    if wrong == designs.MARKS_THEN_SENDS:
        _replace(delivery, "_deliver", _marks_then_sends)
    clock = clock_of(folder)
    print("ready", flush=True)
    await asyncio.gather(
        _for_ever(folder, name, lambda connections: run.work(connections, clock=clock, batch=BATCH)),
        _for_ever(
            folder,
            name,
            lambda connections: delivery.work(connections, send=_mailbox(folder), clock=clock, lanes=LANES),
        ),
    )


def clock_of(folder: Path) -> Callable[[], datetime]:
    """One for all processes: it began when the folder was made, in the year that stands there, and runs fast."""
    born, real = (folder / "born").read_text().split()
    return lambda: datetime.fromisoformat(born) + timedelta(seconds=HURRY * (time.time() - float(real)))


async def _for_ever(folder: Path, name: str, act: Callable[[Connections], Any]) -> None:
    """Whatever goes wrong is tried again, on new connections: that is all that a worker may do about it."""
    while True:
        url = (folder / "worker-url").read_text()
        connections = Connections({Role.WORKER: f"{url}?application_name={name}"}, most=LANES)
        try:
            while True:
                await act(connections)
                await asyncio.sleep(0.02)
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            await connections.close()
            await asyncio.sleep(0.05)


def _mailbox(folder: Path) -> delivery.Send:
    def send(letter: Letter) -> None:
        with (folder / "mailbox").open("ab", buffering=0) as box:
            box.write(f"{letter.key} {letter.recipient}\n".encode())
            os.fsync(box.fileno())

    return send


def _letter(key: str, text: Text, shown: NotificationRow, press: Press) -> Letter:
    """Without the PDF: that it is the same each time is another test's."""
    return Letter(key, "billing@landlord.example", text.recipient, b"")


def _replace(place: ModuleType, name: str, by: Callable[..., Any]) -> None:
    """Raises ValueError where it is called in another way: nothing would ever be done, and the storm would never end."""
    if signature(by).parameters.keys() != signature(getattr(place, name)).parameters.keys():
        raise ValueError(f"{name} takes other arguments by now")
    setattr(place, name, by)


def _dawdle(folder: Path) -> None:
    def slow(act: Callable[..., Any]) -> Callable[..., Any]:
        async def slowly(*args: Any, **kwargs: Any) -> Any:
            if (folder / "storm").exists():
                await asyncio.sleep(random.uniform(0, DAWDLES))
            return await act(*args, **kwargs)

        return slowly

    for name in ("fetch", "execute"):
        setattr(asyncpg.Connection, name, slow(getattr(asyncpg.Connection, name)))


def _shuffle_runs() -> None:
    """Workers that come to the runs in different orders meet at the same customers."""
    unfinished = billing_runs.unfinished

    async def in_any_order(session: Session) -> list[RunRow]:
        runs = await unfinished(session)
        random.shuffle(runs)
        return runs

    _replace(billing_runs, "unfinished", in_any_order)


# ---------------------------------------------------------------- wrong designs


async def _holds_nothing(session: Session, customer_ids: object) -> None:
    """Looks whether there is an invoice, and trusts that it stays so."""


async def _marks_then_sends(
    connections: Connections, message: MessageRow, send: delivery.Send, press: Press, clock: Callable[[], datetime]
) -> None:
    """Never twice; but what is killed in between has been sent as far as anybody knows."""
    async with connections.transaction(Role.WORKER) as session:
        written = await delivery._write(session, message, now=clock())
    if written is None:
        return
    async with connections.transaction(Role.WORKER) as session:
        if await outbox.hold(session, message):
            await outbox.sent(session, message, at=clock())
    await asyncio.sleep(random.uniform(0, DAWDLES))
    await asyncio.to_thread(send, _letter(message.key, *written, press))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None))
