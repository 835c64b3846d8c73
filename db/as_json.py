"""Lists that the database writes as JSON, so that they pass into an answer as they are.

    Listing(rows="select * from ticket_comments c where ...", alias="c", order="c.id desc", fields={...})

A list is a column of the row that it hangs on (see `db.session.Shown`), and may have lists in its items. The text of a
field is said here in SQL as `schema/texts.py` says it in Python. Names are those that clients know, and all ours: what a
client calls a field never gets into a statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from db.typeids import digits_of

if TYPE_CHECKING:
    from db.session import Session

# Around an ID's 32 digits, since SQL takes five times as long as Python to make a TypeID of them. Within a text of JSON
# this character is always escaped, so that nothing which is stored looks like it.
_MARK: Final = "\x1f"
_PLACE = re.compile(r"\$(\d+)")

# ---------------------------------------------------------------- fields


@dataclass(frozen=True, slots=True)
class Field:
    """How SQL writes a field: a text that is never null, between what of JSON is always the same."""

    sql: str
    before: str = ""
    after: str = ""


def _plain(sql: str, null: bool) -> Field:
    return Field(f"coalesce({sql}, 'null')" if null else sql)


def _quoted(sql: str, null: bool, before: str = "", after: str = "") -> Field:
    """What needs no escape."""
    if null:
        return Field(f"""coalesce('"{before}' || {sql} || '{after}"', 'null')""")
    return Field(sql, '"' + before, after + '"')


def number(column: str, *, null: bool = False) -> Field:
    """Of 32 bits, or a boolean."""
    return _plain(f"{column}::text", null)


def text(column: str, *, null: bool = False) -> Field:
    # `to_json` looks up at every call what type it was given
    return _plain(f"json_scalar({column})::text", null)


def json(column: str) -> Field:
    return Field(f"{column}::text")


def id(prefix: str, column: str, *, null: bool = False) -> Field:
    """A TypeID, once `listed` has seen it."""
    return _quoted(f"encode(uuid_send({column}), 'hex')", null, f"{prefix}_{_MARK}", _MARK)


def integer(column: str, *, null: bool = False) -> Field:
    """Of 64 bits, which JavaScript cannot count: a string."""
    return _quoted(f"{column}::text", null)


def month(column: str, *, null: bool = False) -> Field:
    return _quoted(f"to_char({column}, 'YYYY-MM')", null)


def date(column: str, *, null: bool = False) -> Field:
    return _quoted(f"to_char({column}, 'YYYY-MM-DD')", null)


def money(column: str, *, null: bool = False) -> Field:
    """Of a `numeric(14, 2)`, which has its two places."""
    return _quoted(f"({column})::text", null)


def decimal(column: str, *, null: bool = False) -> Field:
    return _quoted(f"trim_scale({column})::text", null)


def instant(column: str, *, null: bool = False) -> Field:
    return _quoted(f"""to_char({column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""", null)


def word(column: str, *, null: bool = False) -> Field:
    """Of an enum, whose members' names are what is stored, in capitals."""
    return _quoted(f"upper({column})", null)


# ---------------------------------------------------------------- lists


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list is written from.

    `rows` is a statement with `places` values, $1 and on, that gives an item's columns and knows the row that the list hangs
    on as `parent`, of which it takes these columns. `alias` is an item's name in `fields` and `order`. Of a page $1 is how many
    rows, and $2 the id after which they come.
    """

    rows: str
    places: int
    alias: str
    order: str
    fields: Mapping[str, Field]
    parent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """An expression whose value is JSON, with so many places for values."""

    sql: str
    places: int


# An item's fields, by the names of clients: what is written there of a listing below, or None for a field of its own.
Items: TypeAlias = Mapping[str, Written | None]


def written(listing: Listing, items: Items, parent: str) -> Written:
    """All of its rows. `parent` is the name of the row that it hangs on; `items` are an item's fields in their order."""
    array, places = _array(listing, items)
    return Written(f"(select {array} {_rows(listing, parent)})", places)


def page(listing: Listing, items: Items, parent: str) -> Written:
    """All of its rows but the last if there are as many as $1: an array of the list, whether there was one more, and the
    ids that it begins and ends with.
    """
    on_it = f"filter (where {listing.alias}.place < $1::int)"
    array, places = _array(listing, items, on_it)
    numbered = f"(select {listing.alias}.*, row_number() over (order by {listing.order}) as place"
    ids = f"{listing.alias}.id::text"
    return Written(
        f"(select array[{array}, (count(*) >= $1::int)::text, max({ids}) {on_it}, min({ids}) {on_it}]"
        f" from {numbered} {_rows(listing, parent)}) as {listing.alias})",
        places,
    )


def nodes(connection: Written) -> Written:
    """A connection of which nothing else is asked."""
    return Written(f"""'{{"nodes":' || {connection.sql} || '}}'""", connection.places)


def numbered(lists: Iterable[Written]) -> tuple[str, ...]:
    """The expressions of lists that stand beside each other, with their places after each other's."""
    found, places = [], 0
    for one in lists:
        found.append(shifted(one.sql, places))
        places += one.places
    return tuple(found)


async def value(session: Session, list: Written, values: Sequence[Any]) -> Any:
    """What stands in a list that hangs on no row."""
    return await session.value(f"select {list.sql}", *values)


def shifted(sql: str, by: int) -> str:
    """With its places after those that are there already."""
    return _PLACE.sub(lambda found: f"${int(found[1]) + by}", sql)


def _array(listing: Listing, items: Items, which: str = "") -> tuple[str, int]:
    """Of the items, and how many places it has with its listing's. Raises KeyError for what is no field.

    What an item ends with and the next one begins with, always the same, is between them and not in each.
    """
    places = listing.places
    parts, same = [], ""
    for start, (name, below) in zip("{" + "," * len(items), items.items(), strict=False):
        field = listing.fields[name] if below is None else Field(shifted(below.sql, places))
        places += 0 if below is None else below.places
        parts += [f"""{same}{start}"{name}":{field.before}""", field.sql]
        same = field.after
    begin, *between = parts[::2]
    # `concat` has each part's type write it anew, constants too, which takes twice as long
    item = "".join(f"{sql} || '{text}' || " for sql, text in zip(parts[1::2], between, strict=False)) + parts[-1]
    items_of_it = f"string_agg({item}, '{same}}},{begin}' order by {listing.order}) {which}"
    return f"coalesce('[{begin}' || {items_of_it} || '{same}}}]', '[]')", places


def _rows(listing: Listing, parent: str) -> str:
    if not listing.parent:
        return f"from ({listing.rows}) as {listing.alias}"
    columns = ", ".join(f"{parent}{column}" for column in listing.parent)
    return f"from (select {columns}) as parent cross join lateral ({listing.rows}) as {listing.alias}"


def listed(text: str) -> orjson.Fragment:
    """What the database has written, with its IDs as clients know them."""
    parts = text.split(_MARK)
    parts[1::2] = digits_of(parts[1::2])
    return orjson.Fragment("".join(parts))
