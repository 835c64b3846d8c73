"""Amazon SNS: takes a text for a telephone, refuses it for good, or is not to be had just now."""

from __future__ import annotations

from typing import Any

from db.clients import opened

# What SNS says of one number, and will say again tomorrow.
_FOR_GOOD = {"InvalidParameter", "InvalidParameterValue", "OptedOut"}


class NumberRefused(Exception):
    """It will never be taken; the message is for the customer to read."""


class NotTaken(Exception):
    """Not now; the message is for the log, and names nobody."""


class Sms:
    """`endpoint_url` is another address than Amazon's own: the emulator's. Nothing is opened before the first text."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._endpoint_url = endpoint_url

    def send(self, number: str, text: str) -> None:
        """Blocks: call it in a thread. Raises NumberRefused or NotTaken; after the latter it may have left all the same."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.publish(PhoneNumber=number, Message=text)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in _FOR_GOOD:
                raise NumberRefused("The carrier does not take texts for this number.") from error
            raise NotTaken(f"SNS answers {code}") from error
        except BotoCoreError as error:
            raise NotTaken(f"SNS cannot be reached: {type(error).__name__}") from error

    @opened
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # tries are the outbox's business, which remembers them
        config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})
        return boto3.client("sns", endpoint_url=self._endpoint_url, config=config)
