"""Amazon SQS: keeps messages until somebody has done what they ask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

_MOST_AT_ONCE = 10


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
        for start in range(0, len(bodies), _MOST_AT_ONCE):
            entries = [
                {"Id": str(place), "MessageBody": body}
                for place, body in enumerate(bodies[start : start + _MOST_AT_ONCE])
            ]
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            if failed := answer.get("Failed"):
                raise NotSent(f"{len(failed)} of {len(entries)}: {failed[0].get('Code')}")

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
        return boto3.client("sqs", endpoint_url=self._endpoint_url, config=config)
