"""A running application of its own with a DynamoDB of its own choosing, and DynamoDBs that do not answer."""

from __future__ import annotations

import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from starlette.applications import Starlette

from app import Renew, Settings, create_app, utc_now
from local.postgres import free_port
from tests.landlord import ManyAddresses

CREATE = "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } errors { code } } }"


@dataclass
class Clock:
    """Ahead of the machine's by what passed: less than half a minute, since the database has a clock of its own."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead

    def pass_by(self, **time: float) -> None:
        self.ahead += timedelta(**time)
        assert self.ahead < timedelta(seconds=30)


@dataclass
class Door:
    """A sandbox of the API: what it remembers it keeps from request to request."""

    app: Starlette
    settings: Settings
    clock: Clock
    http: httpx.AsyncClient

    async def ask(
        self,
        credentials: str | None,
        query: str = "{ viewer { name } }",
        *,
        address: str | None = None,
        **variables: Any,
    ) -> httpx.Response:
        return await self.http.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"accept": "application/graphql-response+json"}
            | ({"authorization": f"Bearer {credentials}"} if credentials is not None else {}),
            extensions={"address": address} if address is not None else {},
        )

    async def status(self, credentials: str | None, *, address: str | None = None) -> int:
        return (await self.ask(credentials, address=address)).status_code

    async def session(self, key: str) -> str:
        """The token of a new one."""
        answer = await self.ask(None, CREATE, key=key)
        token: str = answer.json()["data"]["createSession"]["session"]["token"]
        return token


@asynccontextmanager
async def opened(
    settings: Settings, *, table: str | None, endpoint: str | None, renew: Renew | None = None
) -> AsyncIterator[Door]:
    """As `settings` say, and with this table at this address."""
    clock = Clock()
    settings = replace(settings, access_table=table, aws_endpoint=endpoint)
    app = create_app(settings, clock=clock, renew=renew)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=ManyAddresses(app), base_url="http://landlord.test", timeout=60) as http,
    ):
        yield Door(app, settings, clock, http)


@dataclass
class Counted:
    """What a DynamoDB that does not answer was asked, and how often."""

    url: str
    asked: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


NO_CAPACITY = b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"no"}'


@contextmanager
def throttling(status: int = 400, body: bytes = NO_CAPACITY) -> Iterator[Counted]:
    """A DynamoDB without any capacity, or with another answer that it gives to everybody."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            counted.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            counted.asked.append(self.headers["x-amz-target"].rpartition(".")[2])
            self.send_response(status)
            self.send_header("content-type", "application/x-amz-json-1.0")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        counted = Counted(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield counted
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def gone() -> Iterator[Counted]:
    """Nobody listens there."""
    yield Counted(f"http://127.0.0.1:{free_port()}")


def new_name() -> str:
    return f"access-{secrets.token_hex(6)}"
