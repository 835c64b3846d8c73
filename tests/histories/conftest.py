"""A database of its own, with two price lists and tax rates that change, for histories that span both."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app import Settings, create_app, utc_now
from billing import price_list, prices
from db.session import Session
from local import database, postgres
from tests.billing import cases
from tests.billing.accounts import Book
from tests.conftest import Prepare
from tests.landlord import Landlord
from tests.ledger import Ledger


@dataclass(frozen=True)
class House:
    """Everything runs in a loop of its own, which a state machine can ask from outside."""

    runner: asyncio.Runner
    ledger: Ledger
    book: Book


@pytest.fixture(scope="session")
def history_house(
    cluster: postgres.Cluster, prepare: Prepare, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    second = tmp_path_factory.mktemp("prices") / "second.json"
    second.write_text(json.dumps(dearer(json.loads(price_list.FIRST_PRICE_LIST.read_text()))))
    files = [price_list.FIRST_PRICE_LIST, second]
    book = Book(
        tuple(cases.price_list_in(file) for file in files),
        tuple(rate for file in files for rate in cases.tax_rates_in(file)),
    )
    # a factory, or the runner would take the place of the loop that other tests run in
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        ledger = runner.run(open_books(cluster, prepare, files))
        yield House(runner, ledger, book)
        runner.run(close(ledger))


async def open_books(cluster: postgres.Cluster, prepare: Prepare, files: list[Path]) -> Ledger:
    name = "histories"
    environment = await prepare(name)
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url, name), server_settings={"search_path": "landlord"}
    )
    for file in files:
        await prices.add(Session(admin), price_list.read(file), now=utc_now())
    settings = Settings.from_env(environment)
    landlord = await Landlord.start(create_app(settings), settings, environment, admin)
    return Ledger(landlord.house, landlord.connections, admin)


async def close(ledger: Ledger) -> None:
    await ledger.house.landlord.stop()
    await ledger.admin.close()


def dearer(first: dict[str, Any]) -> dict[str, Any]:
    """The list that follows in April: other prices, smaller allowances, two discounts; and tax rates that change."""
    text = {**first, "name": "Spring list", "effectiveFrom": "2025-04-01"}
    text["tiers"] = [
        {
            **tier,
            "basePrice": str(Decimal(tier["basePrice"]) + Decimal("33.33")),
            "metrics": [
                {
                    **metric,
                    "included": str(Decimal(metric["included"]) // 2),
                    "bands": [
                        {**band, "pricePerUnit": str(Decimal(band["pricePerUnit"]) * Decimal("1.15"))}
                        for band in metric["bands"]
                    ],
                }
                for metric in reversed(tier["metrics"])
            ],
        }
        for tier in first["tiers"]
    ]
    text["discounts"] = [{"over": "300.00", "rate": "0.03"}, {"over": "9000.00", "rate": "0.0725"}]
    text["taxRates"] = [
        {"jurisdiction": jurisdiction, "rate": rate, "effectiveFrom": day}
        for jurisdiction, rate, day in (
            ("DE", "0.16", "2025-04-01"),
            ("US-WA", "0.104", "2025-05-31"),
            ("FR", "0.21", "2025-03-30"),
            ("AT", "0.2", "2025-03-31"),
        )
    ]
    return text
