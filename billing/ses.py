"""Amazon SES, version 2: takes a letter, refuses it for good, or is not to be had just now."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from random import SystemRandom
from typing import Any, Final

from billing.mail import Letter, Refused
from db.clients import opened

# What SES says of one letter, and will say again tomorrow. All else is about the account, the network or the moment.
_FOR_GOOD = {"MessageRejected", "BadRequestException"}
# More in a second than this account may send. Such a letter has not left for certain, so it can be tried again at once.
_TOO_FAST = {"TooManyRequestsException", "ThrottlingException", "Throttling"}
_PAUSES: Final = (0.5, 1.5)  # seconds, and up to as long again, so that those who wait do not come back together
_ADDRESS = re.compile(r"\S+@\S+")


class Unreachable(Exception):
    """No letter leaves now, whoever it is for; the message says what SES, or the way there, answered."""


class Ses:
    """`endpoint_url` is another address than Amazon's own: the emulator's. Nothing is opened before the first letter."""

    def __init__(self, endpoint_url: str | None = None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._endpoint_url = endpoint_url
        self._sleep = sleep

    def send(self, letter: Letter) -> None:
        """Blocks: call it in a thread. Raises Refused or Unreachable; after the latter it may have left all the same."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            for pause in _PAUSES:
                try:
                    self._send(letter)
                    return
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") not in _TOO_FAST:
                        raise
                self._sleep(pause * (1 + SystemRandom().random()))
            self._send(letter)
        except ClientError as error:
            code, message = (error.response.get("Error", {}).get(part, "") for part in ("Code", "Message"))
            # a sender that SES does not know is our own mistake, and no letter's
            if code in _FOR_GOOD and letter.sender not in message:
                raise Refused(f"The mail service refuses it: {message}"[:500]) from error
            # for the log, which names nobody
            raise Unreachable(f"SES answers {code}: {_ADDRESS.sub('(an address)', message)}") from error
        except BotoCoreError as error:
            raise Unreachable(f"SES cannot be reached: {type(error).__name__}") from error

    def _send(self, letter: Letter) -> None:
        self._client.send_email(
            FromEmailAddress=letter.sender,
            Destination={"ToAddresses": [letter.recipient]},
            Content={"Raw": {"Data": letter.raw}},
            EmailTags=[{"Name": name, "Value": value} for name, value in letter.tags.items()],
        )

    @opened
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # tries are the outbox's business, which remembers them
        config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})
        return boto3.client("sesv2", endpoint_url=self._endpoint_url, config=config)
