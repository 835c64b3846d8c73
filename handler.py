"""The Lambda entry points, thin: `authorizer` and `api` answer API Gateway, the workers do what is queued, `scheduled`
what is due.

`migrate` and `rotate` are for those who run it. `api` also answers `GET /invoices/{id}.pdf`, in a function of its own
whose artifact is the workers'. Each imports what it needs and no more, and knows no secret and opens nothing before its
first event: a sandbox may be frozen before it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import telemetry
from settings import NEEDED, Settings

if TYPE_CHECKING:
    import asyncpg

    from auth.authorizer import Authorizer
    from auth.keys import Environment
    from auth.vault import Vault
    from db.connection import Connections

Answer = TypeVar("Answer")

_log = logging.getLogger("landlord.worker")
_decisions = logging.getLogger("landlord.authorizer")
_jobs = logging.getLogger("landlord.jobs")
# the root logger, to which Lambda gives a handler, leaves out what is no warning
logging.getLogger("landlord").setLevel(logging.INFO)


@cache
def _documents() -> telemetry.Documents:
    """Whose operations metrics and traces are named by."""
    from resolvers import manifest

    return manifest.operations(_settings(_API).manifest or manifest.MANIFEST)


telemetry.install(os.environ, documents=_documents)

# Lambda gives more power to the import of this module than to the first event.
if os.environ.get("_HANDLER") == "handler.authorizer":
    import boto3  # noqa: F401

    from auth import authorizer as _authorizer_itself  # noqa: F401
elif os.environ.get("_HANDLER") == "handler.api":
    import app  # noqa: F401

    gc.collect()
    gc.freeze()  # what is loaded by now stays: the collector need not walk through it every few requests


def api(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answers a request of API Gateway's, payload format 2.0."""
    answer: dict[str, Any] = _application()(event, context)
    return answer


def authorizer(event: dict[str, Any], context: object) -> dict[str, object]:
    """Whether the gateway hands a request on: payload format 2.0, simple response."""
    from auth import authorizer as asked

    authorization = next((text for name, text in event["headers"].items() if name.lower() == "authorization"), None)
    decision = _runner().run(_authorizer().decide(authorization, now=datetime.now(UTC)))
    line = {"request": event["requestContext"]["requestId"], "verdict": decision.verdict, "reason": decision.reason}
    _decisions.info("%s", json.dumps(line))
    return asked.answer(decision)


