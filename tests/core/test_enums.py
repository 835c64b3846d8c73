"""Enums of the domain as clients see them."""

from __future__ import annotations

from enum import StrEnum

import pytest

from schema.enums import shown
from tests.core.toy import SCHEMA, Toy


def test_an_enum_is_shown_by_its_members_names_with_their_descriptions() -> None:
    assert '"""What kind of book it is."""\nenum Genre {\n  POETRY\n\n  """Of rules."""\n  LAW\n}' in SCHEMA.as_str()


def test_a_description_of_no_member_is_a_mistake() -> None:
    class Side(StrEnum):
        LEFT = "left"

    with pytest.raises(ValueError, match=r"^Side has no RIGHT$"):
        shown(Side, "A side.", RIGHT="The other one.")


async def test_a_name_goes_in_and_out_where_the_domain_has_its_own_value() -> None:
    answer = await Toy.new().ask("{ books(first: 2, filter: {genre: [LAW]}) { nodes { title genre } } }")
    assert answer["data"]["books"]["nodes"] == [
        {"title": "Book 1", "genre": "LAW"},
        {"title": "Book 3", "genre": "LAW"},
    ]
