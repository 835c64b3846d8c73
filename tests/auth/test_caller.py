"""The caller: a tenant has a customer, an operator has none."""

from __future__ import annotations

from uuid import UUID

import pytest

from auth.caller import Caller, CallerKind


@pytest.mark.parametrize(("kind", "customer"), [(CallerKind.TENANT, None), (CallerKind.OPERATOR, UUID(int=2))])
def test_a_tenant_without_a_customer_and_an_operator_with_one_cannot_be(
    kind: CallerKind, customer: UUID | None
) -> None:
    with pytest.raises(ValueError, match="a tenant has a customer"):
        Caller(kind, customer, UUID(int=1), "x", frozenset({"read"}), 0)


def test_callers_of_the_same_credentials_are_equal() -> None:
    one = Caller(CallerKind.TENANT, UUID(int=2), UUID(int=1), "x", frozenset({"read"}), 4)
    two = Caller(CallerKind.TENANT, UUID(int=2), UUID(int=1), "x", frozenset({"read"}), 4)
    assert one == two
    assert hash(one) == hash(two)
    assert one != Caller(CallerKind.TENANT, UUID(int=2), UUID(int=1), "x", frozenset({"read"}), 5)
