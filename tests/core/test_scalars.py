"""Each scalar gives one text, takes what the contract says, and refuses the rest in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from graphql import GraphQLError, parse_value
from hypothesis import given
from hypothesis import strategies as st

from billing.periods import Month
from schema.scalars import JSON, SCALARS, BigInt, Money, decimal_text, instant_text
from tests.core.toy import SCHEMA, Toy


def taken(scalar: object, value: object) -> Any:
    parse = SCALARS[scalar].parse_value
    assert parse is not None
    return parse(value)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-10-31T23:59:59.123456Z", datetime(2026, 10, 31, 23, 59, 59, 123456, UTC)),
        ("2026-10-31T23:59:59Z", datetime(2026, 10, 31, 23, 59, 59, 0, UTC)),
        ("2026-10-31t23:59:59.5z", datetime(2026, 10, 31, 23, 59, 59, 500000, UTC)),
        ("2026-11-01T01:59:59+02:00", datetime(2026, 10, 31, 23, 59, 59, 0, UTC)),
        ("2026-10-31T14:29:59.000001-09:30", datetime(2026, 10, 31, 23, 59, 59, 1, UTC)),
        ("2026-10-31T23:59:59.123456999Z", datetime(2026, 10, 31, 23, 59, 59, 123456, UTC)),
        ("0001-01-01T00:00:00.000001Z", datetime(1, 1, 1, microsecond=1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999998Z", datetime(9999, 12, 31, 23, 59, 59, 999998, UTC)),
    ],
)
def test_an_instant_is_taken_with_any_offset_and_kept_in_utc(text: str, instant: datetime) -> None:
    assert taken(datetime, text) == instant
    assert taken(datetime, text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-31",
        "2026-10-31T23:59:59",
        "2026-10-31 23:59:59Z",
        "2026-10-31T23:59Z",
        "2026-10-31T23:59:59+0200",
        "2026-10-31T23:59:59.Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-10-31T24:00:00Z",
        "2026-10-31T23:59:60Z",
        "2026-10-31T23:59:59+25:00",
        "2026-10-31T23:59:59+01:75",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T23:59:59-01:00",
        "２０２６-10-31T23:59:59Z",
        "2026-10-31T23:59:59Z\n",
        "",
        1793491199,
        1793491199.5,
        True,
        None,
        ["2026-10-31T23:59:59Z"],
    ],
)
def test_what_is_no_instant_is_refused(text: object) -> None:
    with pytest.raises(GraphQLError, match=r"RFC 3339|no such instant|end of time"):
        taken(datetime, text)


def test_an_instant_is_answered_in_utc_with_six_digits_and_z() -> None:
    assert instant_text(datetime(2026, 10, 31, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))) == (
        "2026-10-30T23:02:03.000000Z"
    )
    assert instant_text(datetime(1, 1, 1, 0, 0, 0, 7, UTC)) == "0001-01-01T00:00:00.000007Z"


@given(
    st.datetimes(
        datetime(1, 1, 1, microsecond=1),  # noqa: DTZ001
        datetime(9999, 12, 31, 23, 59, 59, 999998),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
def test_an_instant_comes_back_as_it_was(instant: datetime) -> None:
    assert taken(datetime, instant_text(instant)) == instant


@pytest.mark.parametrize(
    "text", ["2026-10-1", "20261031", "2026-W01-1", "2026-02-30", "2026-10-31T00:00:00Z", 20261031]
)
def test_what_is_no_day_is_refused(text: object) -> None:
    with pytest.raises(GraphQLError, match=r"^A day is "):
        taken(date, text)


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-1", "2026-10-01", "0000-01", "10-2026", 202610, None])
def test_what_is_no_month_is_refused(text: object) -> None:
    with pytest.raises(GraphQLError, match=r"^A month is "):
        taken(Month, text)


def test_a_day_and_a_month_are_taken_and_answered_as_text() -> None:
    assert taken(date, "2026-10-31") == date(2026, 10, 31)
    assert taken(Month, "2026-10") == Month(2026, 10)
    assert str(Month(2026, 1)) == "2026-01"


@pytest.mark.parametrize(
    ("given", "number"),
    [("0.045", "0.045"), ("25", "25"), ("-12.50", "-12.50"), ("007", "7"), (25, "25"), (-1, "-1"), ("-0.00", "0.00")],
)
def test_a_decimal_is_taken_exactly_from_text_and_whole_numbers(given: object, number: str) -> None:
    assert str(taken(Decimal, given)) == number


@pytest.mark.parametrize(
    "given",
    [1.5, 2.0, True, None, "", "1e3", "1E+3", "+1", ".5", "5.", "1,000", "1_000", " 1", "NaN", "Infinity", "٣", "1\n"],
)
def test_a_float_and_what_is_no_decimal_are_refused(given: object) -> None:
    with pytest.raises(GraphQLError, match=r'such as "12\.50": no float'):
        taken(Decimal, given)


def test_an_absurdly_long_decimal_is_refused_and_a_long_one_is_exact() -> None:
    assert taken(Decimal, "1" * 64) == Decimal("1" * 64)
    with pytest.raises(GraphQLError, match="at most 64 characters"):
        taken(Decimal, "1" * 65)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.045000000", "0.045"),
        ("25.000000", "25"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("1E-9", "0.000000001"),
        ("-0.00", "0"),
        ("-1.50", "-1.5"),
        ("123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"),
    ],
)
def test_a_decimal_is_answered_without_exponent_and_trailing_zeros(number: str, text: str) -> None:
    assert decimal_text(Decimal(number)) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [("2000", "2000.00"), ("2000.5", "2000.50"), ("-0", "0.00"), ("1E+3", "1000.00"), ("-3.10", "-3.10")],
)
def test_money_is_answered_with_two_places(number: str, text: str) -> None:
    assert decimal_text(Money(number)) == text


def test_money_with_a_third_place_is_a_fault_and_is_not_rounded() -> None:
    with pytest.raises(ValueError, match="two places"):
        decimal_text(Money("0.005"))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20, places=9))
def test_a_decimal_comes_back_as_it_was(number: Decimal) -> None:
    text = decimal_text(number)
    assert taken(Decimal, text) == number
    assert "e" not in text.lower()


@pytest.mark.parametrize(
    ("given", "number"), [("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63)), ("0", 0), (12, 12)]
)
def test_a_big_integer_is_taken_from_text_and_numbers(given: object, number: int) -> None:
    assert taken(BigInt, given) == number


@pytest.mark.parametrize(
    "given", ["9223372036854775808", "-9223372036854775809", "1.0", "1e3", "", "x", 2**63, 1.0, 1e30, True, None]
)
def test_what_is_no_64_bit_integer_is_refused(given: object) -> None:
    with pytest.raises(GraphQLError, match=r"^A BigInt is a whole number"):
        taken(BigInt, given)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "given", [{"a": [1, 2.5, None, True, "x"]}, [], "text", 0, nested(31), {"a": nested(30)}, -(2**63)]
)
def test_any_json_is_taken_as_it_is(given: object) -> None:
    assert taken(JSON, given) == given


@pytest.mark.parametrize(
    "given", [nested(32), {"a": "\0"}, {"\0": 1}, [float("inf")], {"a": [float("nan")]}, 2**63, [-(2**63) - 1]]
)
def test_json_that_no_table_or_answer_can_hold_is_refused(given: object) -> None:
    with pytest.raises(GraphQLError):
        taken(JSON, given)


@pytest.mark.parametrize(
    ("scalar", "literal", "value"),
    [
        (Month, '"2026-10"', Month(2026, 10)),
        (Decimal, "12", Decimal(12)),
        (Decimal, '"12.50"', Decimal("12.50")),
        (BigInt, "12", 12),
        (JSON, '{a: [1, 2.5, "x", true, null]}', {"a": [1, 2.5, "x", True, None]}),
    ],
)
def test_a_literal_is_taken_as_the_same_value_in_variables(scalar: object, literal: str, value: object) -> None:
    parse_literal: Callable[..., Any] | None = SCALARS[scalar].parse_literal
    assert parse_literal is not None
    assert parse_literal(parse_value(literal)) == value


async def test_a_refused_literal_says_where_it_stands_and_what_was_expected() -> None:
    answer = await Toy.new().ask('{\n  scalars(month: "2026-13", decimal: 1.5) { day }\n}')
    assert [(error["locations"], error["extensions"]["code"]) for error in answer["errors"]] == [
        ([{"line": 2, "column": 18}], "INVALID"),
        ([{"line": 2, "column": 38}], "INVALID"),
    ]
    assert answer["errors"][0]["message"].startswith("A month is written as")


async def test_a_refused_variable_says_its_name_and_what_was_expected() -> None:
    answer = await Toy.new().ask("query($m: Month!) { scalars(month: $m) { day } }", m="2026-13")
    assert answer["errors"][0]["message"].startswith("Variable '$m' has invalid value: A month is written as")
    assert answer["errors"][0]["extensions"]["code"] == "INVALID"


async def test_the_scalars_are_answered_in_their_one_form() -> None:
    answer = await Toy.new().ask(
        'query($at: DateTime!, $json: JSON) { scalars(instant: $at, day: "2026-02-28", month: "2026-02",'
        ' decimal: "1.50", big: 9007199254740993, json: $json) { instant day month decimal money big json } }',
        at="2026-02-28T01:00:00+01:00",
        json={"a": [1, None]},
    )
    assert answer == {
        "data": {
            "scalars": {
                "instant": "2026-02-28T00:00:00.000000Z",
                "day": "2026-02-28",
                "month": "2026-02",
                "decimal": "1.5",
                "money": "2000.00",
                "big": "9007199254740993",
                "json": {"a": [1, None]},
            }
        }
    }


def test_money_is_the_scalar_decimal_to_clients() -> None:
    printed = SCHEMA.as_str()
    assert "  money: Decimal!" in printed
    assert "scalar Money" not in printed
