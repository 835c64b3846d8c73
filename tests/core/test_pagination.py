"""Connections: what `first` and `after` take, what cursors are bound to, the count that is asked only when selected."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID

import pytest
import strawberry

from db.errors import Invalid
from schema.pagination import window
from tests.core.conftest import Lines
from tests.core.toy import BOOKS, SCHEMA, BookFilter, Genre, Toy

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def test_first_is_20_where_none_is_given() -> None:
    assert window("books", first=None, after=None).first == 20


@pytest.mark.parametrize(("first", "most"), [(0, 100), (101, 100), (-1, 100), (501, 500)])
def test_first_outside_its_range_is_refused_with_its_field(first: int, most: int) -> None:
    with pytest.raises(Invalid, match=f"^`first` is 1 to {most}.$") as refused:
        window("books", first=first, after=None, most=most)
    assert refused.value.field == ["first"]


@pytest.mark.parametrize(("first", "most"), [(1, 100), (100, 100), (500, 500)])
def test_first_reaches_both_ends_of_its_range(first: int, most: int) -> None:
    assert window("books", first=first, after=None, most=most).first == first


def test_a_cursor_is_read_by_the_list_and_filter_that_gave_it() -> None:
    asked = window("books", first=5, after=None, filter=BookFilter(genre=[Genre.LAW], title=None))
    again = window("books", first=7, after=asked.cursor(ID), filter=BookFilter(genre=[Genre.LAW], title=None))
    assert (again.first, again.after) == (7, ID)


def test_an_absent_filter_and_one_that_says_nothing_are_the_same() -> None:
    cursor = window("books", first=5, after=None).cursor(ID)
    same: list[object] = [None, BookFilter(), BookFilter(genre=strawberry.UNSET, title=None), {}]
    for filter in same:
        assert window("books", first=5, after=cursor, filter=filter).after == ID


@pytest.mark.parametrize(
    ("ordering", "filter"),
    [
        ("invoices", None),
        ("books", BookFilter(genre=[Genre.LAW], title=None)),
        ("books", BookFilter(genre=[], title=None)),
        ("books", BookFilter(genre=None, title="a")),
        ("books", (ID, None)),
    ],
)
def test_a_cursor_of_another_list_or_filter_is_refused(ordering: str, filter: object) -> None:
    cursor = window("books", first=5, after=None).cursor(ID)
    with pytest.raises(Invalid, match="another list") as refused:
        window(ordering, first=5, after=cursor, filter=filter)
    assert refused.value.field == ["after"]


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "garbage!",
        "ü",
        "AAAA",
        encoded("null"),
        encoded("[]"),
        encoded('["a"]'),
        encoded('["a", 1]'),
        encoded("{}"),
    ],
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid, match=r"^This is no cursor") as refused:
        window("books", first=5, after=cursor)
    assert refused.value.field == ["after"]


def test_a_cursor_is_taken_in_the_one_form_it_was_given_in() -> None:
    cursor = window("books", first=5, after=None).cursor(ID)
    with pytest.raises(Invalid):
        window("books", first=5, after=cursor + "=")


PAGE = """
query($first: Int, $after: String, $filter: BookFilter) {
  books(first: $first, after: $after, filter: $filter) {
    edges { cursor node { title } } nodes { title } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


async def test_pages_follow_each_other_to_the_end() -> None:
    toy = Toy.new()
    titles: list[str] = []
    after = None
    for has_next in (True, True, False):
        page = (await toy.ask(PAGE, first=12, after=after))["data"]["books"]
        assert page["nodes"] == [edge["node"] for edge in page["edges"]]
        assert page["pageInfo"] == {
            "hasNextPage": has_next,
            "hasPreviousPage": after is not None,
            "startCursor": page["edges"][0]["cursor"],
            "endCursor": page["edges"][-1]["cursor"],
        }
        titles += [node["title"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    assert titles == [row.title for row in BOOKS]


async def test_an_empty_page_has_no_cursors() -> None:
    toy = Toy.new()
    last = window("books", first=1, after=None).cursor(BOOKS[-1].id)
    page = (await toy.ask(PAGE, after=last))["data"]["books"]
    assert page == {
        "edges": [],
        "nodes": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": True, "startCursor": None, "endCursor": None},
    }


@pytest.mark.parametrize(
    ("variables", "field"), [({"first": 0}, "first"), ({"first": 101}, "first"), ({"after": "garbage"}, "after")]
)
async def test_a_bad_page_is_invalid_at_its_field(variables: dict[str, Any], field: str) -> None:
    answer = await Toy.new().ask(PAGE, **variables)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["INVALID"]
    assert answer["errors"][0]["extensions"]["field"] == [field]


async def test_null_is_the_default_of_first() -> None:
    assert len((await Toy.new().ask(PAGE, first=None))["data"]["books"]["nodes"]) == 20


async def test_the_total_is_counted_only_when_selected_and_no_further_than_10000(lines: Lines) -> None:
    toy = Toy.new()
    await toy.ask("{ books { nodes { title } } }")
    assert await toy.ask("{ books { totalCount } }") == {"data": {"books": {"totalCount": 10_000}}}
    assert [line["statements"] for line in lines("requests")] == [0, 1]


def test_a_connection_prints_the_contracts_names_and_nullability() -> None:
    printed = SCHEMA.as_str()
    for line in (
        "type BookConnection {",
        "  edges: [BookEdge!]!",
        "  nodes: [Book!]!",
        "  pageInfo: PageInfo!",
        "  totalCount: Int!",
        "type BookEdge {",
        "  cursor: String!",
        "  node: Book!",
        "  hasNextPage: Boolean!",
        "  hasPreviousPage: Boolean!",
        "  startCursor: String",
        "  endCursor: String",
        "    first: Int = 20",
        "    after: String",
        "    filter: BookFilter",
        "  genre: [Genre!]",
    ):
        assert f"\n{line}\n" in printed, line
