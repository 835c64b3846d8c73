"""Clients that cost little themselves: one request after the other over one socket, or many at once over as many."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Mapping
from typing import Any


def request(document: str, variables: Mapping[str, Any], headers: Mapping[str, str]) -> bytes:
    """A GraphQL request as it goes over the wire."""
    body = json.dumps({"query": document, "variables": variables}).encode()
    told = {
        "Host": "127.0.0.1",
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **headers,
    }
    return (
        "".join(
            ["POST /graphql HTTP/1.1\r\n", *(f"{name}: {text}\r\n" for name, text in told.items()), "\r\n"]
        ).encode()
        + body
    )


class Caller:
    """One connection, kept."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, asked: bytes) -> bytes:
        """The answer's body. Raises AssertionError where the status is not 200."""
        self._socket.sendall(asked)
        said = b""
        while (whole := _end(said)) is None or len(said) < whole:
            part = self._socket.recv(1 << 20)
            assert part, "hung up"
            said += part
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), said[:1000]
        return body

    def close(self) -> None:
        self._socket.close()


def _end(said: bytes) -> int | None:
    """The length of the whole answer; None while its head is not there."""
    at = said.find(b"\r\n\r\n")
    if at < 0:
        return None
    head = said[:at].lower()
    assert b"content-length:" in head, head
    return at + 4 + int(head.partition(b"content-length:")[2].split(b"\r\n")[0])


class _Many(asyncio.Protocol):
    """One of many connections that share what is left to ask."""

    def __init__(self, asked: bytes, left: list[int], done: asyncio.Future[None]) -> None:
        self._asked = asked
        self._left = left
        self._done = done
        self._said = bytearray()
        self._whole: int | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._said += data
        if self._whole is None:
            self._whole = _end(bytes(self._said))
        if self._whole is None or len(self._said) < self._whole:
            return
        if not self._said.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(AssertionError(bytes(self._said[:1000])))
            return
        self._said.clear()
        self._whole = None
        self._left[1] -= 1
        if self._left[1] == 0:
            self._done.set_result(None)
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        if self._left[0] > 0:
            self._left[0] -= 1
            self._transport.write(self._asked)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(AssertionError("hung up"))


def throughput(port: int, asked: bytes, *, requests: int, at_once: int) -> float:
    """Requests answered in a second, where so many are always under way."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        left = [requests, requests]
        began = time.perf_counter()
        transports = [
            (await loop.create_connection(lambda: _Many(asked, left, done), "127.0.0.1", port))[0]
            for _ in range(at_once)
        ]
        await done
        took = time.perf_counter() - began
        for transport in transports:
            transport.close()
        return requests / took

    return asyncio.run(run())
