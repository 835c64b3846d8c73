"""sql/schema.sql is the database as the migrations leave it, so that its diff is the review of every change."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest

from local import database, dump, postgres

PRINTED = Path(__file__).parents[2] / "sql" / "schema.sql"


@pytest.fixture
async def fresh(cluster: postgres.Cluster) -> str:
    """The URL of a database that no test has touched."""
    await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home), database="printed")
    return database.admin_url(cluster.superuser_url, "printed")


async def test_the_printed_database_is_current_and_two_printings_are_equal(fresh: str) -> None:
    ours = postgres.find(None)
    if (await _major(fresh)) != ours.major:
        pytest.skip("LANDLORD_POSTGRES_BIN is of a version that writes it another way")
    first = dump.dump(ours, fresh)
    assert dump.dump(ours, fresh) == first
    assert PRINTED.read_text() == first, "`make schema` prints it anew"


def test_it_names_no_month_no_password_and_nothing_drawn_at_random() -> None:
    printed = PRINTED.read_text()
    assert "audit_events_default" in printed
    for never in ("audit_events_2", "PASSWORD", "\\restrict", "SCRAM"):
        assert never not in printed


async def _major(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return connection.get_server_version().major
    finally:
        await connection.close()
