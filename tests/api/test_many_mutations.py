"""Several mutations of one operation: one transaction, in their order; what undoes one of them, and what all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Stored
from tests.landlord import Tenant

FIELDS = "ticket { subject } errors { code }"
FINE = f'openTicket(input: {{subject: "one", body: "please"}}) {{ {FIELDS} }}'
ALSO_FINE = f'openTicket(input: {{subject: "three", body: "please"}}) {{ {FIELDS} }}'
REFUSED = f'openTicket(input: {{subject: "", body: "please"}}) {{ {FIELDS} }}'
# it opens the ticket, and then its answer cannot be given
FAILS = 'openTicket(input: {subject: "two", body: "please"}) { ticket { comments(first: 0) { totalCount } } errors { code } }'
# deeper than a document may be
DEEP = "{ customer { tickets { nodes " * 6 + "{ id }" + " } } }" * 6

INVALID = {"ticket": None, "errors": [{"code": "INVALID"}]}


async def subjects(caller: Tenant) -> list[str]:
    return [node["subject"] for node in (await caller.api("{ tickets { nodes { subject } } }"))["tickets"]["nodes"]]


async def events(caller: Tenant) -> list[tuple[str, str]]:
    """Of mutations, oldest first."""
    rows = await caller.landlord.admin.fetch(
        "select event_type, status from audit_events where customer_id = $1 and event_type <> 'api.query' order by id",
        caller.customer_id,
    )
    return [(row["event_type"], row["status"]) for row in rows]


async def test_a_refusal_undoes_its_own_mutation_alone(acme: Tenant) -> None:
    answer = await acme.api(f"mutation {{ a: {FINE} b: {REFUSED} c: {ALSO_FINE} }}")
    assert answer == {
        "a": {"ticket": {"subject": "one"}, "errors": []},
        "b": INVALID,
        "c": {"ticket": {"subject": "three"}, "errors": []},
    }
    assert await subjects(acme) == ["three", "one"]
    assert await events(acme) == [
        ("ticket.opened", "success"),
        ("ticket.opened", "failure"),
        ("ticket.opened", "success"),
    ]


async def test_a_missing_scope_refuses_its_own_mutation_alone(acme: Tenant) -> None:
    text = 'suspendCustomer(input: {id: "x", reason: "x"}) { customer { id } errors { code } }'
    answer = await acme.api(f"mutation {{ a: {FINE} b: {text} c: {ALSO_FINE} }}")
    assert answer["b"] == {"customer": None, "errors": [{"code": "FORBIDDEN"}]}
    assert await subjects(acme) == ["three", "one"]
    assert ("customer.suspended", "denied") in await events(acme)


@pytest.mark.parametrize(
    "mutations",
    [
        f"a: {FINE} b: {FAILS} c: {ALSO_FINE}",
        f"a: {FAILS} b: {FINE}",
        f"a: {FINE} b: {REFUSED} c: {FAILS}",
        f"a: {FAILS}",
    ],
)
async def test_a_graphql_error_undoes_all_of_them_and_data_is_null(
    acme: Tenant, stored: Stored, mutations: str
) -> None:
    before = await stored()
    body = (await acme.post(f"mutation {{ {mutations} }}")).json()
    assert body["data"] is None
    assert [(error["extensions"]["code"], error["message"]) for error in body["errors"]] == [
        ("INVALID", "`first` is 1 to 100.")
    ]
    assert await stored() == before
    # one event tells of the operation that failed, and none of what was undone
    assert await events(acme) == [("api.mutation", "failure")]
    assert await subjects(acme) == []


async def test_what_is_refused_before_it_runs_does_none_of_them(acme: Tenant, stored: Stored) -> None:
    before = await stored()
    for spoiled, code in (
        ('openTicket(input: {subject: 7, body: "please"}) { errors { code } }', "INVALID"),
        ("openTicket { errors { code } }", "BAD_REQUEST"),
        (FINE.replace("{ subject }", DEEP), "TOO_COMPLEX"),
    ):
        body = (await acme.post(f"mutation {{ a: {FINE} b: {spoiled} }}")).json()
        assert "data" not in body
        assert [error["extensions"]["code"] for error in body["errors"]] == [code]
    assert await stored() == before


async def test_a_scope_missing_below_one_of_them_runs_none(acme: Tenant, stored: Stored) -> None:
    opener = await acme.landlord.key(acme.customer_id, ["tickets:write"])
    before = await stored()
    text = f"mutation {{ a: {FINE} b: {FINE.replace('{ subject }', '{ customer { name } }')} }}"
    body = (await opener.post(text)).json()
    assert "data" not in body
    assert [(error["extensions"]["code"], error["message"]) for error in body["errors"]] == [
        ("FORBIDDEN", "This key or session lacks the scope `customers:read`.")
    ]
    assert await stored() == before


async def test_a_later_one_sees_what_an_earlier_one_did(acme: Tenant) -> None:
    opened: dict[str, Any] = await acme.api(f"mutation {{ {FINE.replace('{ subject }', '{ id }')} }}")
    id = opened["openTicket"]["ticket"]["id"]
    text = """
        mutation($id: ID!) {
          close: updateTicket(input: {id: $id, status: CLOSED}) { ticket { status } errors { code } }
          comment: commentOnTicket(input: {id: $id, body: "one more"}) { ticket { status } errors { code } }
        }
    """
    assert await acme.api(text, id=id) == {
        "close": {"ticket": {"status": "CLOSED"}, "errors": []},
        "comment": {"ticket": None, "errors": [{"code": "ILLEGAL_STATE"}]},
    }


async def test_one_that_ends_its_own_credentials_lets_the_operation_finish(acme: Tenant) -> None:
    """They are looked at once, when the operation opens."""
    answer = await acme.api(f"mutation {{ a: revokeSession {{ errors {{ code }} }} b: {FINE} }}")
    assert answer == {"a": {"errors": []}, "b": {"ticket": {"subject": "one"}, "errors": []}}
    assert (await acme.post("{ viewer { name } }")).status_code == 401


async def test_signing_in_stands_alone(acme: Tenant, stored: Stored) -> None:
    before = await stored()
    sign_in = "createSession(input: {apiKey: $key}) { session { token } errors { code } }"
    body = (await acme.post(f"mutation($key: String!) {{ a: {FINE} b: {sign_in} }}", {"key": acme.key})).json()
    assert [(error["extensions"]["code"], error["message"]) for error in body["errors"]] == [
        ("INVALID", "`createSession` stands alone in its operation.")
    ]
    assert await stored() == before
