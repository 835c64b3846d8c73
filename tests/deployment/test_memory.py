"""The memory of every function is given for a reason: docs/operations.md shows what each was measured to hold, and twice that is there."""

from __future__ import annotations

import re
from pathlib import Path

from bench import memory

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| [^|]+ \| (\d+) \| (\d+) \| ([\d,]+) \|", OPERATIONS, re.MULTILINE)


def test_every_function_was_measured_with_the_memory_that_it_has() -> None:
    given = {name: f"{size:,}" for name, size in memory.given().items()}
    assert {name: size for name, _, _, size in ROWS} == given


def test_every_function_has_twice_the_memory_that_it_ever_held() -> None:
    assert len(ROWS) >= 9
    for name, after_start, at_most, size in ROWS:
        assert int(after_start) <= int(at_most)
        assert 2 * int(at_most) <= int(size.replace(",", "")), name
