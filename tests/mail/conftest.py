from __future__ import annotations

import asyncpg
import pytest

from db import company
from db.connection import Connections
from local import aws as emulators
from local.aws import Emulator
from local.demo import HOUSE
from tests.aws import PostOffice, aws  # noqa: F401 - a fixture
from tests.landlord import Tenant
from tests.ledger import NOW, Ledger
from tests.mail.room import Room


@pytest.fixture
async def ledger(house: Tenant, connections: Connections, admin: asyncpg.Connection) -> Ledger:
    books = Ledger(house, connections, admin)
    await books.open()
    async with house.session() as session:
        await company.add(session, HOUSE, at=NOW)
    # what other tests left is not to be sent here
    await admin.execute(
        "update outbox set failed_reason = 'another test' where sent_at is null and failed_reason is null"
    )
    return books


@pytest.fixture
def post(aws: Emulator) -> PostOffice:  # noqa: F811
    emulators.let_send(HOUSE.email)
    return PostOffice(aws)


@pytest.fixture
def room(ledger: Ledger, post: PostOffice) -> Room:
    return Room(ledger, post)
