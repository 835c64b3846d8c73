"""S3 as it may be met: by a role that may not list, or may nothing; with bytes that rotted; silent."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_CONFLICT = b"<?xml version='1.0'?><Error><Code>ConditionalRequestConflict</Code><Message>Try again</Message></Error>"
_DENIED = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_PASSED_ON = ("content-length", "content-type", "if-none-match", "authorization", "x-amz-")


@contextmanager
def without_listing(emulator: str, *, refuses: str = "", spoils: bool = False, conflicts: int = 0) -> Iterator[str]:
    """The emulator's S3 for who may not list a bucket: what is missing is refused. So are requests of the methods in `refuses`.

    Where it `spoils` what it gives, the last byte is another. The first `conflicts` puts come while another's is under way.
    """
    left = [conflicts]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower().startswith(_PASSED_ON)}
            there = http.client.HTTPConnection(urlsplit(emulator).netloc, timeout=30)
            kept: list[tuple[str, str]] = []
            if self.command in refuses:
                status, said = 403, _DENIED
            elif self.command == "PUT" and left[0]:
                left[0] -= 1
                status, said = 409, _CONFLICT
            else:
                there.request(self.command, self.path, body, headers)
                answer = there.getresponse()
                status, said, kept = answer.status, answer.read(), answer.getheaders()
            if status == 404:
                status, said, kept = 403, _DENIED, []
            there.close()
            if spoils and status == 200 and said:
                said = said[:-1] + bytes([said[-1] ^ 1])
            self.send_response(status)
            for name, value in kept:
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def silent() -> Iterator[str]:
    """Takes every connection, and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=32) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
