"""Lists that the database writes as JSON, so that they pass into the answer as they are.

The text of a field is said here in SQL as `schema/texts.py` says it in Python. Names are those that clients know, and all
ours: what a client calls a field never gets into a statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from db.session import Session

EMPTY: Final = orjson.Fragment(b"[]")


def integer(column: str) -> str:
    """Of 64 bits, which JavaScript cannot count: a string."""
    return f"{column}::text"


def month(column: str) -> str:
    return f"to_char({column}, 'YYYY-MM')"


def money(column: str) -> str:
    """Of a `numeric(14, 2)`, which has its two places."""
    return f"{column}::text"


def decimal(column: str) -> str:
    return f"trim_scale({column})::text"


def instant(column: str) -> str:
    return f"""to_char({column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def word(column: str) -> str:
    """Of an enum, whose members' names are what is stored, in capitals."""
    return f"upper({column})"


def listed(fields: Mapping[str, str], names: Sequence[str], *, order: str) -> tuple[str, str]:
    """An expression for a group's list, and the lateral item that it lists, of these fields of ours.

    Raises KeyError for a name that is none of them.
    """
    item = ", ".join(f'{fields[name]} as "{name}"' for name in names)
    return (
        f"'[' || string_agg(row_to_json(item)::text, ',' order by {order}) || ']'",
        f"cross join lateral (select {item}) as item",
    )


async def lists(session: Session, sql: str, *args: Any) -> dict[Any, orjson.Fragment]:
    """The list of each parent that has one, by what the statement gives before it: a key, or several as a tuple."""
    found = await session.all(_row, sql, *args)
    return {key if len(rest) == 0 else (key, *rest): orjson.Fragment(text) for key, *rest, text in found}


def _row(*values: Any) -> tuple[Any, ...]:
    return values
