"""A key with one scope alone opens what that scope is for, and nothing else: asked of every field that declares a need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from graphql import GraphQLObjectType, get_named_type

from auth.scopes import Scope
from resolvers.access import declared_access
from schema.root import schema
from tests.isolation import questions
from tests.isolation.questions import CORE, Known
from tests.landlord import Landlord

# The table of scopes, written out once more: what each holds besides itself.
READS = {"customers", "usage", "invoices", "tickets", "notifications", "webhooks", "keys", "audit"}
EVERY_READ = {f"{noun}:read" for noun in READS}
TENANTS_WRITES = {"tickets:write", "webhooks:write", "keys:write"}
OPERATORS_ALONE = {"customers:write", "usage:write", "billing:read", "billing:write", "notifications:write", "operator"}
HOLDS = {
    "read": EVERY_READ,
    "write": EVERY_READ | TENANTS_WRITES | {"read"},
    "billing:write": {"billing:read", "invoices:read"},
    **{f"{noun}:write": {f"{noun}:read"} for noun in READS - {"invoices", "audit"}},
    "operator": {scope.value for scope in Scope},
}
NODES = {
    "cus": "customers:read", "inv": "invoices:read", "pay": "invoices:read", "crn": "invoices:read", "run": "billing:read",
    "syn": "usage:write", "rcd": None, "tkt": "tickets:read", "tkc": "tickets:read", "ntf": "notifications:read", "whe": "webhooks:read",
    "key": "keys:read", "evt": "audit:read",
}  # fmt: skip
NOBODY = "01m82w9zjnesn8fh7nejdpx27d"
KNOWN = Known({prefix: [f"{prefix}_{NOBODY}"] for prefix in NODES}, "222222-0001", "x")


def holds(scope: Scope) -> set[str]:
    return {scope.value} | HOLDS.get(scope.value, set())


def documents() -> Iterator[tuple[str, set[str]]]:
    """Each query field and each edge on a way from `viewer` or a root field, with the scopes that it needs in all."""
    declared = declared_access(schema)
    assert CORE.query_type is not None
    for root, field in CORE.query_type.fields.items():
        if root == "node":
            for prefix, needed in NODES.items():
                yield f'{{ node(id: "{prefix}_{NOBODY}") {{ id }} }}', {needed} - {None}  # type: ignore[misc]
            continue
        arguments = next(iter(questions.ways(field.args, KNOWN)))
        passed = (
            f"({', '.join(f'{name}: {_literal(value)}' for name, value in arguments.items())})" if arguments else ""
        )
        own = {scope.value} if (scope := declared["Query", root].scope) else set()
        yield f"{{ {root}{passed} {{ __typename }} }}", own
        yield from _edges(f"{{ {root}{passed} ", get_named_type(field.type), own, " }", depth=4)


def _edges(head: str, type_: object, needed: set[str], tail: str, *, depth: int) -> Iterator[tuple[str, set[str]]]:
    assert isinstance(type_, GraphQLObjectType)
    declared = declared_access(schema)
    for name, field in type_.fields.items():
        inner = get_named_type(field.type)
        access = declared.get((type_.name, name))
        scopes = needed | ({access.scope.value} if access and access.scope else set())
        if not isinstance(inner, GraphQLObjectType):
            if access:
                yield f"{head}{{ {name} }}{tail}", scopes
            continue
        if access:
            yield f"{head}{{ {name} {{ __typename }} }}{tail}", scopes
        if depth > 1:
            yield from _edges(f"{head}{{ {name} ", inner, scopes, " }" + tail, depth=depth - 1)


def _literal(value: object) -> str:
    return f'"{value}"'


def documents_once() -> list[tuple[str, set[str]]]:
    """One document for each declaration and set of scopes: the same edge by another way of the same need says no more."""
    found: dict[tuple[str, frozenset[str]], str] = {}
    for document, needed in documents():
        last = document.replace("}", " ").split("{")[-2].split("(")[0].strip() + document.split("(")[0][:20]
        found.setdefault((last, frozenset(needed)), document)
    return [(document, set(needed)) for (_, needed), document in found.items()]


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_scope_alone_opens_what_it_is_for_and_nothing_else(landlord: Landlord, scope: Scope) -> None:
    if scope.value in OPERATORS_ALONE:
        caller = await landlord.key(None, [scope.value])
    else:
        caller = await landlord.key((await landlord.tenant()).customer_id, [scope.value])
    for document, needed in documents_once():
        answer = (await caller.post(document)).json()
        codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
        if needed <= holds(scope):
            assert "FORBIDDEN" not in codes, f"{scope} is refused {document}"
        else:
            assert codes == {"FORBIDDEN"}, f"{scope} asks {document}: {answer}"
            assert "data" not in answer


# What each mutation needs, from the same table; None needs a caller alone.
MUTATIONS = {
    "createCustomer": "customers:write", "updateCustomer": "customers:write", "changeTier": "customers:write",
    "suspendCustomer": "customers:write", "reinstateCustomer": "customers:write", "closeCustomer": "customers:write",
    "recordUsage": "usage:write", "syncUsage": "usage:write", "addRateCard": "billing:write",
    "runBilling": "billing:write", "issueInvoice": "billing:write",
    "recordPayment": "billing:write", "cancelInvoice": "billing:write", "issueCreditNote": "billing:write",
    "openTicket": "tickets:write", "commentOnTicket": "tickets:write", "updateTicket": "tickets:write",
    "createApiKey": "keys:write", "rotateApiKey": "keys:write", "revokeApiKey": "keys:write",
    "sendNotification": "notifications:write",
    "createWebhookEndpoint": "webhooks:write", "deleteWebhookEndpoint": "webhooks:write",
    "refreshSession": None, "revokeSession": None,
}  # fmt: skip


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope.value not in OPERATORS_ALONE])
async def test_a_mutation_without_its_scope_is_forbidden_in_its_payload(landlord: Landlord, scope: Scope) -> None:
    tenant = await landlord.tenant()
    caller = await landlord.key(tenant.customer_id, [scope.value])
    assert CORE.mutation_type is not None
    assert set(MUTATIONS) == set(CORE.mutation_type.fields) - {"createSession"}
    for name, needed in MUTATIONS.items():
        if needed is None or needed in holds(scope):
            continue
        field = CORE.mutation_type.fields[name]
        arguments = next(iter(questions.ways(field.args, KNOWN)))
        asked = questions.question("mutation", name, field, arguments, " { errors { code message } }")
        answer = (await caller.post(asked.document, asked.variables)).json()
        assert "errors" not in answer, f"{asked}: {answer}"
        assert [error["code"] for error in answer["data"][name]["errors"]] == ["FORBIDDEN"], name
        assert needed in answer["data"][name]["errors"][0]["message"]
