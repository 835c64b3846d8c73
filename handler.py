"""The Lambda entry points, thin: `api` answers API Gateway, the workers do what is queued, `scheduled` what is due.

`api` also answers `GET /invoices/{id}.pdf`, in a function of its own whose artifact is the workers'.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from mangum import Mangum

from app import Settings, begin_month, billing_queue, create_app, utc_now
from billing import dunning, outbox, queue
from billing.cloudwatch import CloudWatch
from billing.periods import Month
from billing.ses import Ses
from db.connection import Connections, Role

Answer = TypeVar("Answer")

_settings = Settings.from_env()
_log = logging.getLogger("landlord.worker")
# the root logger, to which Lambda gives a handler, leaves out what is no warning
logging.getLogger("landlord").setLevel(logging.INFO)

# Nothing is opened here: the first request opens the connection that the sandbox then holds.
api = Mangum(
    create_app(_settings),
    lifespan="off",
    text_mime_types=["application/graphql-response+json", "application/json", "text/", "image/svg+xml"],
)


def billing_worker(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Do what the queue's messages ask, and name those that are to come again. Twice, late or out of order: all one."""
    return _work(lambda connections: _bill(connections, event["Records"]))


async def _bill(connections: Connections, records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    send, read = billing_queue(_settings).send, CloudWatch(_settings.aws_endpoint).read
    failed: list[dict[str, str]] = []
    for record in records:
        try:
            await queue.take(connections, record["body"], send=send, read=read, clock=utc_now)
        except Exception:
            _log.exception("message %s of the billing queue is to come again", record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def outbox_worker(event: dict[str, Any], context: object) -> dict[str, str]:
    """Send all mail that is due, together with whoever else does; a schedule calls it every minute."""
    sent = _work(lambda connections: outbox.work(connections, send=Ses(_settings.aws_endpoint).send, clock=utc_now))
    return {"status": "done" if sent else "mail stands still"}


def scheduled(event: dict[str, Any], context: object) -> dict[str, str]:
    """The job that a schedule's `event` names, as of the event's `time`. Raises KeyError for one that is none.

    `month` again and again on the first days of one; `reminders` once a day; `runs` every few minutes.
    """
    now = datetime.fromisoformat(event["time"])
    job = _JOBS[event["job"]]
    _work(lambda connections: job(connections, now))
    return {"status": "done"}


async def _begin_month(connections: Connections, now: datetime) -> None:
    month = Month.of(now.date()).previous()
    if not await begin_month(_settings, month, today=now.date()):
        _log.info("%s is not billed yet: its use is still being read", month)


async def _share_out_runs(connections: Connections, now: datetime) -> None:
    """What nobody was told of, or was put aside, is told again."""
    read = CloudWatch(_settings.aws_endpoint).read
    await queue.share_out(connections, send=billing_queue(_settings).send, read=read, clock=utc_now)


async def _remind(connections: Connections, now: datetime) -> None:
    await dunning.remind(connections, now=now)


_JOBS: Mapping[str, Callable[[Connections, datetime], Awaitable[object]]] = {
    "month": _begin_month,
    "reminders": _remind,
    "runs": _share_out_runs,
}


def _work(act: Callable[[Connections], Awaitable[Answer]]) -> Answer:
    async def connected() -> Answer:
        connections = Connections({Role.WORKER: _settings.worker_url}, pooled=_settings.pooled)
        try:
            return await act(connections)
        finally:
            await connections.close()

    return asyncio.run(connected())
