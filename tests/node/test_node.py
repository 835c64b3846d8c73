"""Any object by its ID: with the scope of its type, and of no other."""

from __future__ import annotations

import pytest

from auth.scopes import Scope
from db.errors import Invalid
from resolvers.node import scope_of
from schema.ids import typeid
from tests.landlord import Landlord, Refused, Tenant

SCOPES = {
    "cus": Scope.CUSTOMERS_READ,
    "inv": Scope.INVOICES_READ,
    "pay": Scope.INVOICES_READ,
    "crn": Scope.INVOICES_READ,
    "run": Scope.BILLING_READ,
    "rcd": None,
    "tkt": Scope.TICKETS_READ,
    "tkc": Scope.TICKETS_READ,
    "ntf": Scope.NOTIFICATIONS_READ,
    "whe": Scope.WEBHOOKS_READ,
    "key": Scope.KEYS_READ,
    "evt": Scope.AUDIT_READ,
}
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"


@pytest.mark.parametrize(("prefix", "scope"), SCOPES.items())
async def test_a_node_needs_the_scope_of_its_type_whether_or_not_it_exists(
    landlord: Landlord, acme: Tenant, house: Tenant, prefix: str, scope: Scope | None
) -> None:
    nobodys = typeid(prefix, acme.key_id) if prefix != "key" else typeid(prefix, acme.customer_id)  # type: ignore[arg-type]
    assert scope_of(nobodys) is scope
    assert await house.api(NODE, id=nobodys) == {"node": None}
    if scope is None:
        return
    holder = None if scope is Scope.BILLING_READ else acme.customer_id
    assert await (await landlord.key(holder, [scope])).api(NODE, id=nobodys) == {"node": None}
    others = [other for other in SCOPES.values() if other not in (None, scope, Scope.BILLING_READ)]
    with pytest.raises(Refused) as refused:
        await (await landlord.key(acme.customer_id, [str(other) for other in others])).api(NODE, id=nobodys)
    assert refused.value.codes == ["FORBIDDEN"]


async def test_an_object_is_found_by_its_id(acme: Tenant) -> None:
    for id, type_ in ((acme.id, "Customer"), (typeid("key", acme.key_id), "ApiKey")):
        assert await acme.api(NODE, id=id) == {"node": {"__typename": type_, "id": id}}


@pytest.mark.parametrize(
    "id", ["", "cus_", "CUS_01h455vb4pex5vsknk084sn02q", "xyz_01h455vb4pex5vsknk084sn02q", "x" * 999]
)
async def test_what_is_no_id_of_ours_is_invalid(acme: Tenant, id: str) -> None:
    with pytest.raises(Invalid):
        scope_of(id)
    with pytest.raises(Refused) as refused:
        await acme.api(NODE, id=id)
    assert refused.value.codes == ["INVALID"]
