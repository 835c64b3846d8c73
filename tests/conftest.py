"""A real database, migrated once, and for each test tenants of its own: `acme`, `globex`, and the `house` itself."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app import Settings, create_app, utc_now
from auth import keys, sessions
from billing import price_list, prices
from db.connection import Connections, Role
from db.session import Session
from local import database, postgres
from tests.landlord import Landlord, Tenant
from tests.logs import AUDIT
from tests.planner import both
from tests.planner.both import Compared, both_ways

if TYPE_CHECKING:
    from tests.pooler.plugin import Way

pytest_plugins = ["tests.pooler.plugin"]

Prepare = Callable[[str], Awaitable[dict[str, str]]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--histories", type=int, default=30, help="how many random histories of a customer to live through"
    )
    parser.addoption(
        "--customers", type=int, default=40, help="how many random customers to bill in each way that there is"
    )
    parser.addoption(
        "--documents", type=int, default=300, help="how many random documents to answer by a plan and by graphql-core"
    )
    parser.addoption(
        "--operations", type=int, default=400, help="how many random operations of five tenants to interleave"
    )


@pytest.fixture(scope="session", autouse=True)
def logs_looked_through() -> Iterator[None]:
    """All that `landlord` logs from INFO on, as deployed; and every key and token that is made is known to the audit."""
    log = logging.getLogger("landlord")
    log.addHandler(AUDIT)
    log.setLevel(logging.INFO)
    with pytest.MonkeyPatch.context() as watched:
        watched.setattr(keys, "mint", AUDIT.knows(keys.mint, lambda made: made.secret))
        watched.setattr(sessions, "issue", AUDIT.knows(sessions.issue, itemgetter(0)))
        yield
    log.removeHandler(AUDIT)


@pytest.fixture(autouse=True)
def no_secret_in_the_logs(logs_looked_through: None) -> Iterator[None]:
    yield
    found, AUDIT.found = AUDIT.found, []
    assert found == []


@pytest.fixture(scope="session")
def every_query() -> Iterator[Compared]:
    with both_ways() as compared:
        yield compared


@pytest.fixture(autouse=True)
def answered_alike(every_query: Compared) -> Iterator[None]:
    """Every query of every test is answered by its plan and by graphql-core, and the same."""
    yield
    differences, every_query.differences = every_query.differences, []
    assert not differences, "\n".join(differences)


@pytest.fixture
def one_way(every_query: Compared) -> Iterator[None]:
    """For what counts statements: queries are answered once."""
    with both.one_way():
        yield


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Cluster]:
    with postgres.start(tmp_path_factory.mktemp("landlord") / "home", durable=False) as running:
        yield running


@pytest.fixture(scope="session")
def home(cluster: postgres.Cluster) -> Path:
    return cluster.home


@pytest.fixture(scope="session")
def prepare(cluster: postgres.Cluster, way: Way) -> Prepare:
    """Makes a database of this name and migrates it: what the application is started with."""

    async def made(name: str) -> dict[str, str]:
        return way(await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home), database=name))

    return made


@pytest.fixture(scope="session")
async def environment(cluster: postgres.Cluster, way: Way) -> dict[str, str]:
    """What the application is started with."""
    return way(await priced(cluster, database.DATABASE))


async def priced(cluster: postgres.Cluster, name: str) -> dict[str, str]:
    """A database of this name, made, migrated and priced: the environment of an application over it."""
    prepared = await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home), database=name)
    superuser = await asyncpg.connect(
        database.admin_url(cluster.superuser_url, name), server_settings={"search_path": "landlord"}
    )
    await prices.add(Session(superuser), price_list.read(price_list.FIRST_PRICE_LIST), now=utc_now())
    await superuser.close()
    return prepared


@pytest.fixture(scope="session")
async def settings(environment: dict[str, str]) -> Settings:
    return Settings.from_env(environment | {"LANDLORD_CONNECTIONS": "4"})


@pytest.fixture(scope="session")
async def connections(settings: Settings) -> AsyncIterator[Connections]:
    held = Connections(
        {Role.TENANT: settings.tenant_url, Role.OPERATOR: settings.operator_url, Role.WORKER: settings.worker_url},
        most=4,
        pooled=settings.pooled,
    )
    yield held
    await held.close()


@pytest.fixture(scope="session")
async def admin(cluster: postgres.Cluster, environment: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """The local superuser, whom no rule holds back: to arrange, and to look behind the curtain."""
    connection = await asyncpg.connect(
        database.admin_url(cluster.superuser_url), server_settings={"search_path": "landlord"}
    )
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def landlord(
    settings: Settings, environment: dict[str, str], admin: asyncpg.Connection
) -> AsyncIterator[Landlord]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        running = await Landlord.start(app, settings, environment, admin)
        yield running
        await running.stop()


@pytest.fixture
async def acme(landlord: Landlord) -> Tenant:
    return await landlord.tenant("Acme")


@pytest.fixture
async def globex(landlord: Landlord) -> Tenant:
    return await landlord.tenant("Globex")


@pytest.fixture
async def house(landlord: Landlord) -> Tenant:
    return landlord.house
