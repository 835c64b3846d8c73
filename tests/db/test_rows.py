"""Rows: made quickly, and as frozen as those made one by one."""

from __future__ import annotations

import importlib
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass
from pathlib import Path

import pytest

import db
from db.session import quick

ROWS = [
    row
    for path in Path(db.__file__).parent.glob("*.py")
    for name, row in vars(importlib.import_module(f"db.{path.stem}")).items()
    if name.endswith("Row") and isinstance(row, type) and row.__module__ == f"db.{path.stem}" and is_dataclass(row)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.__name__)
def test_a_row_made_quickly_is_the_same_row(row: type) -> None:
    values = [f"value {place}" for place, _ in enumerate(fields(row))]
    quickly, slowly = quick(row)(*values), row(*values)
    assert type(quickly) is row
    assert quickly == slowly
    assert repr(quickly) == repr(slowly)
    assert hash(quickly) == hash(slowly)
    with pytest.raises(FrozenInstanceError):
        setattr(quickly, fields(row)[0].name, "another")


def test_a_row_that_does_more_than_hold_its_fields_is_made_as_it_says() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        number: int

        def __post_init__(self) -> None:
            assert self.number

    @dataclass(frozen=True, slots=True)
    class Defaulted:
        number: int = 1

    assert quick(Checked) is Checked
    assert quick(Defaulted) is Defaulted
