"""The dataloaders of one operation: each question is put to the database once for all who ask it together."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from aiodataloader import DataLoader

from db.page import Edge, Page
from db.session import Session

Row = TypeVar("Row")
Key = TypeVar("Key", bound=Hashable)

# `question(session, keys)`: the rows of all these keys, in any order
Question = Callable[[Session, Sequence[Key]], Awaitable[list[Row]]]
# All that was asked of a question until now, answered in that order.
Batch = Callable[[list[Any]], Coroutine[Any, Any, list[Any]]]


class Loaders:
    """Loaders come into being as they are asked for. A write starts them afresh, so that an answer shows what it wrote."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    def reset(self) -> None:
        self._loaders.clear()

    async def one(self, question: Question[Key, Row], key: Key, *, by: str = "id") -> Row | None:
        """The one row of this key, or None."""
        found = await self._rows(question, key, by)
        return found[0] if found else None

    async def many(self, question: Question[Key, Row], key: Key, *, by: str = "customer_id") -> list[Row]:
        """The rows of this key, in the question's order."""
        return await self._rows(question, key, by)

    async def page(
        self, edge: Edge[Row], parent: UUID, *, first: int, after: UUID | None, **filter: Hashable
    ) -> Page[Row]:
        """A page of the list that hangs on `parent`: one statement for all parents of the operation that ask the same."""
        which = tuple(sorted(filter.items()))

        def ask() -> Batch:
            return partial(_grouped, self._session, partial(edge.ask, first=first, after=after, **filter), edge.parent)

        def count() -> Batch:
            return partial(_counted, self._session, partial(edge.count, **filter))

        rows = await self._load(("page", edge, first, after, which), ask, parent)
        return Page.cut(
            rows,
            first=first,
            after_given=after is not None,
            count=lambda: self._load(("count", edge, which), count, parent),
        )

    async def _rows(self, question: Question[Key, Row], key: Key, by: str) -> list[Row]:
        def batch() -> Batch:
            return partial(_grouped, self._session, question, attrgetter(by))

        rows: list[Row] = await self._load((question, by), batch, key)
        return rows

    async def _load(self, name: Hashable, batch: Callable[[], Batch], key: Hashable) -> Any:
        loader = self._loaders.get(name)
        if loader is None:
            loader = self._loaders[name] = DataLoader(batch())
        return await _alone(loader.load(key))


def _alone(shared: asyncio.Future[Row]) -> asyncio.Future[Row]:
    """A future of one's own with what the shared one will bring.

    Whoever stops waiting, since a sibling failed, must not cancel what others wait for too. `asyncio.shield` does as much,
    but where nobody waits any more it leaves what was raised unheard, and asyncio writes that into the log, values and all.
    """
    if shared.done():
        return shared
    own = shared.get_loop().create_future()

    def bring(done: asyncio.Future[Row]) -> None:
        if done.cancelled():
            own.cancel()
            return
        error = done.exception()
        if own.done():
            return
        if error is None:
            own.set_result(done.result())
        else:
            own.set_exception(error)

    shared.add_done_callback(bring)
    return own


async def _grouped(
    session: Session, question: Question[Key, Row], key_of: Callable[[Row], Key], keys: list[Key]
) -> list[list[Row]]:
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in await question(session, keys):
        groups[key_of(row)].append(row)
    return [groups.get(key, []) for key in keys]


async def _counted(
    session: Session, count: Callable[[Session, list[UUID]], Awaitable[list[tuple[UUID, int]]]], keys: list[UUID]
) -> list[int]:
    counts = dict(await count(session, keys))
    return [counts.get(key, 0) for key in keys]
