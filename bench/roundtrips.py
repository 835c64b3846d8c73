"""How often a server waits for its database, heard on the wire between the two.

    with counting(port_of_postgres) as heard:
        ...                                # a server over heard.port
        heard.waits                        # so far

A round trip is whatever a client says after the server has spoken. Slow, as all passes through Python: nothing is timed here.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass
class Heard:
    port: int
    waits: int = 0

    def through(self, url: str) -> str:
        """The same database by way of here; without TLS, which nobody could listen in to."""
        parts = urlsplit(url)
        return parts._replace(
            netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self.port}", query="sslmode=disable"
        ).geturl()


@contextmanager
def counting(server: int) -> Iterator[Heard]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard = Heard(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, server, heard), daemon=True).start()
        yield heard


def _accept(listener: socket.socket, server: int, heard: Heard) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        upstream = socket.create_connection(("127.0.0.1", server))
        for one in (client, upstream):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_carry, args=(client, upstream, heard), daemon=True).start()


def _carry(client: socket.socket, upstream: socket.socket, heard: Heard) -> None:
    """Until one of the two hangs up."""
    server_spoke = False
    with client, upstream, selectors.DefaultSelector() as waiting:
        waiting.register(client, selectors.EVENT_READ, upstream)
        waiting.register(upstream, selectors.EVENT_READ, client)
        while True:
            for key, _ in waiting.select():
                source, to = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                try:
                    data = source.recv(1 << 16)
                    to.sendall(data)
                except OSError:
                    return
                if not data:
                    return
                if source is client and server_spoke:
                    heard.waits += 1
                server_spoke = source is upstream
