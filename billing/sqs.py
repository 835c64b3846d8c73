"""Amazon SQS: keeps messages until somebody has done what they ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from db.clients import opened

_MOST_AT_ONCE = 10
# Of all that is sent at once; SQS takes 256 KiB.
_MOST_BYTES = 200_000


class NotSent(Exception):
    """The queue did not take some of the messages."""


class Sqs:
    """One queue. `endpoint_url` is another address than Amazon's own: the emulator's. Nothing is opened before the
    first message."""

    def __init__(self, queue_url: str, endpoint_url: str | None = None) -> None:
        self._queue_url = queue_url
        self._endpoint_url = endpoint_url

    def send(self, bodies: Sequence[str]) -> None:
        """Blocks. Raises NotSent, or what botocore does; some may have been taken all the same."""
        for together in _parts(bodies):
            entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(together)]
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            if failed := answer.get("Failed"):
                raise NotSent(f"{len(failed)} of {len(entries)}: {failed[0].get('Code')}")

    @opened
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
        return boto3.client("sqs", endpoint_url=self._endpoint_url, config=config)


def _parts(bodies: Sequence[str]) -> Iterator[list[str]]:
    """In their order; one that is larger than all may be goes alone."""
    part: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if part and (len(part) == _MOST_AT_ONCE or size + length > _MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(body)
        size += length
    if part:
        yield part
