"""TypeIDs: one text for each UUID, and nothing else is taken."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.errors import Invalid
from schema.ids import prefix_of, split, typeid, uuid_of


# the published examples of the TypeID specification
@pytest.mark.parametrize(
    ("id", "text"),
    [
        ("00000000-0000-0000-0000-000000000000", "00000000000000000000000000"),
        ("00000000-0000-0000-0000-000000000001", "00000000000000000000000001"),
        ("00000000-0000-0000-0000-000000000020", "00000000000000000000000010"),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
        ("0110c853-1d09-52d8-d73e-1194e95b5f19", "0123456789abcdefghjkmnpqrs"),
        ("01890a5d-ac96-774b-bcce-b302099a8057", "01h455vb4pex5vsknk084sn02q"),
    ],
)
def test_a_uuid_is_26_characters_of_crockfords_base_32(id: str, text: str) -> None:
    assert typeid("inv", UUID(id)) == f"inv_{text}"
    assert uuid_of("inv", f"inv_{text}", ("id",)) == UUID(id)


@given(st.uuids(), st.uuids())
def test_every_uuid_comes_back_and_the_order_is_kept(one: UUID, other: UUID) -> None:
    assert split(typeid("cus", one)) == ("cus", one)
    assert (typeid("cus", one) < typeid("cus", other)) == (one < other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "inv_",
        "01h455vb4pex5vsknk084sn02q",
        "inv_01h455vb4pex5vsknk084sn02",
        "inv_01h455vb4pex5vsknk084sn02qq",
        "inv_81h455vb4pex5vsknk084sn02q",
        "inv_01H455VB4PEX5VSKNK084SN02Q",
        "inv_o1h455vb4pex5vsknk084sn02q",
        "inv_0lh455vb4pex5vsknk084sn02q",
        "inv_0ih455vb4pex5vsknk084sn02q",
        "inv_0uh455vb4pex5vsknk084sn02q",
        "INV_01h455vb4pex5vsknk084sn02q",
        "inv-01h455vb4pex5vsknk084sn02q",
        " inv_01h455vb4pex5vsknk084sn02q",
        "inv_01h455vb4pex5vsknk084sn02q\n",
        "01890a5d-ac96-774b-bcce-b302099a8057",
    ],
)
def test_what_is_no_typeid_is_refused_with_its_field(text: str) -> None:
    for read in (lambda: uuid_of("inv", text, ("input", "id")), lambda: prefix_of(text, ("input", "id"))):
        with pytest.raises(Invalid) as refused:
            read()
        assert refused.value.field == ["input", "id"]


def test_another_types_id_is_refused_and_says_which_was_expected() -> None:
    with pytest.raises(Invalid, match="begins with `inv_`"):
        uuid_of("inv", "cus_01h455vb4pex5vsknk084sn02q", ("id",))
