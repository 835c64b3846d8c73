"""A customer's own server on loopback, behind names and addresses that look public; and the way there, for `billing.post`.

Its certificates were signed by an authority whose key nobody has any more (tests/webhooks/certificates).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from billing.post import Net

CERTIFICATES = Path(__file__).with_name("certificates")
HOST = "hooks.acme.example"
URL = f"https://{HOST}/landlord?of=acme"
# of nobody's server, and public by all rules
PUBLIC = "93.184.215.14"
OTHER = "93.184.215.15"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CERTIFICATES / "ca.pem")


def status(code: int, *headers: str) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join([f"HTTP/1.1 {code} Said", *headers, "Content-Length: 0", "", ""]).encode())
        await writer.drain()

    return answer


def saying(*parts: bytes, pause: float = 0) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


@dataclass(frozen=True)
class Request:
    line: str
    headers: Mapping[str, str]
    body: bytes
    server_name: str | None


@dataclass
class Hooks:
    """`requests` came whole, `connections` were begun. The next answers are those of `answers`, then `otherwise`."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    answers: list[Answer] = field(default_factory=list)
    otherwise: Answer = field(default_factory=lambda: status(204))
    names: list[str | None] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, certificate: str = "server") -> AsyncIterator[Hooks]:
        hooks = cls()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(CERTIFICATES / f"{certificate}.pem")
        tls.sni_callback = lambda _, name, __: hooks.names.append(name)
        server = await asyncio.start_server(hooks._serve, "127.0.0.1", 0, ssl=tls)
        hooks.port = server.sockets[0].getsockname()[1]
        try:
            yield hooks
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.requests.append(Request(line, headers, body, self.names[-1]))
            await (self.answers.pop(0) if self.answers else self.otherwise)(writer)
        except (OSError, EOFError):
            pass  # the other side hung up: it is what some tests are about
        finally:
            writer.transport.abort()

    def net(self, **given: list[str]) -> World:
        return World(self, {HOST: [PUBLIC], **given})


@dataclass
class World:
    """Names, and the one server at every public address. `asked` and `dialled` are what was looked up and connected to."""

    hooks: Hooks
    names: dict[str, list[str]]
    asked: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    tls: ssl.SSLContext = field(default_factory=trusting)

    @property
    def net(self) -> Net:
        return Net(self._look_up, self._dial, self.tls)

    async def _look_up(self, host: str) -> list[str]:
        self.asked.append(host)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.names[host]

    async def _dial(self, address: str) -> socket.socket:
        self.dialled.append(address)
        if address in self.dead:
            raise ConnectionRefusedError
        dialled = socket.socket()
        dialled.setblocking(False)
        await asyncio.get_running_loop().sock_connect(dialled, ("127.0.0.1", self.hooks.port))
        return dialled
