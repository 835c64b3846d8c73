"""How large, deep and long a request may be: each limit at its edge and beyond it."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query

from resolvers.limits import Limits, holds_nul, json_depth
from tests.core.toy import Toy


def code(answer: dict[str, Any]) -> str | None:
    return answer["errors"][0]["extensions"]["code"] if "errors" in answer else None


async def both(limits: Limits, within: str, beyond: str) -> None:
    toy = Toy.new(limits)
    assert code(await toy.ask(within)) is None
    answer = await toy.ask(beyond)
    assert "data" not in answer
    assert code(answer) == "TOO_COMPLEX"
    assert toy.operations.events[-1][:2] == ("not run", "TOO_COMPLEX")


async def test_tokens_are_limited() -> None:
    # viewer { name } and the outer braces are 6
    await both(Limits(tokens=6), "{ viewer { name } }", "{ viewer { name __typename } }")
    await both(Limits(tokens=6), "{ viewer { name } }", "{ viewer { name } } # a comment is one too")


async def test_aliases_are_limited() -> None:
    await both(
        Limits(aliases=2),
        "{ a: viewer { b: name } }",
        "{ a: viewer { ...V } } fragment V on Viewer { b: name c: name }",
    )


async def test_directives_are_limited() -> None:
    await both(
        Limits(directives=1),
        "{ viewer { name @skip(if: false) } }",
        "{ viewer @include(if: true) { name @skip(if: false) } }",
    )


async def test_depth_is_limited_through_fragments_too() -> None:
    within = "{ books { edges { node { title } } } }"
    await both(Limits(depth=4), within, "{ books { edges { node { author { name } } } } }")
    beyond = """
    { books { ...A } }
    fragment A on BookConnection { ... on BookConnection { edges { ...B } } }
    fragment B on BookEdge { node { author { name } } }"""
    await both(Limits(depth=4), within, beyond)


async def test_a_document_nested_beyond_reason_is_refused_and_no_fault() -> None:
    toy = Toy.new(Limits(tokens=100_000, body_bytes=1_000_000))
    for text in ("{ viewer " * 5000, "{ scalars(json: " + "[" * 5000 + "]" * 5000 + ") { day } }"):
        assert code(await toy.ask(text)) == "BAD_REQUEST"


async def test_a_chain_and_a_bomb_of_fragments_are_answered_at_once() -> None:
    toy = Toy.new()
    bomb = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    document = "{ ...F0 } " + bomb + " fragment F60 on Query { viewer { name } }"
    assert await toy.ask(document) == {"data": {"viewer": {"name": "script"}}}
    assert code(await toy.ask("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }")) == "BAD_REQUEST"


@pytest.mark.parametrize(
    "options", [{}, {"input_value_deprecation": True, "specified_by_url": True, "schema_description": True}]
)
async def test_the_introspection_of_tools_is_within_all_limits(options: dict[str, bool]) -> None:
    answer = await Toy.new().ask(get_introspection_query(**options))
    assert "errors" not in answer
    assert answer["data"]["__schema"]["queryType"]["name"] == "Query"


@pytest.mark.parametrize(
    ("value", "depth"), [(1, 0), ([], 1), ({}, 1), ([1, [2, {"a": []}]], 4), ({"a": 1, "b": {"c": 2}}, 2), ("[[", 0)]
)
def test_the_depth_of_json_is_that_of_its_lists_and_objects(value: object, depth: int) -> None:
    assert json_depth(value) == depth


@pytest.mark.parametrize(
    ("value", "held"),
    [("a", False), ("a\0", True), ({"a": ["\0"]}, True), ({"\0": 1}, True), ({"a": [1, None, "x"]}, False)],
)
def test_nul_is_found_in_any_text_of_json(value: object, held: bool) -> None:
    assert holds_nul(value) is held


async def test_fields_that_stand_in_the_same_braces_twice_are_limited() -> None:
    await both(
        Limits(repeats=1),
        "{ viewer { name name } a: viewer { name } ...V } fragment V on Query { viewer { name } }",
        "{ viewer { name name } viewer { name } }",
    )


async def test_operations_are_limited() -> None:
    toy = Toy.new(Limits(operations=2))
    two = "query A { viewer { name } } query B { viewer { name } }"
    assert code(await toy.ask(two, operation="B")) is None
    assert code(await toy.ask(two + " query C { viewer { name } }", operation="B")) == "TOO_COMPLEX"


async def test_what_is_counted_is_counted_before_it_is_validated() -> None:
    assert code(await Toy.new().ask("{ viewer { name" + " @unknown" * 11 + " } }")) == "TOO_COMPLEX"


async def test_an_answer_too_large_to_be_passed_on_is_not_sent() -> None:
    books = "query($first: Int) { books(first: $first) { nodes { title } } }"
    toy = Toy.new(Limits(answer_bytes=400))
    within = await toy.post({"query": books, "variables": {"first": 13}})
    assert (300 < len(within.content) <= 400, "errors" in within.json()) == (True, False)
    beyond = await toy.post({"query": books, "variables": {"first": 18}})
    assert (beyond.status_code, beyond.json()["data"]) == (200, None)
    assert [(error["extensions"]["code"], error["message"]) for error in beyond.json()["errors"]] == [
        ("TOO_COMPLEX", "This answer has more than 400 bytes and is not sent: ask for less at once, by `first`.")
    ]


async def test_a_mutation_whose_answer_is_too_large_says_that_it_was_done() -> None:
    toy = Toy.new(Limits(answer_bytes=100))
    answer = await toy.ask('mutation { renameBook(input: {id: "x", title: "Fine"}) { book { title } } }')
    assert (answer["data"], answer["errors"][0]["message"]) == (
        None,
        "It was done. This answer has more than 100 bytes and is not sent: ask for less at once, by `first`.",
    )
    assert toy.operations.events[-1][0] == "done"
