"""Customers to meter, and a CloudWatch that does what a test wants."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg
import pytest

from db.connection import Connections
from tests.landlord import Tenant
from tests.ledger import Ledger
from tests.usage import meter as meters
from tests.usage.meter import Meter


@pytest.fixture
async def ledger(house: Tenant, connections: Connections, admin: asyncpg.Connection) -> Ledger:
    return Ledger(house, connections, admin)


@pytest.fixture
def meter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meter]:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    with meters.running() as running:
        yield running
