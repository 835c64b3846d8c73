"""Dataloaders: who waits for the same rows, and who stops waiting."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from db.session import Session
from resolvers.loaders import Loaders


@dataclass(frozen=True)
class Row:
    id: int


async def test_who_stops_waiting_cancels_nobody_who_waits_for_the_same() -> None:
    """As fields do whose sibling failed."""
    loaders = Loaders(cast(Session, None))
    asked: list[Sequence[int]] = []

    async def rows(session: Session, ids: Sequence[int]) -> list[Row]:
        asked.append(ids)
        await asyncio.sleep(0)
        return [Row(id) for id in ids]

    async def one() -> Row | None:
        found = await loaders.one(rows, 1)
        return found

    impatient, patient = asyncio.create_task(one()), asyncio.create_task(one())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await patient == Row(1)
    assert asked == [[1]]


async def test_what_is_raised_for_nobody_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    loaders = Loaders(cast(Session, None))

    async def rows(session: Session, ids: Sequence[int]) -> list[Row]:
        await asyncio.sleep(0)
        raise RuntimeError("hunter2")

    async def one() -> Row | None:
        found = await loaders.one(rows, 1)
        return found

    impatient = asyncio.create_task(one())
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    for _ in range(10):
        await asyncio.sleep(0)
    loaders.reset()
    gc.collect()
    assert caplog.records == []
