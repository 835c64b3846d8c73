"""Keyset pages: a list's next rows after a known one, never by counting from the start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

Row = TypeVar("Row")

# `totalCount` counts no further than this.
COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a longer list; `count` asks how long it is, no further than COUNT_LIMIT."""

    rows: Sequence[Row]
    has_next: bool
    after_given: bool
    count: Callable[[], Awaitable[int]]

    @classmethod
    def cut(
        cls, rows: Sequence[Row], *, first: int, after_given: bool, count: Callable[[], Awaitable[int]]
    ) -> Page[Row]:
        """`rows` were asked one further than `first`, to know whether there are more."""
        return cls(rows=rows[:first], has_next=len(rows) > first, after_given=after_given, count=count)


@dataclass(frozen=True, eq=False)
class Edge(Generic[Row]):
    """A list that hangs on a parent, asked for many parents at once.

    `ask(session, parents, first=, after=, **filter)` gives up to `first + 1` rows for each parent, newest first;
    `count(session, parents, **filter)` gives (parent, number) for each parent that has any, up to COUNT_LIMIT;
    `parent` reads a row's parent.
    """

    ask: Callable[..., Awaitable[list[Row]]]
    count: Callable[..., Awaitable[list[tuple[UUID, int]]]]
    parent: Callable[[Row], UUID]
