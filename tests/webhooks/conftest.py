"""Customers' own servers, and all that is on its way to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app import Settings
from db.connection import Connections
from tests.webhooks.depot import Depot
from tests.webhooks.hooks import Hooks


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    async with Hooks.open() as opened:
        yield opened


@pytest.fixture
async def depot(admin: asyncpg.Connection, connections: Connections, settings: Settings, hooks: Hooks) -> Depot:
    # what other tests left is not to be sent here
    await admin.execute(
        "update outbox set failed_reason = 'another test' where sent_at is null and failed_reason is null"
    )
    return Depot(admin, connections, hooks, dict(settings.webhook_keys))
