"""The composition root: the wiring, and the web application.

A sandbox imports this while somebody waits, so what a first answer may do without is imported where it is used.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette import types as asgi
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from auth import sessions
from auth.cache import KeyCache, MemoryCache, SharedCache
from auth.dynamo import Table
from auth.ends import Ends
from auth.keyring import Keyring
from auth.secrets import NoSecret
from auth.signin import SignIn
from auth.throttle import Throttle
from db import iam
from db.connection import Connections, Role
from db.errors import LandlordError, Unavailable
from resolvers import beforehand, manifest
from resolvers.buckets import ALLOWANCES, Allowance, Buckets, Ledger
from resolvers.engine import Engine, Question
from resolvers.http import Endpoint
from resolvers.limits import LIMITS, Limits
from resolvers.manifest import Documents
from resolvers.operation import Operations
from resolvers.readings import Readings
from schema.context import Origin
from settings import MissingSettings as MissingSettings
from settings import Settings as Settings

if TYPE_CHECKING:
    from billing.deliveries import Deliver
    from billing.outbox import Send
    from billing.pdf import Press
    from billing.periods import Month
    from billing.sqs import Sqs
    from billing.usage_sync import Read
    from resolvers.execution import Core
    from resolvers.papers import Papers

Clock = Callable[[], datetime]
Renew = Callable[[], Settings]


class NotBegun(Exception):
    """What a schedule started was refused; `codes` say why."""

    def __init__(self, month: Month, codes: Sequence[str]) -> None:
        super().__init__(f"{month}: {', '.join(codes)}")
        self.codes = codes


def utc_now() -> datetime:
    return datetime.now(UTC)


_log = logging.getLogger("landlord.app")
_NAP = 10  # seconds between looks at what is due, where nobody wakes the worker

_PAGE = Path(__file__).parent / "graphiql" / "dist"
_PLACE = '<script type="application/json" id="landlord">{}</script>'
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline';"
    " font-src 'self' data:; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def create_app(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    limits: Limits = LIMITS,
    allowances: Mapping[str, Allowance] = ALLOWANCES,
    renew: Renew | None = None,
) -> Starlette:
    """The whole application. It opens nothing before its first request, so a sandbox may be frozen before it.

    `renew` says the settings anew where a password or a signing key turns out to be an old one.
    """
    connections = connect(settings, renew)

    @cache
    def one_press() -> Press:
        return press(settings)

    worker = Worker(
        connections,
        clock,
        press=one_press,
        read=_reader(settings) if settings.work_here else None,
        send=_sender(settings) if settings.mail else None,
        deliver=_deliverer(settings, clock) if settings.webhooks else None,
    )
    operations = _operations(settings, connections, wake_here=worker.wake, renew=renew)
    sign_in = operations.sign_in
    buckets = Buckets(_ledger(settings) if settings.buckets_table else None, allowances=allowances)
    known = settings.manifest or manifest.MANIFEST
    documents = Documents(manifest.read(known), alone=not settings.allow_ad_hoc)

    @cache
    def core() -> Core:
        return _core(limits, documents)

    @cache
    def papers() -> Papers:
        from resolvers.papers import Papers

        return Papers(operations, buckets, press=one_press(), clock=clock)

    readings = Readings(core, limits, documents, beforehand.read(known))

    async def explorer(request: Request) -> Response:
        """GraphiQL: open to everyone, and on a developer's machine signed in as the demo tenant."""
        token = ""
        if settings.demo_key:
            # where it was revoked, say in the explorer itself, the page asks for a key as it does elsewhere
            with suppress(LandlordError):
                key = await sign_in.verified(settings.demo_key, address=None, now=clock())
                signing = operations.keyring.sessions
                token, _ = sessions.issue(signing, key.caller(), key_expires_at=key.expires_at, now=clock())
        known = orjson.dumps({"token": token, "endpoint": "/graphql"}).decode().replace("<", "\\u003c")
        page = (_PAGE / "index.html").read_text()
        return HTMLResponse(page.replace(_PLACE, _PLACE.replace("{}", known)), headers=_PAGE_HEADERS)

    async def paper(request: Request) -> Response:
        return await papers().answer(request)

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def readyz(request: Request) -> Response:
        """Whether the database has what this release needs: migrations, roles, and isolation that refuses."""
        from db import readiness

        try:
            problems = await readiness.problems(connections)
        except LandlordError as error:
            problems = [str(error)]
        return JSONResponse(
            {"status": "ready" if not problems else "not ready", "problems": problems}, 503 if problems else 200
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        core()  # a server has time for it now
        async with worker.running() if settings.work_here else _nothing():
            yield
        await connections.close()

    return Starlette(
        routes=[
            Route(
                "/graphql",
                Endpoint(Engine(readings, operations, limits, buckets), clock=clock, explorer=explorer),
            ),
            Route("/invoices/{id}.pdf", paper),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Mount("/graphiql", _files),
        ],
        lifespan=lifespan,
    )


def _core(limits: Limits, documents: Documents | None = None) -> Core:
    from resolvers.execution import Core
    from schema.root import schema

    return Core(schema, limits, documents)


async def _files(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await _explorers_files()(scope, receive, send)


@cache
def _explorers_files() -> asgi.ASGIApp:
    from starlette.middleware.gzip import GZipMiddleware
    from starlette.staticfiles import StaticFiles

    return GZipMiddleware(StaticFiles(directory=_PAGE, check_dir=False))


def _reader(settings: Settings) -> Read:
    from billing.cloudwatch import CloudWatch

    return CloudWatch(settings.aws_endpoint).read


def _sender(settings: Settings) -> Send:
    from billing.ses import Ses

    return Ses(settings.aws_endpoint).send


def press(settings: Settings) -> Press:
    """What makes an invoice's PDF: once for all times where there is a bucket to keep it in."""
    if settings.papers_bucket is not None:
        from billing.kept_papers import KeptPapers

        return KeptPapers(settings.papers_bucket, settings.aws_endpoint).paper
    from billing import pdf

    return pdf.render


def _ledger(settings: Settings) -> Ledger:
    from resolvers.ledger import DynamoLedger

    assert settings.buckets_table is not None
    return DynamoLedger(Table(settings.buckets_table, settings.aws_endpoint))


async def begin_month(settings: Settings, month: Month, *, today: date, clock: Clock = utc_now) -> bool:
    """What is started once `month` is over: its use is read, each day anew, and when that is finished it is billed, once.

    Whether it is billed by now: call it again and again until it is. Done through the API, as the operator of
    `schedule_key`. Raises NotBegun, also where the reading broke: then the next day tries again, or a person.
    """
    connections = connect(settings)
    operations = _operations(settings, connections, wake_here=lambda: None)
    engine = Engine(_core(LIMITS), operations, LIMITS)

    async def done(mutation: str, key: str) -> Any:
        """The object that the mutation made, or made the first time. Raises NotBegun."""
        origin = Origin(request_id=f"schedule-{month}", now=clock(), authorization=f"Bearer {settings.schedule_key}")
        answer = await engine.answer(Question(mutation, variables={"month": str(month), "key": key}), origin)
        payloads = list((answer.data or {}).values())
        refused = [*answer.codes, *(error["code"] for payload in payloads for error in payload["errors"])]
        if refused:
            raise NotBegun(month, refused)
        return payloads[0]["started"]

    try:
        reading = await done(_SYNC_USAGE, f"schedule {month}, on {today}")
        if reading["status"] == "FAILED":
            raise NotBegun(month, ["USAGE_SYNC_FAILED"])
        if reading["finishedAt"] is not None:
            await done(_RUN_BILLING, f"schedule {month}")
        return reading["finishedAt"] is not None
    finally:
        await connections.close()


_SYNC_USAGE = """
    mutation ScheduledSync($month: Month!, $key: String!) {
        syncUsage(input: { month: $month, idempotencyKey: $key }) { started: usageSync { status finishedAt } errors { code } }
    }
"""
_RUN_BILLING = """
    mutation ScheduledBilling($month: Month!, $key: String!) {
        runBilling(input: { month: $month, issue: true, idempotencyKey: $key }) { started: billingRun { id } errors { code } }
    }
"""


def connect(settings: Settings, renew: Renew | None = None) -> Connections:
    """To the database, by all logins whose address the settings say. Nothing is opened yet."""

    async def renewed() -> Mapping[Role, str]:
        assert renew is not None
        try:
            return (await asyncio.to_thread(renew)).urls
        except (NoSecret, MissingSettings) as error:
            raise Unavailable(str(error)) from error

    return Connections(
        settings.urls,
        most=settings.connections,
        pooled=settings.pooled,
        renewed=renewed if renew is not None else None,
        password=login_token,
        relaxed_reads=settings.relaxed_reads,
    )


def login_token(url: str) -> str:
    """What a login without a password connects with; see `db.iam`."""
    return iam.token(*iam.login_of(url), environ=os.environ, now=utc_now())


def _operations(
    settings: Settings, connections: Connections, *, wake_here: Callable[[], None], renew: Renew | None = None
) -> Operations:
    keyring = Keyring(*settings.signing(), fetch=(lambda: renew().signing()) if renew is not None else None)
    table = Table(settings.access_table, settings.aws_endpoint) if settings.access_table is not None else None
    ends = Ends(table)
    cache: KeyCache = SharedCache(table, ends, settings.pepper) if table is not None else MemoryCache()
    return Operations(
        connections=connections,
        keyring=keyring,
        key_environment=settings.key_environment,
        sign_in=SignIn(connections, keyring, cache, Throttle(table)),
        ends=ends,
        wake_billing=_wake_by(settings) if settings.billing_queue_url else wake_here,
        webhook_keys=settings.webhook_keys,
    )


def _deliverer(settings: Settings, clock: Clock) -> Deliver:
    from billing.post import Net
    from billing.sender import Sender
    from billing.sms import Sms

    return Sender(settings.webhook_keys, Net(), Sms(settings.aws_endpoint).send, clock).send


def billing_queue(settings: Settings) -> Sqs:
    """Raises MissingSettings."""
    if settings.billing_queue_url is None:
        raise MissingSettings(["LANDLORD_BILLING_QUEUE_URL is not set"])
    from billing.sqs import Sqs

    return Sqs(settings.billing_queue_url, settings.aws_endpoint)


def _wake_by(settings: Settings) -> Callable[[], None]:
    sqs = billing_queue(settings)

    def wake() -> None:
        from billing import queue

        try:
            sqs.send([queue.WAKE])
        except Exception:
            # the run is committed: a schedule finds it in a few minutes
            _log.exception("nobody was woken to bill")

    return wake


class Worker:
    """Reads usage, bills, reminds and sends in the background of one process; where nobody does, a wake is no more than a
    wish.

    Without `send` mail waits, without `deliver` webhooks and texts, and without `read` usage.
    """

    def __init__(
        self,
        connections: Connections,
        clock: Clock,
        *,
        press: Callable[[], Press],
        read: Read | None,
        send: Send | None,
        deliver: Deliver | None,
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._press = press
        self._read = read
        self._send = send
        self._deliver_parcels = deliver
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._work())
        self.wake()  # a run may have been left by a process that was killed
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), timeout=_NAP)
            self._woken.clear()
            for job in (self._sync, self._bill, self._remind, self._mail, self._deliver):
                try:
                    await job()
                except Exception:
                    _log.exception("%s stopped, and is tried again in a while", job.__name__)

    async def _sync(self) -> None:
        from billing import usage_sync

        if self._read is not None:
            await usage_sync.work(self._connections, read=self._read, clock=self._clock)

    async def _bill(self) -> None:
        from billing import run

        await run.work(self._connections, clock=self._clock)

    async def _remind(self) -> None:
        from auth import expiry
        from billing import dunning, leftovers

        now = self._clock()
        await dunning.remind(self._connections, now=now)
        await expiry.remind(self._connections, now=now)
        await leftovers.remove(self._connections, now=now)

    async def _mail(self) -> None:
        from billing import outbox

        if self._send is not None:
            await outbox.work(self._connections, send=self._send, press=self._press(), clock=self._clock)

    async def _deliver(self) -> None:
        from random import SystemRandom

        from billing import deliveries

        if self._deliver_parcels is not None:
            await deliveries.work(
                self._connections, self._deliver_parcels, clock=self._clock, jitter=SystemRandom().random
            )


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield
