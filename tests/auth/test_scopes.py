"""Scopes: each opens what the design's table says, written out here once more by hand, and nothing else."""

from __future__ import annotations

from uuid import UUID

import pytest

from auth.caller import Caller, CallerKind
from auth.scopes import OPERATOR_ONLY, Scope, describe, expand, parse
from db.errors import Forbidden, Invalid

READS = {
    "customers:read",
    "usage:read",
    "invoices:read",
    "tickets:read",
    "notifications:read",
    "webhooks:read",
    "keys:read",
    "audit:read",
}
FOR_OPERATORS = {
    "customers:write",
    "usage:write",
    "billing:read",
    "billing:write",
    "notifications:write",
    "operator",
}
WRITES = {"tickets:write", "webhooks:write", "keys:write"}
HELD: dict[str, set[str]] = {
    "customers:read": {"customers:read"},
    "usage:read": {"usage:read"},
    "invoices:read": {"invoices:read"},
    "tickets:read": {"tickets:read"},
    "tickets:write": {"tickets:write", "tickets:read"},
    "notifications:read": {"notifications:read"},
    "webhooks:read": {"webhooks:read"},
    "webhooks:write": {"webhooks:write", "webhooks:read"},
    "keys:read": {"keys:read"},
    "keys:write": {"keys:write", "keys:read"},
    "audit:read": {"audit:read"},
    "customers:write": {"customers:write", "customers:read"},
    "usage:write": {"usage:write", "usage:read"},
    "billing:read": {"billing:read"},
    "billing:write": {"billing:write", "billing:read", "invoices:read"},
    "notifications:write": {"notifications:write", "notifications:read"},
    "read": {"read"} | READS,
    "write": {"write", "read"} | READS | WRITES,
    "operator": {"operator", "write", "read"} | READS | WRITES | FOR_OPERATORS,
}


def operator(*scopes: str) -> Caller:
    return Caller(CallerKind.OPERATOR, None, UUID(int=1), "staff", frozenset(scopes), 0)


def tenant(*scopes: str) -> Caller:
    return Caller(CallerKind.TENANT, UUID(int=2), UUID(int=1), "acme", frozenset(scopes), 3)


def opened(caller: Caller) -> set[str]:
    return {scope.value for scope in Scope if caller.may(scope)}


def test_there_are_the_scopes_of_the_table_and_no_others() -> None:
    assert {scope.value for scope in Scope} == set(HELD)


def test_the_operators_own_scopes_are_these() -> None:
    assert {scope.value for scope in OPERATOR_ONLY} == FOR_OPERATORS


@pytest.mark.parametrize("scope", HELD)
def test_a_scope_holds_what_the_table_says_and_nothing_else(scope: str) -> None:
    assert {held.value for held in expand([scope])} == HELD[scope]
    assert opened(operator(scope)) == HELD[scope]


@pytest.mark.parametrize("scope", HELD)
def test_on_a_customers_key_an_operators_scope_opens_nothing(scope: str) -> None:
    assert opened(tenant(scope)) == (set() if scope in FOR_OPERATORS else HELD[scope])


def test_scopes_add_up() -> None:
    assert opened(tenant("tickets:write", "audit:read")) == {"tickets:write", "tickets:read", "audit:read"}


def test_no_scope_and_a_name_that_is_none_open_nothing() -> None:
    assert expand([]) == frozenset()
    assert expand(["invoices:delete", "", "READ"]) == frozenset()
    assert opened(tenant()) == set()


def test_a_refusal_names_the_missing_scope() -> None:
    with pytest.raises(Forbidden, match=r"`keys:write`") as refusal:
        tenant("read").require(Scope.KEYS_WRITE)
    assert refusal.value.scope == "keys:write"
    tenant("write").require(Scope.KEYS_WRITE)


def test_scopes_asked_for_come_back_once_each_in_the_tables_order() -> None:
    asked = ["write", "audit:read", "tickets:read", "audit:read"]
    assert parse(asked, operator=False) == [Scope.TICKETS_READ, Scope.AUDIT_READ, Scope.WRITE]


@pytest.mark.parametrize("scope", sorted(FOR_OPERATORS))
def test_an_operators_scope_goes_to_operators_keys_alone(scope: str) -> None:
    assert parse([scope], operator=True) == [Scope(scope)]
    with pytest.raises(Forbidden, match=f"`{scope}`") as refusal:
        parse(["read", scope], operator=False)
    assert refusal.value.scope == scope


@pytest.mark.parametrize(
    "names", [[], [""], ["reads"], ["READ"], ["read "], ["read", "billing:*"], ["operator", "x" * 9999]]
)
def test_none_and_unknown_scopes_are_invalid_for_everyone(names: list[str]) -> None:
    for whose in (True, False):
        with pytest.raises(Invalid) as refusal:
            parse(names, operator=whose, field=("input", "scopes"))
        assert refusal.value.field == ["input", "scopes"]
        assert len(str(refusal.value)) < 500


def test_the_description_has_a_row_for_every_scope() -> None:
    lines = describe().splitlines()
    assert lines[:2] == ["| scope | allows |", "| --- | --- |"]
    assert [line.split("`")[1] for line in lines[2:]] == [scope.value for scope in Scope]
    assert {line.split("`")[1] for line in lines if "` (operators) |" in line} == FOR_OPERATORS
    assert "| `audit:read` | the audit trail |" in lines
    assert "| `billing:read` (operators) | `billingRun`, `billingRuns`, an invoice's `recomputation` |" in lines
