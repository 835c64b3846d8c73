"""Books to ask about, and what every table holds, so that a test can say: nothing was stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import asyncpg
import pytest

from tests.api.books import Books
from tests.landlord import Landlord

# by table: how many rows, and a sum over what they say
Stored: TypeAlias = Callable[[], Awaitable[Mapping[str, tuple[int, str]]]]


@pytest.fixture(scope="module")
async def books(landlord: Landlord) -> Books:
    """One set for all the tests of a module: for those that change nothing of it."""
    return await Books.of(landlord)


@pytest.fixture(scope="session")
async def stored(admin: asyncpg.Connection) -> Stored:
    """Of all tables but the audit trail, where refusals belong; when a key was used last is not looked at."""
    tables = await admin.fetch(
        """
        select relname as name from pg_class
         where relnamespace = 'landlord'::regnamespace and relkind in ('r', 'p') and not relispartition
           and relname <> 'audit_events'
        """
    )
    assert len(tables) > 20
    question = " union all ".join(
        f"select '{table['name']}' as name, count(*) as rows,"
        f" coalesce(sum(hashtextextended((to_jsonb(t) - 'last_used_at')::text, 0)), 0)::text as said"
        f" from {table['name']} t"
        for table in tables
    )

    async def look() -> Mapping[str, tuple[int, str]]:
        return {row["name"]: (row["rows"], row["said"]) for row in await admin.fetch(question)}

    return look
