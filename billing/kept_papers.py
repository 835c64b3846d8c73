"""Invoices' PDFs in Amazon S3: the first that was made of an invoice is the one that everybody gets from then on.

    press = KeptPapers(bucket).paper    # in the place of `pdf.render`

A new release of the typesetter, of a font or of the template makes other bytes of the same rows; an invoice that somebody
has in hand must not change for that. Where S3 is out of reach the paper is set anew, as it is without a bucket: nobody
waits for an invoice because of where it is kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import Any

from billing import pdf
from billing.pdf import Paper
from db.clients import opened

_TRIES = 3

_log = logging.getLogger("landlord.papers")


class OutOfReach(Exception):
    """S3 did not answer in time, or refuses: then `code` is its own. The message says which."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class KeptPapers:
    """One bucket. `endpoint_url` is another address than Amazon's own: the emulator's. Nothing is opened before the first
    paper."""

    def __init__(self, bucket: str, endpoint_url: str | None = None) -> None:
        self._bucket = bucket
        self._endpoint_url = endpoint_url

    def paper(self, paper: Paper) -> bytes:
        """The PDF of whoever was first. Blocks: call it in a thread, and never inside a transaction.

        Raises what `pdf.render` does, where none is kept yet.
        """
        made: bytes | None = None
        try:
            key = _key(paper)
            for _ in range(_TRIES):
                if (kept := self._get(key)) is not None:
                    return kept
                if made is None:
                    made = pdf.render(paper)
                if self._put(key, made):
                    return made
            raise OutOfReach("it is there, and cannot be read: does the role reach the bucket and its key?")
        except OutOfReach as problem:
            _log.warning(
                "invoice %s of customer %s was set anew instead of kept or fetched, which is the same until a release"
                " changes how it is set: if this goes on, see to the bucket. %s",
                paper.row.id,
                paper.row.customer_id,
                problem,
            )
            return pdf.render(paper) if made is None else made

    def _get(self, key: str) -> bytes | None:
        """None where there is none. Raises OutOfReach."""
        try:
            with _asking():
                kept: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        except OutOfReach as problem:
            # Who may not list the bucket is not told what is missing, only refused. Whether that was it, the put shows.
            if problem.code in ("NoSuchKey", "AccessDenied"):
                return None
            raise
        return kept

    def _put(self, key: str, made: bytes) -> bool:
        """Whether nobody else was first. Raises OutOfReach."""
        try:
            with _asking():
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=made,
                    ContentType="application/pdf",
                    ChecksumAlgorithm="SHA256",
                    IfNoneMatch="*",
                )
        except OutOfReach as problem:
            # the latter where another's put is under way
            if problem.code in ("PreconditionFailed", "ConditionalRequestConflict"):
                return False
            raise
        return True

    @opened
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # somebody waits, and there is another way
        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
        return boto3.client("s3", endpoint_url=self._endpoint_url, config=config)


def _key(paper: Paper) -> str:
    """With the instant of issue: after a restore the same draft may be issued again, as another invoice."""
    row = paper.row
    return f"{row.customer_id}/{row.id}/{row.issued_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}.pdf"


@contextmanager
def _asking() -> Iterator[None]:
    """Whatever boto3 raises is OutOfReach."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        raise OutOfReach(f"S3 answers {code}", code) from error
    except BotoCoreError as error:
        raise OutOfReach(f"S3 cannot be reached: {type(error).__name__}") from error
