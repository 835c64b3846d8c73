"""One customer's belongings: a row of everything that a tenant can have."""

from __future__ import annotations

import pytest

from tests.isolation.belongings import Belongings
from tests.landlord import Landlord
from tests.ledger import Ledger


@pytest.fixture
async def ledger(landlord: Landlord) -> Ledger:
    return Ledger(landlord.house, landlord.connections, landlord.admin)


@pytest.fixture
async def rich(ledger: Ledger) -> Belongings:
    """A tenant that has one of everything."""
    return await Belongings.of(ledger, name="Wayne Enterprises Unlimited")
