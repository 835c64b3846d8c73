from __future__ import annotations

import asyncpg
import pytest

from db import company
from db.connection import Connections
from local.demo import HOUSE
from tests.landlord import Tenant
from tests.ledger import NOW, Ledger


@pytest.fixture
async def ledger(house: Tenant, connections: Connections, admin: asyncpg.Connection) -> Ledger:
    books = Ledger(house, connections, admin)
    await books.open()
    async with house.session() as session:
        await company.add(session, HOUSE, at=NOW)
    return books
