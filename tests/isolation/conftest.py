"""One customer's belongings: a row of everything that a tenant can have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from app import Settings, create_app
from tests.isolation.belongings import Belongings
from tests.landlord import PLENTY, Landlord
from tests.ledger import Ledger


@pytest.fixture(scope="session")
async def landlord(landlord: Landlord, settings: Settings) -> AsyncIterator[Landlord]:
    """One that throttles nobody: a caller asks more here in a second than a customer may."""
    app = create_app(settings, allowances=PLENTY)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://landlord.test", timeout=60) as http,
    ):
        open_handed = replace(landlord, app=app, http=http)
        yield replace(open_handed, house=replace(landlord.house, landlord=open_handed))


@pytest.fixture
async def ledger(landlord: Landlord) -> Ledger:
    return Ledger(landlord.house, landlord.connections, landlord.admin)


@pytest.fixture
async def rich(ledger: Ledger) -> Belongings:
    """A tenant that has one of everything."""
    return await Belongings.of(ledger, name="Wayne Enterprises Unlimited")