def billing_worker(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Do what the queue's messages ask, and name those that are to come again. Twice, late or out of order: all one."""
    return _work(lambda connections: _bill(connections, event["Records"]))


async def _bill(connections: Connections, records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    from app import billing_queue, utc_now
    from billing import queue
    from billing.cloudwatch import CloudWatch

    settings = _settings(_WORKERS)
    send, read = billing_queue(settings).send, CloudWatch(settings.aws_endpoint).read
    failed: list[dict[str, str]] = []
    for record in records:
        try:
            with _told(queue.kind_of(record["body"])):
                await queue.take(connections, record["body"], send=send, read=read, clock=utc_now)
        except Exception:
            _log.exception("message %s of the billing queue is to come again", record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def outbox_worker(event: dict[str, Any], context: object) -> dict[str, str]:
    """Give out the webhooks and texts that are due, and send all mail that is, together with whoever else does.

    A schedule calls it every minute, and the next call goes on where this one ends.
    """
    return {"status": "done" if _work(_leave) else "mail stands still"}


async def _leave(connections: Connections) -> bool:
    """Whether mail leaves. Webhooks do not wait for it, nor it for them."""
    given_out, mailed = await asyncio.gather(_give_out(connections), _mail(connections), return_exceptions=True)
    for ended in (given_out, mailed):
        if isinstance(ended, BaseException):
            raise ended
    return mailed is True


async def _mail(connections: Connections) -> bool:
    from app import press, utc_now
    from billing import outbox
    from billing.ses import Ses

    settings = _settings(_WORKERS)
    with _told("mail") as line:
        line["lag"] = (await outbox.lag(connections, now=utc_now())).total_seconds()
        send = Ses(settings.aws_endpoint).send
        until = utc_now() + outbox.STINT
        sent = await outbox.work(connections, send=send, press=press(settings), clock=utc_now, until=until)
        if not sent:
            line["outcome"] = "stands still"
    return sent


async def _give_out(connections: Connections) -> None:
    """To the queue of parcels. What does not get there is claimed again when its lease has ended."""
    from app import utc_now
    from billing import deliveries, outbox
    from billing.sqs import Sqs

    settings = _settings(_WORKERS)
    until = utc_now() + outbox.STINT
    if settings.parcels_queue_url is not None:
        parcels_queue = Sqs(settings.parcels_queue_url, settings.aws_endpoint)
        with _told("webhooks"):
            while utc_now() < until and (parcels := await deliveries.claim(connections, clock=utc_now)):
                await asyncio.to_thread(parcels_queue.send, [parcel.written() for parcel in parcels])


def sender(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Send what the queue of parcels holds, at once, and tell the queue of receipts what became of each.

    Has no database. Names the messages that are to come again: their receivers may hear twice, under the same id.
    """
    return asyncio.run(_deliver(event["Records"]))


async def _deliver(records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    from billing.parcels import Parcel
    from billing.post import Net
    from billing.sender import Sender
    from billing.sms import Sms
    from billing.sqs import Sqs

    settings = _settings(_SENDERS)
    one = Sender(settings.webhook_keys, Net(), Sms(settings.aws_endpoint).send, lambda: datetime.now(UTC))
    receipts_queue = Sqs(settings.receipts_queue_url or "", settings.aws_endpoint)

    async def deliver(record: dict[str, Any]) -> dict[str, str] | None:
        try:
            receipt = await one.send(Parcel.read(record["body"]))
            if receipt is not None:
                await asyncio.to_thread(receipts_queue.send, [receipt.written()])
        except Exception:
            _log.exception("parcel %s is to come again", record["messageId"])
            return {"itemIdentifier": record["messageId"]}
        return None

    with _told("parcels") as line:
        failed = [one for one in await asyncio.gather(*map(deliver, records)) if one is not None]
        if failed:
            line["outcome"] = "again"
    return {"batchItemFailures": failed}


def receipts(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
    """Write down what became of webhooks and texts, and name the messages that are to come again."""
    return _work(lambda connections: _settle(connections, event["Records"]))


async def _settle(connections: Connections, records: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, str]]]:
    from random import SystemRandom

    from app import utc_now
    from billing import deliveries
    from billing.parcels import Receipt

    failed: list[dict[str, str]] = []
    for record in records:
        try:
            with _told("receipt"):
                receipt = Receipt.read(record["body"])
                await deliveries.settle(connections, receipt, clock=utc_now, jitter=SystemRandom().random)
        except Exception:
            _log.exception("receipt %s is to come again", record["messageId"])
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def bounced(event: dict[str, Any], context: object) -> dict[str, str]:
    """Show that a letter was sent back, as SES tells it over EventBridge. Raises NotSentYet: then the event comes again."""
    from billing import bounces

    bounce = bounces.Bounce.read(event)
    if bounce is None:
        return {"status": "not ours"}
    with _told("bounce"):
        _work(lambda connections: bounces.settle(connections, bounce))
    return {"status": "done"}


def scheduled(event: dict[str, Any], context: object) -> dict[str, str]:
    """The job that a schedule's `event` names, as of the event's `time`. Raises KeyError for one that is none.

    `month` again and again on the first days of one; `reminders` once a day; `runs` and `ends`
    every few minutes.
    """
    now = datetime.fromisoformat(event["time"])
    job = _JOBS[event["job"]]
    with _told(event["job"]) as line:
        line |= _work(lambda connections: job(connections, now))
    return {"status": "done"}


def migrate(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Make the database ready for this release: before its code is deployed, and the first time after the database was made.

    `{"restored": true}` also makes worthless in it whatever its original gave out, which `renewed` in the answer says:
    before a copy serves anyone.
    """
    import release

    environment: Environment = "test" if os.environ.get("LANDLORD_KEY_ENVIRONMENT") == "test" else "live"
    vault, prefix = _vault()
    restored = event.get("restored") is True

    async def act(migrator: asyncpg.Connection) -> release.Done:
        done = await release.make_ready(migrator, vault, prefix=prefix, environment=environment)
        if restored:
            await release.renew(migrator, vault, prefix=prefix)
        return done

    return asdict(_as_migrator(act)) | {"renewed": restored}


def rotate(event: dict[str, str], context: object) -> None:
    """One of the four steps by which Secrets Manager turns a secret; the event names step, secret and version."""
    import release

    vault, prefix = _vault()
    # an ARN ends in the name, a hyphen and six characters
    name = event["SecretId"].partition(":secret:")[2].rpartition("-")[0]
    version, step = event["ClientRequestToken"], event["Step"]
    url = os.environ["LANDLORD_MIGRATOR_URL"]
    _as_migrator(
        lambda migrator: release.turn(migrator, vault, step=step, name=name, version=version, prefix=prefix, url=url)
    )


async def _begin_month(connections: Connections, now: datetime) -> dict[str, Any]:
    """Raises NotBegun where the month stays unread until noon of the 2nd: a few calls more, and nobody comes any more."""
    from app import NotBegun, begin_month
    from billing.periods import Month

    month = Month.of(now.date()).previous()
    if not await begin_month(_settings(NEEDED), month, today=now.date()):
        if (now.day, now.hour) >= _LATE:
            raise NotBegun(month, ["USAGE_SYNC_LATE"])
        _log.info("%s is not billed yet: its use is still being read", month)
    return {}


async def _share_out_runs(connections: Connections, now: datetime) -> dict[str, Any]:
    """What nobody was told of, or was put aside, is told again."""
    from app import billing_queue, utc_now
    from billing import queue
    from billing.cloudwatch import CloudWatch

    settings = _settings(_WORKERS)
    read = CloudWatch(settings.aws_endpoint).read
    await queue.share_out(connections, send=billing_queue(settings).send, read=read, clock=utc_now)
    return {}


async def _remind(connections: Connections, now: datetime) -> dict[str, Any]:
    from auth import expiry
    from billing import dunning, leftovers

    await dunning.remind(connections, now=now)
    await expiry.remind(connections, now=now)
    await leftovers.remove(connections, now=now)
    return {"ending": await expiry.house_keys(connections, now=now)}


async def _tell_again(connections: Connections, now: datetime) -> dict[str, Any]:
    """What ended lately, for sandboxes that were not told of it at the time."""
    from auth.dynamo import Table
    from auth.ends import Ends
    from auth.retelling import tell_again

    settings = _settings(_WORKERS)
    table = Table(settings.access_table, settings.aws_endpoint) if settings.access_table is not None else None
    await tell_again(connections, Ends(table), now=now)
    return {}


# Day of the month, and hour.
_LATE = (2, 12)

# What each answers is said in its line of the log.
_JOBS: Mapping[str, Callable[[Connections, datetime], Awaitable[dict[str, Any]]]] = {
    "month": _begin_month,
    "reminders": _remind,
    "ends": _tell_again,
    "runs": _share_out_runs,
}

_API = NEEDED - {"LANDLORD_WORKER_URL"}
_WORKERS = frozenset({"LANDLORD_WORKER_URL"})
_SENDERS = frozenset({"LANDLORD_WEBHOOK_KEYS", "LANDLORD_RECEIPTS_QUEUE_URL"})
_AUTHORIZERS = frozenset({"LANDLORD_SESSION_KEYS", "LANDLORD_PEPPER"})


@contextmanager
def _told(job: str) -> Iterator[dict[str, Any]]:
    """One line of the log says of this work how it ended, and how long it took."""
    line: dict[str, Any] = {"job": job, "outcome": "done"}
    begun = time.perf_counter()
    try:
        yield line
    except BaseException:
        line["outcome"] = "again"
        raise
    finally:
        _jobs.info("%s", json.dumps(line | {"ms": round((time.perf_counter() - begun) * 1000, 1)}))


@cache
def _settings(needs: frozenset[str]) -> Settings:
    """Once a sandbox, at its first event."""
    return Settings.load(needs=needs)


def _renew(needs: frozenset[str]) -> Settings:
    return Settings.load(needs=needs, fresh=True)


@cache
def _application() -> Any:
    from mangum import Mangum

    from app import create_app

    return Mangum(
        create_app(_settings(_API), renew=partial(_renew, _API)),
        lifespan="off",
        text_mime_types=["application/graphql-response+json", "application/json", "text/", "image/svg+xml"],
    )


@cache
def _runner() -> asyncio.Runner:
    """Of what answers each request, so that not each of them makes a loop, and a thread to ask DynamoDB in."""
    return asyncio.Runner()


@cache
def _authorizer() -> Authorizer:
    from auth.authorizer import Authorizer
    from auth.cache import SharedCache
    from auth.dynamo import Table
    from auth.ends import Ends
    from auth.keyring import Keyring
    from settings import MissingSettings

    settings = _settings(_AUTHORIZERS)
    if settings.access_table is None:
        raise MissingSettings(["LANDLORD_ACCESS_TABLE is not set"])
    table = Table(settings.access_table, settings.aws_endpoint)
    ends = Ends(table)
    keyring = Keyring(*settings.signing(), fetch=lambda: _renew(_AUTHORIZERS).signing())
    return Authorizer(keyring, SharedCache(table, ends, settings.pepper), ends)


def _work(act: Callable[[Connections], Awaitable[Answer]]) -> Answer:
    from app import connect

    async def connected() -> Answer:
        connections = connect(_settings(_WORKERS), renew=partial(_renew, _WORKERS))
        try:
            return await act(connections)
        finally:
            await connections.close()

    return asyncio.run(connected())


def _vault() -> tuple[Vault, str]:
    """Where the secrets are, and what their names begin with."""
    from auth.vault import Vault

    return Vault(os.environ.get("AWS_ENDPOINT_URL")), os.environ["LANDLORD_SECRETS_PREFIX"]


def _as_migrator(act: Callable[[asyncpg.Connection], Awaitable[Answer]]) -> Answer:
    from urllib.parse import urlsplit

    import asyncpg

    from app import login_token

    url = os.environ["LANDLORD_MIGRATOR_URL"]

    async def connected() -> Answer:
        password = None if urlsplit(url).password is not None else login_token(url)
        migrator = await asyncpg.connect(url, password=password, timeout=10)
        try:
            return await act(migrator)
        finally:
            await migrator.close()

    return asyncio.run(connected())
