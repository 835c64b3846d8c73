"""Killed at random moments, again and again, billing still gives everyone what an undisturbed run would have given.

`make crash` runs it; LANDLORD_CRASHES is how often somebody is killed (100), LANDLORD_CRASH_SEED repeats a storm.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.crash import designs
from tests.crash.storms import brewing

CRASHES = int(os.environ.get("LANDLORD_CRASHES", "100"))
SEED = int(os.environ.get("LANDLORD_CRASH_SEED", random.randrange(10**6)))

# what each of them is caught by; other things may be wrong as well
CAUGHT = {
    designs.NUMBERS_FROM_SEQUENCES: "has gaps in its numbers",
    designs.MARKS_THEN_SENDS: "was never written to",
    designs.LOOKS_THEN_WRITES: "has not one invoice",
}


async def test_after_any_number_of_crashes_the_books_are_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    async with brewing(tmp_path, wrong=None, seed=SEED) as storm:
        await storm.rage(CRASHES)
        found = await storm.problems()
        told = f"seed {SEED}: {storm.kills} workers killed and {storm.stops} databases stopped within"
        print(f"{told} {len(storm.months)} months of 1,000 customers; {storm.interrupted} kills cut a transaction")
        assert found == {}, told
        assert storm.kills + storm.stops == CRASHES
        # a storm that hits nothing proves nothing
        assert storm.interrupted >= CRASHES / 2


@pytest.mark.parametrize("wrong", designs.SCHEMA)
async def test_a_wrong_design_does_not_survive_it(tmp_path: Path, wrong: str) -> None:
    """Not three storms in a row: whom one of them hits is chance."""
    found: dict[str, int] = {}
    for more in range(3):
        folder = tmp_path / str(more)
        folder.mkdir()
        async with brewing(folder, wrong=wrong, seed=SEED + more) as storm:
            await storm.rage(min(CRASHES, 30))
            found |= await storm.problems()
        if CAUGHT[wrong] in found:
            return
    pytest.fail(f"seed {SEED}: {found}")
