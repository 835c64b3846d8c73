"""The scalars: what each takes, and the one text each gives, whatever the session or the machine is set to.

Python's types stand for them in annotations: `datetime`, `date`, `Month`, `Decimal`, `Money`, `BigInt`, `JSON`.
`Decimal` and `Money` are one scalar to clients. An input is a plain Decimal; that it is money is the domain's to
check, since there the refusal knows its field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, ValueNode, value_from_ast_untyped
from strawberry.types.scalar import ScalarDefinition

from billing.periods import Month, parse_day
from db.errors import Invalid
from schema.texts import Money as Money
from schema.texts import decimal_text as decimal_text
from schema.texts import instant_text as instant_text

BigInt = NewType("BigInt", int)
JSON = NewType("JSON", object)

JSON_DEPTH = 32
LONGEST_DECIMAL = 64  # characters

# asyncpg writes the first and the last one as infinity, which comes back without a zone
_ENDLESS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_BEYOND = 2**63
_INT64 = range(-_BEYOND, _BEYOND)
_TOO_LARGE = "A whole number in JSON has at most 64 bits: give larger ones as strings."
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# RFC 3339, section 5.6; more digits of a second than six are cut off, as PostgreSQL knows no more
_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


def _instant(value: object) -> datetime:
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise GraphQLError("An instant is a string as in RFC 3339, with its offset: 2026-10-31T23:59:59.123456Z.")
    *moment, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = map(int, moment)
    try:
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        if int(minutes or 0) > 59:
            raise ValueError(minutes)
        zone = timezone(-offset if sign == "-" else offset)
        micros = int((fraction or "").ljust(6, "0")[:6])
        instant = datetime(year, month, day, hour, minute, second, micros, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise GraphQLError("There is no such instant in the years 0001 to 9999.") from None
    if instant in _ENDLESS:
        raise GraphQLError("This instant stands for the beginning or the end of time: leave it out, or give another.")
    return instant


def _text(parse: Callable[[str], Any], sentence: str) -> Callable[[object], Any]:
    def of(value: object) -> Any:
        if not isinstance(value, str):
            raise GraphQLError(sentence)
        try:
            return parse(value)
        except Invalid as error:
            raise GraphQLError(str(error)) from None

    return of


def _decimal(value: object) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise GraphQLError('A decimal is a string of digits, such as "12.50": no float, no exponent, no separators.')
    if len(value) > LONGEST_DECIMAL:
        raise GraphQLError(f"A decimal has at most {LONGEST_DECIMAL} characters.")
    number = Decimal(value)
    return number if number else number.copy_abs()


def _big_int(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _INTEGER.fullmatch(value) or int(value) not in _INT64:
        raise GraphQLError('A BigInt is a whole number of at most 64 bits as a string, such as "12345678901".')
    return int(value)


def _json(value: object) -> object:
    """Raises GraphQLError for what no table or answer could hold: too deep, NUL, numbers beyond JSON's usual range."""
    ahead = [(value, 1)]
    while ahead:
        one, depth = ahead.pop()
        if depth > JSON_DEPTH:
            raise GraphQLError(f"JSON may nest {JSON_DEPTH} levels deep.")
        if isinstance(one, Mapping):
            ahead += [(name, depth) for name in one]
            ahead += [(item, depth + 1) for item in one.values()]
        elif isinstance(one, list | tuple):
            ahead += [(item, depth + 1) for item in one]
        elif isinstance(one, str):
            if "\0" in one:
                raise GraphQLError("Text cannot hold the character U+0000.")
        elif isinstance(one, float):
            if not math.isfinite(one):
                raise GraphQLError("A number in JSON is finite.")
            # a body's whole number of more than 64 bits was read as one of these, and lost digits
            if not -_BEYOND < one < _BEYOND:
                raise GraphQLError(_TOO_LARGE)
        elif isinstance(one, int) and one not in _INT64:
            raise GraphQLError(_TOO_LARGE)
    return value


def _scalar(
    name: str, description: str, serialize: Callable[[Any], Any], parse: Callable[[object], Any]
) -> ScalarDefinition:
    def parse_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
        try:
            return parse(value_from_ast_untyped(node, variables))
        except GraphQLError as error:
            raise GraphQLError(error.message, node) from None

    return strawberry.scalar(
        name=name, description=description, serialize=serialize, parse_value=parse, parse_literal=parse_literal
    )


_DECIMAL_SCALAR = _scalar(
    "Decimal",
    'An exact decimal as a string, never a float. Money has exactly two places (`"2000.00"`; more\n'
    'are refused); every other decimal has no exponent and no trailing zeros (`"0.045"`, `"25"`).',
    decimal_text,
    _decimal,
)

# What strawberry is told of them.
SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: _scalar(
        "DateTime",
        "An instant, RFC 3339, answered in UTC: `2026-10-31T23:59:59.123456Z`. Any offset is accepted.",
        instant_text,
        _instant,
    ),
    date: _scalar(
        "Date",
        "A calendar day, `2026-10-31`.",
        date.isoformat,
        _text(parse_day, "A day is a string, such as 2026-10-31."),
    ),
    Month: _scalar(
        "Month",
        "A billing month in UTC, `2026-10`.",
        str,
        _text(Month.parse, "A month is a string, such as 2026-10."),
    ),
    Decimal: _DECIMAL_SCALAR,
    Money: _DECIMAL_SCALAR,
    BigInt: _scalar(
        "BigInt", "A 64-bit integer as a string (JavaScript numbers lose digits past 2^53).", str, _big_int
    ),
    JSON: _scalar("JSON", "Any JSON value.", lambda value: value, _json),
}
