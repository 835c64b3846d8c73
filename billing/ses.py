"""Amazon SES, version 2: takes a letter, refuses it for good, or is not to be had just now."""

from __future__ import annotations

import re
from typing import Any

from billing.mail import Letter, Refused
from db.clients import opened

# What SES says of one letter, and will say again tomorrow. All else is about the account, the network or the moment.
_FOR_GOOD = {"MessageRejected", "BadRequestException"}
_ADDRESS = re.compile(r"\S+@\S+")


class Unreachable(Exception):
    """No letter leaves now, whoever it is for; the message says what SES, or the way there, answered."""


class Ses:
    """`endpoint_url` is another address than Amazon's own: the emulator's. Nothing is opened before the first letter."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._endpoint_url = endpoint_url

    def send(self, letter: Letter) -> None:
        """Blocks: call it in a thread. Raises Refused or Unreachable; after the latter it may have left all the same."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.send_email(
                FromEmailAddress=letter.sender,
                Destination={"ToAddresses": [letter.recipient]},
                Content={"Raw": {"Data": letter.raw}},
                EmailTags=[{"Name": name, "Value": value} for name, value in letter.tags.items()],
            )
        except ClientError as error:
            code, message = (error.response.get("Error", {}).get(part, "") for part in ("Code", "Message"))
            # a sender that SES does not know is our own mistake, and no letter's
            if code in _FOR_GOOD and letter.sender not in message:
                raise Refused(f"The mail service refuses it: {message}"[:500]) from error
            # for the log, which names nobody
            raise Unreachable(f"SES answers {code}: {_ADDRESS.sub('(an address)', message)}") from error
        except BotoCoreError as error:
            raise Unreachable(f"SES cannot be reached: {type(error).__name__}") from error

    @opened
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # tries are the outbox's business, which remembers them
        config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})
        return boto3.client("sesv2", endpoint_url=self._endpoint_url, config=config)
