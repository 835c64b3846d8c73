"""Posts to a server that a customer has named, and to nothing of ours: once looked up, its address is looked at and kept.

    status = await post("https://hooks.acme.example/landlord", headers, body)

A name may lead anywhere, and somewhere else at every look. So it is looked up once, all that it leads to has to be
public, and the connection goes to just that address, while the certificate has to be the name's. Nothing is read of an
answer but its status; no redirect is followed; nothing takes longer than SECONDS in all.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import h11

from billing.addresses import is_public
from billing.endpoints import parsed

SECONDS: Final = 10.0
PORT: Final = 443
# Of an answer: its head, and what may come before it (100 Continue, 103 Early Hints).
MOST_READ: Final = 64 * 1024
_MOST_ADDRESSES: Final = 3
_CHUNK: Final = 4096


class Undelivered(Exception):
    """Nobody took it; the message says why, in a sentence that the customer may read."""


async def look_up(host: str) -> list[str]:
    """The addresses of a name, as this machine finds them. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, PORT, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def dial(address: str) -> socket.socket:
    """A connection to this very address. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dialled = socket.socket(family, socket.SOCK_STREAM)
    try:
        dialled.setblocking(False)
        await asyncio.get_running_loop().sock_connect(dialled, (address, PORT))
    except BaseException:
        dialled.close()
        raise
    return dialled


@dataclass(frozen=True)
class Net:
    """The ways out. `tls` says whose certificates are believed."""

    look_up: Callable[[str], Awaitable[Sequence[str]]] = look_up
    dial: Callable[[str], Awaitable[socket.socket]] = dial
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)


async def post(url: str, headers: Mapping[str, str], body: bytes, net: Net, *, seconds: float = SECONDS) -> int:
    """The status of the answer, whatever it is. Raises Undelivered."""
    place = parsed(url)
    if place is None:
        raise Undelivered("This is no address that messages are sent to.")
    host, target = place
    try:
        async with asyncio.timeout(seconds):
            connection = await _connected(host, net)
            try:
                reader, writer = await asyncio.open_connection(sock=connection, ssl=net.tls, server_hostname=host)
            except BaseException:
                connection.close()
                raise
            try:
                return await _asked(reader, writer, host, target, headers, body)
            finally:
                writer.transport.abort()
    except TimeoutError as late:
        raise Undelivered(f"The server did not answer within {seconds:.0f} seconds.") from late
    except ssl.SSLCertVerificationError as problem:
        raise Undelivered(f"The server's certificate is not good: {problem.verify_message}.") from problem
    except ssl.SSLError as problem:
        raise Undelivered("The server speaks no TLS that we do.") from problem
    except OSError as problem:
        raise Undelivered("The connection to the server broke, or was refused.") from problem
    except h11.RemoteProtocolError as problem:
        raise Undelivered("The server's answer was no HTTP.") from problem


async def _connected(host: str, net: Net) -> socket.socket:
    """To the first address of the name that answers. Raises Undelivered and OSError."""
    try:
        addresses = await net.look_up(host)
    except (OSError, UnicodeError) as unknown:
        raise Undelivered("The server's name leads nowhere.") from unknown
    if not addresses:
        raise Undelivered("The server's name leads nowhere.")
    if not all(map(is_public, addresses)):
        # one among good ones is no accident
        raise Undelivered("The server's name leads to an address that is not public.")
    # IPv4 first: outside of a VPC Lambda reaches no other
    *others, last = sorted(addresses, key=lambda address: ":" in address)[:_MOST_ADDRESSES]
    for address in others:
        with suppress(OSError):
            return await net.dial(address)
    return await net.dial(last)


async def _asked(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
) -> int:
    talk = h11.Connection(h11.CLIENT)
    own = {"host": host, "content-type": "application/json", "content-length": str(len(body))}
    own |= {"user-agent": "Landlord-Webhooks/1.0", "connection": "close"}
    request = h11.Request(method="POST", target=target, headers=[*own.items(), *headers.items()])
    for said in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(talk.send(said) or b"")
    read = 0
    while read <= MOST_READ:
        event = talk.next_event()
        if event is h11.NEED_DATA:
            chunk = await reader.read(_CHUNK)
            read += len(chunk)
            talk.receive_data(chunk)
        elif isinstance(event, h11.Response):
            return event.status_code
        elif not isinstance(event, h11.InformationalResponse):
            raise Undelivered("The server hung up without an answer.")
    raise Undelivered("The server's answer has no end.")
