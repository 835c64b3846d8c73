"""Which part of a list is asked for, and the cursors that bind it to the list and its filter."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson

from db.errors import Invalid

FIRST_BY_DEFAULT: Final = 20
FIRST_AT_MOST: Final = 100
LONGEST_PAGE: Final = 500  # of audit events


@dataclass(frozen=True)
class Window:
    """`filter` is JSON."""

    first: int
    after: UUID | None
    ordering: str
    filter: Any

    @cached_property
    def binding(self) -> str:
        """Stands for ordering and filter in every cursor of the list."""
        return sha256(orjson.dumps([self.ordering, self.filter])).hexdigest()[:16]

    def cursor(self, id: UUID) -> str:
        return urlsafe_b64encode(orjson.dumps([self.binding, id.hex])).rstrip(b"=").decode()


def window(
    ordering: str, *, first: int | None, after: str | None, filter: Any = None, most: int = FIRST_AT_MOST
) -> Window:
    """Read `first` and `after`. Raises Invalid where `first` is not 1 to `most`, or the cursor is not of this list.

    `ordering` names the list and its order, such as "invoices"; `filter` is all that narrows it, as JSON that is the same
    however it was written: the filter as given, or (parent's id, filter) for a list that hangs on a parent.
    """
    if first is None:
        first = FIRST_BY_DEFAULT
    if not 1 <= first <= most:
        raise Invalid(f"`first` is 1 to {most}.", field=("first",))
    here = Window(first, None, ordering, filter)
    return here if after is None else Window(first, _id_in(after, here), ordering, filter)


def _id_in(cursor: str, window: Window) -> UUID:
    try:
        binding, text = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        id = UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise Invalid("This is no cursor: take `endCursor` of the page before.", field=("after",)) from None
    if binding != window.binding or window.cursor(id) != cursor:
        raise Invalid("This cursor is of another list, or of this one under another filter.", field=("after",))
    return id
