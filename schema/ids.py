"""TypeIDs: a type's prefix, an underscore, and its UUID as 26 characters of Crockford's base 32, in lower case."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast
from uuid import UUID

from db import typeids
from db.errors import Invalid

if TYPE_CHECKING:
    import strawberry

_TO_PYTHONS_BASE_32 = str.maketrans(typeids.ALPHABET, "0123456789abcdefghijklmnopqrstuv")

# 26 characters hold 130 bits: the first is at most 7, or the value were above 128 bits
_TYPEID = re.compile(r"([a-z]{3})_([0-7][0-9a-hjkmnp-tv-z]{25})")


# `typeid("inv", row.id)`
typeid = cast("Callable[[str, UUID], strawberry.ID]", typeids.typeid)


def uuid_of(prefix: str, text: str, field: Sequence[str]) -> UUID:
    """The UUID in a TypeID of this prefix. Raises Invalid, at `field`, for anything else."""
    found = _TYPEID.fullmatch(text)
    if found is None or found[1] != prefix:
        raise Invalid(f"This is no ID that begins with `{prefix}_` and goes on with 26 characters.", field=field)
    return _uuid(found[2])


def split(text: str, field: Sequence[str] = ("id",)) -> tuple[str, UUID]:
    """The prefix, known or not, and the UUID of any TypeID. Raises Invalid, at `field`, for anything else."""
    found = _TYPEID.fullmatch(text)
    if found is None:
        raise Invalid("This is no ID: one has a prefix, an underscore and 26 characters.", field=field)
    return found[1], _uuid(found[2])


def prefix_of(text: str, field: Sequence[str] = ("id",)) -> str:
    """The prefix of a TypeID. Raises Invalid, at `field`, for anything else."""
    return split(text, field)[0]


def _uuid(characters: str) -> UUID:
    return UUID(int=int(characters.translate(_TO_PYTHONS_BASE_32), 32))
