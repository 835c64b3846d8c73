"""A database of its own with five price lists, three of them drawn, and tax rates that change."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date
from random import Random

import asyncpg
import pytest

from app import Settings, create_app, utc_now
from billing import price_list, prices
from db.session import Session
from local import database, postgres
from tests.billing import cases
from tests.billing.accounts import Book
from tests.billing.ours import card_of
from tests.billing.reference import PriceList
from tests.histories.conftest import dearer
from tests.landlord import Landlord
from tests.ledger import Ledger

# The second begins on the first day of a month and bills it, the third within one and bills none.
DRAWN = (date(2025, 2, 1), date(2025, 2, 15), date(2025, 3, 1))


@dataclass(frozen=True)
class House:
    ledger: Ledger
    book: Book


@pytest.fixture(scope="session")
async def agreement_house(cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    name = "agreement"
    environment = await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home), database=name)
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url, name), server_settings={"search_path": "landlord"}
    )
    spring = tmp_path_factory.mktemp("prices") / "spring.json"
    spring.write_text(json.dumps(dearer(json.loads(price_list.FIRST_PRICE_LIST.read_text()))))
    first, last = (price_list.read(file) for file in (price_list.FIRST_PRICE_LIST, spring))
    between = [drawn(day) for day in DRAWN]
    listed = [replace(first, card=card_of(one), tax_rates=()) for one in between]
    for one in (first, *listed, last):
        await prices.add(Session(admin), one, now=utc_now())
    files = (price_list.FIRST_PRICE_LIST, spring)
    book = Book(
        (cases.price_list_in(files[0]), *between, cases.price_list_in(spring)),
        tuple(rate for file in files for rate in cases.tax_rates_in(file)),
    )
    settings = Settings.from_env(environment)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        landlord = await Landlord.start(app, settings, environment, admin)
        yield House(Ledger(landlord.house, landlord.connections, admin), book)
        await landlord.stop()
    await admin.close()


def drawn(day: date) -> PriceList:
    return cases.price_list(Random(day.toordinal()), day)
