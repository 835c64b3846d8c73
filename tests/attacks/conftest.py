"""A database to attack, and copies of it to weaken."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from local import postgres
from tests.attacks.target import Target, Template
from tests.conftest import priced


@pytest.fixture(scope="session")
async def template(cluster: postgres.Cluster) -> Template:
    environment = await priced(cluster, "attacked")
    return await Template.make(cluster, environment)


@pytest.fixture(scope="session")
async def target(template: Template) -> AsyncIterator[Target]:
    """As the migrations made it."""
    async with template.copy() as copied:
        yield copied


@pytest.fixture(autouse=True)
def as_it_runs(one_way: None) -> None:
    """A request asks once, as it does outside of tests: what is injected runs in the one transaction that there is."""
