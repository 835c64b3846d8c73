"""TypeIDs without a request: the same text, one by one and many at once."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from db.typeids import digits, digits_of, typeid
from schema.ids import uuid_of


@pytest.mark.parametrize("many", [0, 1, 2, 127, 128, 129, 500])
def test_many_are_written_as_each_is(many: int) -> None:
    ids = [UUID(int=0), UUID(int=2**128 - 1), *(uuid4() for _ in range(many))][:many]
    assert digits_of([id.hex for id in ids]) == [digits(id.int) for id in ids]


def test_what_is_written_is_read_again() -> None:
    for id in (UUID(int=0), UUID(int=2**128 - 1), uuid4()):
        assert uuid_of("tkt", typeid("tkt", id), ("id",)) == id
