from __future__ import annotations

import asyncpg
import pytest

from db.connection import Connections
from tests.landlord import Tenant
from tests.ledger import Ledger


@pytest.fixture
async def ledger(house: Tenant, connections: Connections, admin: asyncpg.Connection) -> Ledger:
    books = Ledger(house, connections, admin)
    await books.open()
    return books
