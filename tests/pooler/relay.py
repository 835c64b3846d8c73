"""Passes on what clients and a pooler say to each other, and keeps what the clients should not have said.

It runs in a thread of its own, so that a test which blocks does not stop it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.pooler.pins import BEGIN, Client, Pin
from tests.pooler.wire import ASK_FOR_GSSAPI, ASK_FOR_TLS, CANCEL, Messages, texts

_NO_ENCRYPTION = b"N"


@dataclass(frozen=True, slots=True)
class Finding:
    """`test` is where pytest was at that moment, "" outside of it."""

    pin: Pin
    text: str
    user: str
    test: str


@dataclass
class Heard:
    """What a relay has heard. To be read once it has ended, or when nobody speaks."""

    port: int = 0
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[Exception] = field(default_factory=list)


@contextmanager
def relay(to: int) -> Iterator[Heard]:
    """Between whoever connects to its port and the port `to`, both of 127.0.0.1. Raises what broke it at the end."""
    heard = Heard()
    ready, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(heard, to, ready, ended)), name="relay")
    thread.start()
    try:
        assert ready.wait(10), "the relay did not start"
        yield heard
    finally:
        ended.set()
        thread.join()
    if heard.broken:
        raise ExceptionGroup("the relay broke", heard.broken)


async def _serve(heard: Heard, to: int, ready: threading.Event, ended: threading.Event) -> None:
    passing: set[asyncio.Task[None]] = set()

    def come(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_attend(heard, to, reader, writer))
        passing.add(task)
        task.add_done_callback(passing.discard)

    server = await asyncio.start_server(come, "127.0.0.1", 0)
    heard.port = server.sockets[0].getsockname()[1]
    ready.set()
    await asyncio.to_thread(ended.wait)
    server.close()
    for task in passing:
        task.cancel()
    await asyncio.gather(*passing, return_exceptions=True)


async def _attend(heard: Heard, to: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await _pass(heard, to, reader, writer)
    except OSError:
        heard.counts["connections cut off"] += 1
    except Exception as error:
        heard.broken.append(error)
    finally:
        writer.close()


async def _pass(heard: Heard, to: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection, until either side ends it."""
    client, said = Client(), Messages(starts=True)
    server_reader, server_writer = await asyncio.open_connection("127.0.0.1", to)
    heard.counts["connections"] += 1

    async def up() -> None:
        while data := await reader.read(65536):
            for kind, body in said.feed(data):
                _hear(heard, client, kind, body)
                if kind == b"" and body.startswith(CANCEL):
                    # as RDS Proxy, which lets a statement that is to be cancelled run on
                    heard.counts["requests to cancel, not passed on"] += 1
                    return
                elif kind == b"" and body in (ASK_FOR_TLS, ASK_FOR_GSSAPI):
                    writer.write(_NO_ENCRYPTION)
                else:
                    server_writer.write(kind + (len(body) + 4).to_bytes(4, "big") + body)
            await server_writer.drain()

    async def down() -> None:
        answers = Messages(starts=False)
        while data := await server_reader.read(65536):
            for kind, body in answers.feed(data):
                client.hears(kind, body)
            writer.write(data)
            await writer.drain()

    ways = [asyncio.create_task(up()), asyncio.create_task(down())]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        ended = await asyncio.gather(*ways, return_exceptions=True)
        server_writer.close()
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


def _hear(heard: Heard, client: Client, kind: bytes, body: bytes) -> None:
    heard.counts["messages"] += 1
    if kind == b"P":
        heard.counts["statements parsed"] += 1
    elif kind == b"Q" and texts(body, 1) == [BEGIN]:
        heard.counts["transactions"] += 1
    for pin, text in client.says(kind, body):
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        heard.findings.append(Finding(pin, text, client.user, test))
