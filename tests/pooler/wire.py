"""PostgreSQL's messages, told apart in a stream of bytes.

Source: PostgreSQL's documentation, "Frontend/Backend Protocol", version 3: "Message Flow" and "Message Formats".
"""

from __future__ import annotations

from collections.abc import Iterator

# A client's first messages have no type; the first four bytes of the body say what they are.
STARTUP = (196608).to_bytes(4, "big")
CANCEL = (80877102).to_bytes(4, "big")
ASK_FOR_TLS = (80877103).to_bytes(4, "big")
ASK_FOR_GSSAPI = (80877104).to_bytes(4, "big")


class Messages:
    """What `feed` was given so far, as messages: (type, body), the type of a client's first ones being b"".

    `starts` is true of a client's side alone.
    """

    def __init__(self, *, starts: bool) -> None:
        self._starts = starts
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._kept += data
        at = 0
        while True:
            body_at = at + (4 if self._starts else 5)
            if len(self._kept) < body_at:
                break
            end = body_at - 4 + int.from_bytes(self._kept[body_at - 4 : body_at], "big")
            if len(self._kept) < end:
                break
            kind, body = bytes(self._kept[at : body_at - 4]), bytes(self._kept[body_at:end])
            at = end
            if kind == b"" and body.startswith(STARTUP):
                self._starts = False
            yield kind, body
        del self._kept[:at]


def texts(body: bytes, count: int) -> list[str]:
    """So many texts that a message begins with; each ends with a zero byte."""
    return [text.decode(errors="replace") for text in body.split(b"\0", count)[:count]]
