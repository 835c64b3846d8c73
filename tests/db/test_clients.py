"""However many threads ask at once, of each service there is one client, and boto3 makes one of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock
from typing import Any

import boto3
import pytest

from auth.dynamo import Table
from auth.vault import Vault
from billing.cloudwatch import CloudWatch
from billing.kept_papers import KeptPapers
from billing.ses import Ses
from billing.sms import Sms
from billing.sqs import Sqs
from local.aws import Emulator
from tests.aws import aws  # noqa: F401 - a fixture

THREADS = 28


class Watched:
    """boto3's own way to a client, and how many went it at the same time."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._lock = Lock()
        self._now = 0
        self.most = 0
        self.made: list[str] = []

    def __call__(self, service: str, **asked: Any) -> Any:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.made.append(service)
        try:
            return self._make(service, **asked)
        finally:
            with self._lock:
                self._now -= 1


def test_each_is_made_once_and_no_two_at_once(
    aws: Emulator,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(boto3.client)
    monkeypatch.setattr(boto3, "client", watched)
    url = aws.url
    askers: list[Any] = [
        Table("access", url), Vault(url), CloudWatch(url), KeptPapers("papers", url), Ses(url), Sms(url), Sqs(url, url),
    ]  # fmt: skip
    together = Barrier(THREADS)

    def ask(asker: Any) -> Any:
        together.wait()
        return asker._client

    with ThreadPoolExecutor(THREADS) as threads:
        clients = list(threads.map(ask, askers * (THREADS // len(askers))))
    assert watched.most == 1
    assert sorted(watched.made) == ["cloudwatch", "dynamodb", "s3", "secretsmanager", "sesv2", "sns", "sqs"]
    assert len({id(client) for client in clients}) == len(askers)
    assert clients[: len(askers)] == [asker._client for asker in askers]
