"""The AWS emulator as tests use it: one for all of them, and the mail that it took."""

from __future__ import annotations

import json
import os
import secrets
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from local import aws as emulators
from local.aws import Emulator


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Where boto3 goes for the rest of the tests, and nowhere else."""
    with pytest.MonkeyPatch.context() as patch, emulators.start(tmp_path_factory.mktemp("aws")) as emulator:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        yield emulator


@pytest.fixture
def papers_bucket(aws: Emulator) -> str:
    """A bucket for one test, versioned as that of infra/papers.yml."""
    import boto3

    name, s3 = f"papers-{secrets.token_hex(8)}", boto3.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": emulators.REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def kept(bucket: str) -> dict[str, bytes]:
    """All that was ever put into it, by key; the same key twice is no key."""
    import boto3

    s3 = boto3.client("s3")
    versions = s3.list_object_versions(Bucket=bucket).get("Versions", [])
    assert len({one["Key"] for one in versions}) == len(versions), versions
    return {one["Key"]: s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in versions}


@dataclass(frozen=True)
class PostOffice:
    """SES on the emulator."""

    emulator: Emulator

    def taken(self, address: str) -> list[dict[str, Any]]:
        """What it took for this address, the oldest first."""
        with urllib.request.urlopen(f"{self.emulator.url}/_ministack/ses/messages") as answer:
            accounts: dict[str, list[dict[str, Any]]] = json.load(answer)["messages"]
        return [mail for mails in accounts.values() for mail in mails if mail["To"] == [address]]

    @contextmanager
    def sandboxed(self, *known: str) -> Iterator[None]:
        """As a new account is: it sends to these addresses, and refuses all others."""
        import boto3

        ses = boto3.client("sesv2")
        about = {"MailType": "TRANSACTIONAL", "WebsiteURL": "https://landlord.example"}
        for address in known:
            emulators.let_send(address)
        ses.put_account_details(ProductionAccessEnabled=False, **about)
        try:
            yield
        finally:
            ses.put_account_details(ProductionAccessEnabled=True, **about)
