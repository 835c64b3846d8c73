from __future__ import annotations

import pytest

from auth import dynamo
from auth.dynamo import Table
from local import aws as emulators
from local.aws import Emulator
from tests.auth.doors import new_name
from tests.aws import aws  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def access_table(aws: Emulator) -> str:  # noqa: F811
    """The name of one table for all tests: their customers, keys and addresses are their own."""
    name = new_name()
    emulators.make_table(name)
    return name


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB is waited for: an emulator on a busy machine is slower than the real one may be."""
    monkeypatch.setattr(dynamo, "SECONDS_TO_ANSWER", 30)


@pytest.fixture
def table(access_table: str, aws: Emulator, waits: None) -> Table:  # noqa: F811
    return Table(access_table, aws.url)
