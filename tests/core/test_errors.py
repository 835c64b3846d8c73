"""What a caller reads of each error: data where it can act on it, else a code, and nothing of what nobody foresaw."""

from __future__ import annotations

from typing import Any

import pytest

from schema.errors import ErrorCode
from tests.core.conftest import Lines
from tests.core.toy import ERRORS, NOW, SECRET, Failing, Toy

REFUSALS = {
    "Invalid": "INVALID",
    "NotFound": "NOT_FOUND",
    "Forbidden": "FORBIDDEN",
    "IllegalState": "ILLEGAL_STATE",
    "Conflict": "CONFLICT",
    "IdempotencyMismatch": "IDEMPOTENCY_MISMATCH",
    "IdempotencyInProgress": "IDEMPOTENCY_IN_PROGRESS",
    "TierLimit": "TIER_LIMIT",
}
FAILURES = {
    "Unauthenticated": "UNAUTHENTICATED",
    "TimedOut": "TIMEOUT",
    "Unavailable": "UNAVAILABLE",
    "Failing": "NO_USAGE",
    "RuntimeError": "INTERNAL",
}
RENAME = """
mutation($title: String!) {
  renameBook(input: {id: "x", title: $title}) { book { title } errors { code message field } }
}"""


def test_every_error_of_the_domain_is_in_one_of_the_two_tables() -> None:
    assert REFUSALS.keys() | FAILURES.keys() == ERRORS.keys()
    assert set(REFUSALS.values()) == set(ErrorCode.__members__)


@pytest.mark.parametrize(("kind", "code"), REFUSALS.items())
async def test_a_mutations_refusal_is_data_with_its_object_null(kind: str, code: str) -> None:
    answer = await Toy.new().ask(RENAME, title=kind)
    refusal = {"code": code, "message": str(ERRORS[kind]), "field": getattr(ERRORS[kind], "field", None)}
    assert answer == {"data": {"renameBook": {"book": None, "errors": [refusal]}}}


@pytest.mark.parametrize(("kind", "code"), FAILURES.items())
async def test_what_is_no_refusal_is_a_graphql_error_of_a_mutation_too(kind: str, code: str) -> None:
    answer = await Toy.new().ask(RENAME, title=kind)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == [code]


@pytest.mark.parametrize(("kind", "code"), (REFUSALS | FAILURES).items())
async def test_a_querys_error_has_its_code_and_the_requests_id(kind: str, code: str) -> None:
    toy = Toy.new()
    response = await toy.post({"query": "query($how: String!) { fails(how: $how) }", "variables": {"how": kind}})
    (error,) = response.json()["errors"]
    field: dict[str, Any] = {"field": ["input", "title"]} if kind == "Invalid" else {}
    assert error == {
        "message": error["message"],
        "locations": [{"line": 1, "column": 24}],
        "path": ["fails"],
        "extensions": {"code": code, "requestId": response.headers["x-request-id"], **field},
    }
    if kind != "RuntimeError":
        assert error["message"] == str(ERRORS[kind])
    assert response.json()["data"] == {"fails": None}


def test_an_error_outside_the_tables_brings_its_own_code() -> None:
    assert Failing.code == "NO_USAGE"


async def test_what_nobody_foresaw_is_masked_and_logged_under_the_requests_id(lines: Lines) -> None:
    toy = Toy.new()
    response = await toy.post({"query": '{ fails(how: "RuntimeError") }'})
    assert SECRET not in response.text
    assert "RuntimeError" not in response.text
    (fault,) = lines("faults")
    assert fault["request"] == response.headers["x-request-id"]
    assert fault["path"] == ["fails"]
    assert fault["fault"][0]["error"] == "builtins.RuntimeError"
    assert fault["fault"][0]["at"][-1].endswith(" fails")
    assert SECRET not in str(fault)


async def test_a_value_that_its_type_cannot_hold_is_masked_too(lines: Lines) -> None:
    answer = await Toy.new().ask("{ overflows }")
    assert answer["data"] == {"overflows": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INTERNAL"]
    assert str(2**40) not in str(answer)
    assert str(2**40) not in str(lines("faults"))


async def test_at_most_five_errors_are_answered() -> None:
    fields = " ".join(f'a{number}: fails(how: "NotFound")' for number in range(7))
    answer = await Toy.new().ask("{ " + fields + " }")
    assert len(answer["errors"]) == 5
    assert answer["data"] == {f"a{number}": None for number in range(7)}
    unknown = " ".join(f"no{number}" for number in range(7))
    assert len((await Toy.new().ask("{ " + unknown + " }"))["errors"]) == 5


async def test_validation_messages_stay_readable_and_suggest_fields_to_callers_alone() -> None:
    toy = Toy.new()
    known = await toy.ask("{ viewer { nam } }")
    assert [error["message"] for error in known["errors"]] == [
        "Cannot query field 'nam' on type 'Viewer'. Did you mean 'name'?"
    ]
    stranger = await toy.ask('mutation { createSession(key: "good") { session { tokn } } }', scopes=None)
    assert [error["message"] for error in stranger["errors"]] == ["Cannot query field 'tokn' on type 'Session'."]


async def test_a_variable_left_out_where_null_is_not_allowed_is_invalid_and_no_fault(lines: Lines) -> None:
    answer = await Toy.new().ask(
        'mutation($copies: Int) { renameBook(input: {id: "x", title: "y", copies: $copies}) { errors { code } } }',
        copies=None,
    )
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]
    assert lines("faults") == []


async def test_a_request_is_one_line_in_the_log_without_anything_the_client_sent(lines: Lines) -> None:
    toy = Toy.new()
    await toy.ask(
        'query Mine($id: ID!) { book(id: $id) { title } viewer { name } fails(how: "NotFound") }', id="boo_" + "0" * 26
    )
    (line,) = lines("requests")
    assert " ".join(line) == (
        "request operation kind fields document caller customer scopes cost codes statements planned ms status"
    )
    assert (line["operation"], line["kind"], line["fields"]) == ("Mine", "query", ["book", "viewer", "fails"])
    assert (line["caller"], line["codes"], line["status"]) == ("tenant", ["NOT_FOUND"], 200)
    assert line["customer"] == "01900000-0000-7000-8000-000000000000"
    # for the request, a book and a viewer; a resolver of its own
    assert (line["scopes"], line["cost"]) == (["write"], 4)
    assert "boo_" not in str(line)
    assert "Bearer" not in str(line)


@pytest.mark.parametrize("secret", ["b" * 49, "b" * 20, "b" * 49 + "_2"])
async def test_of_an_operation_named_after_a_key_the_secret_part_is_not_written_down(lines: Lines, secret: str) -> None:
    key = "lz_live_" + "a" * 12
    await Toy.new().ask(f"query My_{key}_{secret} {{ viewer {{ name }} }}")
    (line,) = lines("requests")
    assert line["operation"] == f"My_{key}"
    assert NOW.isoformat() not in str(line)
