"""Support tickets through the API: who may open, answer, change and read them."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from db import tickets
from db.errors import NotFound
from resolvers import tickets as rules
from schema.ids import typeid, uuid_of
from tests.landlord import Landlord, Refused, Tenant

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)

TICKET = """
fragment T on Ticket {
  id subject status priority createdBy assignedTo firstResponseDueAt firstRespondedAt createdAt updatedAt
  comments { totalCount nodes { author body internal } }
}
"""
OPEN = (
    TICKET
    + "mutation($input: OpenTicketInput!) { openTicket(input: $input) { ticket { ...T } errors { code field } } }"
)
COMMENT = (
    TICKET
    + "mutation($input: CommentOnTicketInput!) { commentOnTicket(input: $input) { ticket { ...T } errors { code field } } }"
)
UPDATE = (
    TICKET
    + "mutation($input: UpdateTicketInput!) { updateTicket(input: $input) { ticket { ...T } errors { code field } } }"
)
READ = TICKET + "query($id: ID!) { ticket(id: $id) { ...T } }"
LIST = """
query($first: Int, $after: String, $filter: TicketFilter) {
  tickets(first: $first, after: $after, filter: $filter) {
    totalCount nodes { subject } pageInfo { hasNextPage hasPreviousPage endCursor }
  }
}
"""


async def opened(caller: Tenant, **input: Any) -> dict[str, Any]:
    answer = await caller.api(OPEN, input={"subject": "No logs", "body": "Since this morning."} | input)
    assert answer["openTicket"]["errors"] == []
    ticket: dict[str, Any] = answer["openTicket"]["ticket"]
    return ticket


async def read(caller: Tenant, ticket: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await caller.api(READ, id=ticket["id"]))["ticket"]
    return found


async def commented(caller: Tenant, ticket: dict[str, Any], body: str = "Any news?", **input: Any) -> dict[str, Any]:
    answer = await caller.api(COMMENT, input={"id": ticket["id"], "body": body} | input)
    assert answer["commentOnTicket"]["errors"] == []
    changed: dict[str, Any] = answer["commentOnTicket"]["ticket"]
    return changed


async def updated(caller: Tenant, ticket: dict[str, Any], **input: Any) -> dict[str, Any]:
    answer = await caller.api(UPDATE, input={"id": ticket["id"]} | input)
    assert answer["updateTicket"]["errors"] == []
    changed: dict[str, Any] = answer["updateTicket"]["ticket"]
    return changed


# ---------------------------------------------------------------- opening


async def test_a_new_ticket_is_open_and_its_body_is_the_first_comment(acme: Tenant) -> None:
    ticket = await opened(acme, subject="  No logs ", body="Since this morning.\n\nWhy?", priority="HIGH")
    assert ticket | {"id": "", "createdAt": "", "updatedAt": "", "firstResponseDueAt": ""} == {
        "id": "",
        "subject": "No logs",
        "status": "OPEN",
        "priority": "HIGH",
        "createdBy": "front end",
        "assignedTo": None,
        "firstResponseDueAt": "",
        "firstRespondedAt": None,
        "createdAt": "",
        "updatedAt": "",
        "comments": {
            "totalCount": 1,
            "nodes": [{"author": "front end", "body": "Since this morning.\n\nWhy?", "internal": False}],
        },
    }
    assert ticket["updatedAt"] == ticket["createdAt"]
    assert await read(acme, ticket) == ticket


@pytest.mark.parametrize(("tier", "hours"), [("standard", 24), ("fintech", 8), ("healthcare", 4), ("gov_federal", 1)])
async def test_the_first_answer_is_due_by_the_tier(landlord: Landlord, tier: str, hours: int) -> None:
    ticket = await opened(await landlord.tenant("Acme", tier=tier))
    due, created = (datetime.fromisoformat(ticket[name]) for name in ("firstResponseDueAt", "createdAt"))
    assert due - created == timedelta(hours=hours)


async def test_the_tier_that_counts_is_that_of_the_day(landlord: Landlord, acme: Tenant) -> None:
    await landlord.admin.execute(
        "insert into tier_history (customer_id, starts_on, tier) values ($1, $2, 'healthcare')",
        acme.customer_id,
        NOW.date(),
    )
    for now, hours in ((NOW, 4), (NOW - timedelta(days=1), 24)):
        async with acme.session() as session:
            row = await rules.open_for(
                session,
                acme.caller(),
                customer_id=None,
                subject="No logs",
                body="Since this morning.",
                priority=tickets.TicketPriority.LOW,
                now=now,
            )
        assert row.first_response_due_at == now + timedelta(hours=hours)


async def test_an_operator_opens_a_ticket_for_a_customer_that_it_names(acme: Tenant, house: Tenant) -> None:
    ticket = await opened(house, customerId=acme.id)
    assert (ticket["createdBy"], ticket["firstRespondedAt"]) == ("operations", None)
    assert await read(acme, ticket) == ticket


async def test_whose_ticket_it_is_is_the_callers_to_say_only_within_its_reach(
    landlord: Landlord, acme: Tenant, globex: Tenant, house: Tenant
) -> None:
    nobody = typeid("cus", acme.key_id)
    for caller, customer_id, code in [
        (house, None, "INVALID"),
        (house, nobody, "NOT_FOUND"),
        (acme, nobody, "NOT_FOUND"),
        (acme, globex.id, "NOT_FOUND"),
        (acme, "cus_", "INVALID"),
        (acme, "", "INVALID"),
    ]:
        input = {"subject": "No logs", "body": "Since this morning.", "customerId": customer_id}
        assert (await caller.api(OPEN, input=input))["openTicket"] == {
            "ticket": None,
            "errors": [{"code": code, "field": ["input", "customerId"]}],
        }
    assert await landlord.admin.fetchval(
        "select count(*) from support_tickets where customer_id in ($1, $2)", acme.customer_id, globex.customer_id
    ) == 0  # fmt: skip
    assert (await opened(acme, customerId=acme.id))["status"] == "OPEN"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", ""),
        ("subject", " \t"),
        ("subject", "x" * 201),
        ("subject", "one\ntwo"),
        ("subject", "bell\u0007"),
        ("body", ""),
        ("body", "\n \n"),
        ("body", "x" * 20_001),
    ],
)
async def test_a_text_that_cannot_be_is_invalid_and_nothing_is_stored(acme: Tenant, name: str, value: str) -> None:
    answer = await acme.api(OPEN, input={"subject": "No logs", "body": "Since this morning."} | {name: value})
    assert answer["openTicket"] == {"ticket": None, "errors": [{"code": "INVALID", "field": ["input", name]}]}
    assert (await acme.api("{ tickets { totalCount } }"))["tickets"] == {"totalCount": 0}


async def test_the_longest_texts_are_taken(acme: Tenant) -> None:
    ticket = await opened(acme, subject="é" * 200, body="é" * 20_000)
    assert (ticket["subject"], ticket["comments"]["nodes"][0]["body"]) == ("é" * 200, "é" * 20_000)


async def test_a_ticket_is_opened_once_under_an_idempotency_key(acme: Tenant) -> None:
    first = await opened(acme, idempotencyKey="a")
    assert await opened(acme, idempotencyKey="a") == first
    assert (await acme.api("{ tickets { totalCount } }"))["tickets"] == {"totalCount": 1}


# ---------------------------------------------------------------- comments


async def test_tenants_neither_see_nor_count_internal_comments(acme: Tenant, house: Tenant) -> None:
    ticket = await opened(acme)
    await commented(house, ticket, "Broken trail?", internal=True)
    await commented(house, ticket, "We are looking.")
    await commented(house, ticket, "Fixed the role.", internal=True)

    first = {"author": "front end", "body": "Since this morning.", "internal": False}
    answer = {"author": "operations", "body": "We are looking.", "internal": False}
    assert (await read(acme, ticket))["comments"] == {"totalCount": 2, "nodes": [answer, first]}
    assert (await read(house, ticket))["comments"] == {
        "totalCount": 4,
        "nodes": [
            {"author": "operations", "body": "Fixed the role.", "internal": True},
            answer,
            {"author": "operations", "body": "Broken trail?", "internal": True},
            first,
        ],
    }
    paged = "query($id: ID!) { ticket(id: $id) { comments(first: 2) { nodes { body } pageInfo { hasNextPage } } } }"
    assert (await acme.api(paged, id=ticket["id"]))["ticket"]["comments"] == {
        "nodes": [{"body": "We are looking."}, {"body": "Since this morning."}],
        "pageInfo": {"hasNextPage": False},
    }


async def test_an_internal_comment_is_no_node_for_a_tenant(
    admin: asyncpg.Connection, acme: Tenant, house: Tenant
) -> None:
    ticket = await opened(acme)
    await commented(house, ticket, "Broken trail?", internal=True)
    id = typeid(
        "tkc", await admin.fetchval("select id from ticket_comments where body = 'Broken trail?' order by id desc")
    )
    query = "query($id: ID!) { node(id: $id) { ... on TicketComment { body } } }"
    assert await acme.api(query, id=id) == {"node": None}
    assert await house.api(query, id=id) == {"node": {"body": "Broken trail?"}}


async def test_an_internal_comment_leaves_no_trace_on_the_ticket(acme: Tenant, house: Tenant) -> None:
    ticket = await opened(acme)
    await commented(house, ticket, "Broken trail?", internal=True)
    assert await read(acme, ticket) == ticket


async def test_a_tenants_internal_comment_is_forbidden_and_not_said(acme: Tenant) -> None:
    ticket = await opened(acme)
    answer = await acme.api(COMMENT, input={"id": ticket["id"], "body": "Secret", "internal": True})
    assert answer["commentOnTicket"] == {"ticket": None, "errors": [{"code": "FORBIDDEN", "field": None}]}
    assert await read(acme, ticket) == ticket


@pytest.mark.parametrize(
    ("before", "after"),
    [("OPEN", "OPEN"), ("IN_PROGRESS", "IN_PROGRESS"), ("WAITING_ON_CUSTOMER", "OPEN"), ("RESOLVED", "OPEN")],
)
async def test_a_tenants_comment_opens_a_waiting_or_resolved_ticket_again(
    acme: Tenant, house: Tenant, before: str, after: str
) -> None:
    ticket = await opened(acme)
    await updated(house, ticket, status=before)
    assert (await commented(house, ticket))["status"] == before
    assert (await commented(acme, ticket))["status"] == after


async def test_the_first_response_is_an_operators_first_comment_that_is_not_internal(
    acme: Tenant, house: Tenant
) -> None:
    ticket = await opened(acme)
    assert (await commented(acme, ticket))["firstRespondedAt"] is None
    assert (await commented(house, ticket, internal=True))["firstRespondedAt"] is None
    answered = await commented(house, ticket)
    assert answered["firstRespondedAt"] == answered["updatedAt"] > ticket["createdAt"]
    again = await commented(house, ticket)
    assert again["firstRespondedAt"] == answered["firstRespondedAt"] < again["updatedAt"]


@pytest.mark.parametrize("body", ["", " \n", "x" * 20_001])
async def test_a_comment_without_a_text_or_with_too_long_a_one_is_invalid(acme: Tenant, body: str) -> None:
    ticket = await opened(acme)
    answer = await acme.api(COMMENT, input={"id": ticket["id"], "body": body})
    assert answer["commentOnTicket"] == {"ticket": None, "errors": [{"code": "INVALID", "field": ["input", "body"]}]}
    assert await read(acme, ticket) == ticket


# ---------------------------------------------------------------- changes


@pytest.mark.parametrize("status", ["OPEN", "RESOLVED", "CLOSED"])
async def test_a_tenant_may_open_resolve_and_close(acme: Tenant, house: Tenant, status: str) -> None:
    ticket = await opened(acme)
    await updated(house, ticket, status="IN_PROGRESS")
    assert (await updated(acme, ticket, status=status, priority="URGENT"))["priority"] == "URGENT"
    assert (await read(house, ticket))["status"] == status


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": "IN_PROGRESS"}, {"code": "INVALID", "field": ["input", "status"]}),
        ({"status": "WAITING_ON_CUSTOMER"}, {"code": "INVALID", "field": ["input", "status"]}),
        ({"status": None}, {"code": "INVALID", "field": ["input", "status"]}),
        ({"priority": None}, {"code": "INVALID", "field": ["input", "priority"]}),
        ({"assignedTo": "Ada"}, {"code": "FORBIDDEN", "field": None}),
        ({"assignedTo": None}, {"code": "FORBIDDEN", "field": None}),
    ],
)
async def test_what_a_tenant_may_not_set_stays(acme: Tenant, changes: dict[str, Any], error: dict[str, Any]) -> None:
    ticket = await opened(acme)
    answer = await acme.api(UPDATE, input={"id": ticket["id"], "priority": "URGENT"} | changes)
    assert answer["updateTicket"] == {"ticket": None, "errors": [error]}
    assert await read(acme, ticket) == ticket


@pytest.mark.parametrize("assignee", ["", "  ", "x" * 201, "Ada\nBob"])
async def test_an_assignee_that_cannot_be_is_invalid(acme: Tenant, house: Tenant, assignee: str) -> None:
    ticket = await opened(acme)
    answer = await house.api(UPDATE, input={"id": ticket["id"], "assignedTo": assignee})
    assert answer["updateTicket"] == {
        "ticket": None,
        "errors": [{"code": "INVALID", "field": ["input", "assignedTo"]}],
    }
    assert await read(acme, ticket) == ticket


async def test_what_is_left_out_stays_and_null_unassigns(acme: Tenant, house: Tenant) -> None:
    ticket = await opened(acme)
    assigned = await updated(house, ticket, assignedTo="Ada", status="IN_PROGRESS", priority="LOW")
    assert [assigned[name] for name in ("assignedTo", "status", "priority")] == ["Ada", "IN_PROGRESS", "LOW"]
    raised = await updated(house, ticket, priority="HIGH")
    assert [raised[name] for name in ("assignedTo", "status", "priority")] == ["Ada", "IN_PROGRESS", "HIGH"]
    released = await updated(house, ticket, assignedTo=None)
    assert [released[name] for name in ("assignedTo", "status", "priority")] == [None, "IN_PROGRESS", "HIGH"]
    assert released["updatedAt"] > raised["updatedAt"] > assigned["updatedAt"] > ticket["updatedAt"]


async def test_an_update_to_what_is_so_already_changes_nothing(acme: Tenant, house: Tenant) -> None:
    ticket = await opened(acme)
    assert await updated(acme, ticket) == ticket
    assert await updated(house, ticket, status="OPEN", priority="NORMAL", assignedTo=None) == ticket


async def test_a_closed_ticket_takes_neither_comments_nor_changes_from_anybody(acme: Tenant, house: Tenant) -> None:
    ticket = await opened(acme)
    closed = await updated(acme, ticket, status="CLOSED")
    refused = {"ticket": None, "errors": [{"code": "ILLEGAL_STATE", "field": None}]}
    for caller in (acme, house):
        assert (await caller.api(COMMENT, input={"id": ticket["id"], "body": "But"}))["commentOnTicket"] == refused
        for changes in ({"status": "OPEN"}, {"priority": "LOW"}, {"status": "CLOSED"}, {}):
            assert (await caller.api(UPDATE, input={"id": ticket["id"]} | changes))["updateTicket"] == refused
    internal = {"id": ticket["id"], "body": "But", "internal": True}
    assert (await house.api(COMMENT, input=internal))["commentOnTicket"] == refused
    assert await read(house, ticket) == closed


# ---------------------------------------------------------------- reach


async def test_another_tenants_ticket_is_not_found_and_stays_as_it_is(acme: Tenant, globex: Tenant) -> None:
    ticket = await opened(acme)
    refused = {"ticket": None, "errors": [{"code": "NOT_FOUND", "field": None}]}
    assert (await globex.api(COMMENT, input={"id": ticket["id"], "body": "Hi"}))["commentOnTicket"] == refused
    assert (await globex.api(UPDATE, input={"id": ticket["id"], "status": "CLOSED"}))["updateTicket"] == refused
    assert await globex.api(READ, id=ticket["id"]) == {"ticket": None}
    assert await globex.api("query($id: ID!) { node(id: $id) { id } }", id=ticket["id"]) == {"node": None}
    assert (await globex.api(LIST, filter={"customerId": acme.id}))["tickets"]["nodes"] == []
    assert await read(acme, ticket) == ticket


async def test_the_rules_find_no_neighbours_ticket_either(acme: Tenant, globex: Tenant) -> None:
    id = uuid_of("tkt", (await opened(acme))["id"], ())
    acts: list[Callable[..., Awaitable[object]]] = [
        lambda session: rules.update(session, globex.caller(), id, {}, now=NOW),
        lambda session: rules.comment(session, globex.caller(), id, body="Hi", internal=False, now=NOW),
    ]
    for act in acts:
        async with globex.session() as session:
            with pytest.raises(NotFound):
                await act(session)


async def test_an_id_of_another_type_is_invalid(acme: Tenant) -> None:
    for id in (acme.id, "tkt_", "", "x" * 300):
        with pytest.raises(Refused) as refused:
            await acme.api(READ, id=id)
        assert refused.value.codes == ["INVALID"]
        answer = await acme.api(UPDATE, input={"id": id, "status": "CLOSED"})
        assert answer["updateTicket"] == {"ticket": None, "errors": [{"code": "INVALID", "field": ["input", "id"]}]}


# ---------------------------------------------------------------- lists


async def test_tickets_come_newest_first_a_page_at_a_time(acme: Tenant, globex: Tenant) -> None:
    for number in range(5):
        await opened(acme, subject=f"Number {number}")
    await opened(globex)
    seen: list[str] = []
    after, previous = None, False
    while True:
        answer = (await acme.api(LIST, first=2, after=after))["tickets"]
        seen += [node["subject"] for node in answer["nodes"]]
        assert answer["totalCount"] == 5
        assert answer["pageInfo"]["hasPreviousPage"] is previous
        if not answer["pageInfo"]["hasNextPage"]:
            break
        after, previous = answer["pageInfo"]["endCursor"], True
    assert seen == ["Number 4", "Number 3", "Number 2", "Number 1", "Number 0"]


async def test_every_part_of_a_filter_narrows(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    await opened(acme, subject="urgent", priority="URGENT")
    await updated(house, await opened(acme, subject="Ada's"), assignedTo="Ada", status="IN_PROGRESS")
    await updated(house, await opened(acme, subject="done"), status="RESOLVED")
    await opened(globex, subject="other")
    edge = """query($id: ID!, $filter: TicketFilter) {
      customer(id: $id) { tickets(filter: $filter) { totalCount nodes { subject } } } }"""
    cases: list[tuple[dict[str, Any] | None, list[str]]] = [
        (None, ["done", "Ada's", "urgent"]),
        ({"status": ["IN_PROGRESS", "RESOLVED"]}, ["done", "Ada's"]),
        ({"status": []}, []),
        ({"priority": ["URGENT", "LOW"]}, ["urgent"]),
        ({"assignedTo": "Ada"}, ["Ada's"]),
        ({"assignedTo": "ada"}, []),
        ({"assignedTo": None, "status": None}, ["done", "Ada's", "urgent"]),
        ({"status": ["IN_PROGRESS"], "priority": ["URGENT"]}, []),
        ({"customerId": acme.id}, ["done", "Ada's", "urgent"]),
        ({"customerId": globex.id}, []),
    ]
    for filter, subjects in cases:
        answer = (await acme.api(LIST, filter=filter))["tickets"]
        assert ([node["subject"] for node in answer["nodes"]], answer["totalCount"]) == (subjects, len(subjects))
        answer = (await house.api(edge, id=acme.id, filter=filter))["customer"]["tickets"]
        assert ([node["subject"] for node in answer["nodes"]], answer["totalCount"]) == (subjects, len(subjects))
        if filter is not None and "customerId" not in filter:
            answer = (await house.api(LIST, filter=filter | {"customerId": acme.id}))["tickets"]
            assert ([node["subject"] for node in answer["nodes"]], answer["totalCount"]) == (subjects, len(subjects))


async def test_an_operator_sees_everyones_tickets(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    for tenant, subject in ((acme, "first"), (globex, "second")):
        await opened(tenant, subject=subject)
    query = "{ tickets(first: 2) { nodes { subject customer { id } } } }"
    assert (await house.api(query))["tickets"]["nodes"] == [
        {"subject": "second", "customer": {"id": globex.id}},
        {"subject": "first", "customer": {"id": acme.id}},
    ]


async def test_a_cursor_is_good_under_its_own_filter_alone(acme: Tenant) -> None:
    for _ in range(2):
        await opened(acme)
    cursor = (await acme.api(LIST, first=1))["tickets"]["pageInfo"]["endCursor"]
    for variables in (
        {"after": cursor, "filter": {"status": ["OPEN"]}},
        {"after": "garbage"},
        {"first": 0},
        {"first": 101},
    ):
        with pytest.raises(Refused) as refused:
            await acme.api(LIST, **variables)
        assert refused.value.codes == ["INVALID"]
    with pytest.raises(Refused) as refused:
        await acme.api("query($after: String) { customer { tickets(after: $after) { totalCount } } }", after=cursor)
    assert refused.value.codes == ["INVALID"]


async def test_the_number_of_statements_does_not_grow_with_the_tickets(
    acme: Tenant, house: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    query = "{ tickets { nodes { comments(first: 2) { totalCount nodes { body } } customer { name } } } }"
    counts = []
    with caplog.at_level(logging.INFO, "landlord.requests"):
        for _ in range(2):
            for _ in range(3):
                await commented(house, await opened(acme))
            caplog.clear()
            await acme.api(query)
            counts.append(json.loads(caplog.messages[-1])["statements"])
    # open with its event and the tickets, comments, their counts, customers
    assert counts == [4, 4]


async def test_an_internal_comment_leaves_no_event_that_the_tenant_can_count(acme: Tenant, house: Tenant) -> None:
    opened = await acme.api('mutation { openTicket(input: {subject: "Help", body: "please"}) { ticket { id } } }')
    await house.api(
        'mutation($id: ID!) { commentOnTicket(input: {id: $id, body: "hush", internal: true}) { errors { code } } }',
        id=opened["openTicket"]["ticket"]["id"],
    )
    seen = await acme.api('{ auditEvents(filter: {eventType: ["ticket.commented"]}) { totalCount } }')
    assert seen == {"auditEvents": {"totalCount": 0}}
    told = await house.api(
        "query($id: ID!) { auditEvents(filter: {resourceId: $id}) { nodes { eventType customerId } } }",
        id=opened["openTicket"]["ticket"]["id"],
    )
    assert told["auditEvents"]["nodes"][0] == {"eventType": "ticket.commented", "customerId": None}


async def test_who_names_a_key_as_the_company_does_is_told_apart(
    landlord: Landlord, acme: Tenant, house: Tenant
) -> None:
    namesake = await landlord.key(acme.customer_id, ["write"], name=house.name)
    ticket = await opened(namesake)
    await commented(house, ticket, "We look into it.")
    comments = "customer(id: $id) { tickets { nodes { comments { nodes { author authorKind } } } } }"
    trail = 'auditEvents(filter: {customerId: $id, eventType: ["ticket.opened", "ticket.commented"]}) { nodes { actor actorKind } }'
    answer = await house.api(f"query($id: ID!) {{ {comments} {trail} }}", id=acme.id)
    (said,) = [node["comments"]["nodes"] for node in answer["customer"]["tickets"]["nodes"]]
    assert [tuple(one.values()) for one in said] == [(house.name, "OPERATOR"), (house.name, "TENANT")]
    done = answer["auditEvents"]["nodes"]
    assert [tuple(one.values()) for one in done] == [(house.name, "OPERATOR"), (house.name, "TENANT")]
