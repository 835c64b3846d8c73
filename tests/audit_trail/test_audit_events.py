"""The audit trail as it is read: by whom, narrowed how, and what of an operator a tenant does not see."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from db import audit
from db.audit import AuditAction, AuditStatus, NotWritten, Wanted
from schema.ids import typeid
from tests.landlord import Refused, Tenant

EVENTS = """
query($first: Int, $after: String, $filter: AuditFilter) {
  auditEvents(first: $first, after: $after, filter: $filter) {
    totalCount nodes { requestId } pageInfo { hasNextPage endCursor }
  }
}
"""
EDGE = """
query($id: ID!, $first: Int, $filter: AuditFilter) {
  customer(id: $id) { auditEvents(first: $first, filter: $filter) { totalCount nodes { requestId } } }
}
"""


async def record(caller: Tenant, request_id: str, **given: Any) -> UUID:
    """An event of type `test.done`, unless told otherwise, which no call of the API leaves."""
    event = {
        "customer_id": str(caller.customer_id) if caller.customer_id else None,
        "event_type": "test.done",
        "action": "execute",
        "status": "success",
        "actor": caller.name,
        "actor_kind": "tenant" if caller.customer_id else "operator",
        "request_id": request_id,
    }
    async with caller.session() as session:
        return await audit.record(session, event | given)


def narrowed(filter: dict[str, Any] | None) -> dict[str, Any]:
    return {"eventType": ["test.done", "test.undone"]} | (filter or {})


async def found(caller: Tenant, filter: dict[str, Any] | None = None, **variables: Any) -> list[str]:
    answer = (await caller.api(EVENTS, filter=narrowed(filter), **variables))["auditEvents"]
    assert answer["totalCount"] == len(answer["nodes"])
    return [node["requestId"] for node in answer["nodes"]]


async def test_an_event_is_read_as_it_was_written(admin: asyncpg.Connection, acme: Tenant) -> None:
    id = await record(
        acme,
        "r-1",
        action="update",
        status="failure",
        resource_type="Ticket",
        resource_id="tkt_1",
        actor_email="ada@example.com",
        actor_ip="192.0.2.1",
        actor_user_agent="curl/8",
        error_message="ILLEGAL_STATE: closed",
        metadata={"fields": ["updateTicket"], "more": None},
    )
    query = """query($id: ID!) { node(id: $id) { ... on AuditEvent {
      id customerId eventType action resourceType resourceId actor actorKind actorEmail actorIp actorUserAgent status errorMessage
      requestId metadata createdAt hash } } }"""
    [row] = await admin.fetch("select created_at, leaf from audit_events where id = $1", id)
    assert (await acme.api(query, id=typeid("evt", id)))["node"] == {
        "id": typeid("evt", id),
        "customerId": acme.id,
        "eventType": "test.done",
        "action": "UPDATE",
        "resourceType": "Ticket",
        "resourceId": "tkt_1",
        "actor": "front end",
        "actorKind": "TENANT",
        "actorEmail": "ada@example.com",
        "actorIp": "192.0.2.1",
        "actorUserAgent": "curl/8",
        "status": "FAILURE",
        "errorMessage": "ILLEGAL_STATE: closed",
        "requestId": "r-1",
        "metadata": {"fields": ["updateTicket"], "more": None},
        "createdAt": row["created_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "hash": row["leaf"].hex(),
    }


async def test_the_hash_is_of_the_events_own_fields(admin: asyncpg.Connection, acme: Tenant) -> None:
    id = await record(acme, "r-1", metadata={"a": 1})
    fields = [
        str(id), str(acme.customer_id), "test.done", "execute", None, None, "front end", "tenant", None, None, None,
        "success", None, "r-1", '{"a": 1}',
    ]  # fmt: skip
    encoded = b"".join(
        (-1).to_bytes(8, signed=True) if field is None else len(field.encode()).to_bytes(8) + field.encode()
        for field in fields
    )
    stored = await admin.fetchval("select leaf from audit_events where id = $1", id)
    assert hashlib.sha256(b"\0" + encoded).digest() == stored


async def test_a_tenant_does_not_see_where_an_operator_sits(acme: Tenant, house: Tenant) -> None:
    details = {"actor_email": "ada@house.example", "actor_ip": "192.0.2.9", "actor_user_agent": "firefox"}
    await record(acme, "own", **details)
    await record(house, "theirs", customer_id=str(acme.customer_id), **details)
    await record(house, "system", customer_id=str(acme.customer_id), actor_kind="system", **details)
    query = """query($filter: AuditFilter) { auditEvents(filter: $filter) {
      nodes { requestId actor actorEmail actorIp actorUserAgent } } }"""
    shown = {"actorEmail": "ada@house.example", "actorIp": "192.0.2.9", "actorUserAgent": "firefox"}
    hidden = dict.fromkeys(shown)
    filter = {"eventType": ["test.done"]}
    assert (await acme.api(query, filter=filter))["auditEvents"]["nodes"] == [
        {"requestId": "system", "actor": "operations", **shown},
        {"requestId": "theirs", "actor": "operations", **hidden},
        {"requestId": "own", "actor": "front end", **shown},
    ]
    assert (await house.api(query, filter=filter | {"customerId": acme.id}))["auditEvents"]["nodes"] == [
        {"requestId": "system", "actor": "operations", **shown},
        {"requestId": "theirs", "actor": "operations", **shown},
        {"requestId": "own", "actor": "front end", **shown},
    ]
    edge = "query($filter: AuditFilter) { customer { auditEvents(filter: $filter) { nodes { actorIp } } } }"
    assert (await acme.api(edge, filter=filter))["customer"]["auditEvents"]["nodes"] == [
        {"actorIp": "192.0.2.9"},
        {"actorIp": None},
        {"actorIp": "192.0.2.9"},
    ]


async def test_each_sees_its_own_events(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    ours = await record(acme, "acme")
    await record(globex, "globex")
    await record(house, "house")
    assert await found(acme) == ["acme"]
    assert await found(acme, {"customerId": globex.id}) == []
    assert await found(house, {"customerId": globex.id}) == ["globex"]
    answer = await house.api(EVENTS, first=3, filter=narrowed(None))
    assert [node["requestId"] for node in answer["auditEvents"]["nodes"]] == ["house", "globex", "acme"]
    query = "query($id: ID!) { node(id: $id) { id } }"
    assert await globex.api(query, id=typeid("evt", ours)) == {"node": None}


async def test_every_part_of_a_filter_narrows(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    ticket = typeid("tkt", acme.key_id)
    await record(acme, "1", event_type="test.undone", action="create")
    await record(acme, "2", status="denied", actor="nightly")
    await record(acme, "3", action="delete", resource_type="Ticket", resource_id=ticket)
    await record(globex, "4")
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["3", "2", "1"]),
        ({"eventType": ["test.undone"]}, ["1"]),
        ({"eventType": []}, []),
        ({"action": ["CREATE", "DELETE"]}, ["3", "1"]),
        ({"status": ["DENIED", "FAILURE"]}, ["2"]),
        ({"actor": "nightly"}, ["2"]),
        ({"actor": "Nightly"}, []),
        ({"resourceType": "Ticket"}, ["3"]),
        ({"resourceId": ticket}, ["3"]),
        ({"resourceId": typeid("tkt", globex.key_id)}, []),
        ({"action": ["DELETE"], "status": ["DENIED"]}, []),
        ({"action": None, "actor": None, "resourceId": None, "since": None}, ["3", "2", "1"]),
        ({"since": "0001-01-02T00:00:00Z", "until": "9999-12-30T23:59:59Z"}, ["3", "2", "1"]),
        ({"until": "1969-12-31T23:59:59Z"}, []),
        ({"since": "2999-01-01T00:00:00Z"}, []),
    ]
    for filter, ids in cases:
        assert await found(acme, filter) == ids, filter
        assert await found(house, filter | {"customerId": acme.id}) == ids, filter
        answer = (await house.api(EDGE, id=acme.id, filter=narrowed(filter)))["customer"]["auditEvents"]
        assert answer == {"totalCount": len(ids), "nodes": [{"requestId": id} for id in ids]}, filter
    answer = (await house.api(EDGE, id=acme.id, filter={"customerId": globex.id}))["customer"]["auditEvents"]
    assert answer == {"totalCount": 0, "nodes": []}


async def test_since_is_included_and_until_is_not(admin: asyncpg.Connection, acme: Tenant) -> None:
    ids = [await record(acme, str(number)) for number in range(3)]
    rows = await admin.fetch("select created_at from audit_events where id = any($1) order by id", ids)
    first, second, third = (row["created_at"].isoformat() for row in rows)
    assert await found(acme, {"since": second}) == ["2", "1"]
    assert await found(acme, {"until": second}) == ["0"]
    assert await found(acme, {"since": first, "until": third}) == ["1", "0"]
    assert await found(acme, {"since": second, "until": second}) == []


@pytest.mark.parametrize(
    "at",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 11, 28, 16, 5, 2, 7, tzinfo=UTC),
        datetime(2026, 11, 28, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=-5))),
        datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    ],
    ids=str,
)
async def test_an_instant_bounds_ids_as_in_the_database(admin: asyncpg.Connection, at: datetime) -> None:
    assert audit.first_id(at) == await admin.fetchval("select app.first_id($1)", at)


def test_what_was_before_the_epoch_bounds_ids_as_it_does() -> None:
    assert audit.first_id(datetime(1, 1, 1, tzinfo=UTC)) == audit.first_id(datetime(1970, 1, 1, tzinfo=UTC))


async def test_events_of_other_months_are_found(admin: asyncpg.Connection, acme: Tenant) -> None:
    """Months are partitions of their own."""
    now = datetime.now(UTC)
    for months in (0, 1, 3, 12):
        await admin.execute(
            """
            insert into audit_events (id, customer_id, event_type, action, actor, actor_kind, status, request_id)
            values (app.first_id($1), $2, 'test.done', 'read', 'x', 'system', 'success', $3)
            """,
            now - timedelta(days=31 * months),
            acme.customer_id,
            f"{months} months ago",
        )
    assert await found(acme) == ["0 months ago", "1 months ago", "3 months ago", "12 months ago"]
    since = (now - timedelta(days=100)).isoformat()
    assert await found(acme, {"since": since}) == ["0 months ago", "1 months ago", "3 months ago"]


@pytest.mark.parametrize(
    "filter",
    [
        {"customerId": "cus_1"},
        {"customerId": ""},
        {"customerId": "tkt_01h455vb4pex5vsknk084sn02q"},
        {"resourceId": "everything"},
        {"resourceId": ""},
        {"since": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z"},
    ],
)
async def test_a_filter_that_cannot_be_is_invalid(acme: Tenant, filter: dict[str, Any]) -> None:
    for query in (EVENTS, "query($filter: AuditFilter) { customer { auditEvents(filter: $filter) { totalCount } } }"):
        with pytest.raises(Refused) as refused:
            await acme.api(query, filter=filter)
        assert refused.value.codes == ["INVALID"]


async def test_a_page_has_up_to_five_hundred_events(admin: asyncpg.Connection, acme: Tenant) -> None:
    await admin.execute(
        """
        insert into audit_events (customer_id, event_type, action, actor, actor_kind, status, request_id)
        select $1, 'test.done', 'read', 'x', 'system', 'success', i::text from generate_series(1, 501) as i
        """,
        acme.customer_id,
    )
    filter = {"eventType": ["test.done"]}
    answer = (await acme.api(EVENTS, first=500, filter=filter))["auditEvents"]
    assert (len(answer["nodes"]), answer["totalCount"], answer["pageInfo"]["hasNextPage"]) == (500, 501, True)
    last = (await acme.api(EVENTS, first=500, filter=filter, after=answer["pageInfo"]["endCursor"]))["auditEvents"]
    assert (len(last["nodes"]), last["pageInfo"]["hasNextPage"]) == (1, False)
    assert {node["requestId"] for node in answer["nodes"] + last["nodes"]} == {str(i) for i in range(1, 502)}
    answer = (await acme.api(EDGE, id=acme.id, first=500, filter=filter))["customer"]["auditEvents"]
    assert (len(answer["nodes"]), answer["totalCount"]) == (500, 501)
    for first in (0, 501, -1):
        with pytest.raises(Refused) as refused:
            await acme.api(EVENTS, first=first)
        assert refused.value.codes == ["INVALID"]


async def test_a_tenant_writes_events_of_its_own_customer_alone(acme: Tenant, globex: Tenant) -> None:
    for customer_id in (str(globex.customer_id), None):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await record(acme, "forged", customer_id=customer_id)
    assert await found(globex) == []


async def test_an_event_that_was_swallowed_is_an_error(admin: asyncpg.Connection, acme: Tenant) -> None:
    """A trigger planted by whoever owns the table: the call must fail, not go on unwritten."""
    await admin.execute(
        """
        create function swallow() returns trigger language plpgsql as 'begin return null; end';
        create trigger a_swallow before insert on audit_events for each row when (new.request_id = 'swallowed')
            execute function swallow();
        """
    )
    try:
        with pytest.raises(NotWritten):
            await record(acme, "swallowed")
        await record(acme, "kept")
    finally:
        await admin.execute("drop trigger a_swallow on audit_events; drop function swallow()")
    assert await found(acme) == ["kept"]


async def test_one_statement_reads_the_events_of_many_customers(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    await record(acme, "1")
    await record(globex, "2")
    await record(acme, "3", action=AuditAction.UPDATE, status=AuditStatus.DENIED)
    wanted = Wanted(until=datetime.now(UTC) + timedelta(hours=1), event_types=("test.done",))
    async with house.session() as session:
        before = session.statements
        customers = [UUID(str(tenant.customer_id)) for tenant in (acme, globex)]
        rows = await audit.OF_CUSTOMER.ask(session, customers, first=1, after=None, wanted=wanted)
        assert [row.request_id for row in rows] == ["3", "2", "1"]
        counts = await audit.OF_CUSTOMER.count(session, customers, wanted=wanted)
        assert dict(counts) == {acme.customer_id: 2, globex.customer_id: 1}
        assert session.statements == before + 2


@pytest.mark.parametrize(
    "asked",
    [
        "auditEvents(first: 500) { nodes { requestId } }",
        "auditEvents(first: 500) { totalCount nodes { requestId } }",
        'auditEvents(first: 500, filter: {eventType: ["api.query"]}) { nodes { requestId metadata } pageInfo { endCursor } }',
        'customer { auditEvents(first: 500, filter: {eventType: ["api.query"]}) { totalCount nodes { requestId } } }',
        "customer { name balanceDue auditEvents(first: 500) { nodes { requestId } } invoices { totalCount } }",
    ],
)
async def test_a_call_sees_the_events_before_it_and_not_its_own_however_it_asks(acme: Tenant, asked: str) -> None:
    earlier: list[str] = []
    for _ in range(3):
        answer = await acme.post(f"{{ {asked} }}")
        data = answer.json()["data"]
        trail = (data.get("customer") or data)["auditEvents"]
        assert [node["requestId"] for node in trail["nodes"]] == earlier
        assert trail.get("totalCount", len(earlier)) == len(earlier)
        earlier.insert(0, answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "asked",
    [
        "invoices(first: 1000) { nodes { number } }",
        'invoices(after: "no cursor") { nodes { number } }',
        "customer { invoices(first: 101) { nodes { number } } }",
        'customer(id: "nobody") { name }',
        'usage(from: "2026-02", to: "2026-01") { month }',
        'tickets(filter: {customerId: "nobody"}) { nodes { id } }',
    ],
)
async def test_a_query_that_is_refused_for_an_argument_leaves_that_event_and_none_of_a_success(
    acme: Tenant, admin: asyncpg.Connection, asked: str
) -> None:
    answer = await acme.post(f"{{ {asked} }}")
    assert answer.json()["errors"][0]["extensions"]["code"] == "INVALID"
    events = "select event_type, status from audit_events where request_id = $1"
    told = await admin.fetch(events, answer.headers["x-request-id"])
    assert [tuple(event) for event in told] == [("api.query", "failure")]


@pytest.mark.parametrize(
    "given",
    [
        {"event_type": ""},
        {"event_type": "x" * 101},
        {"action": "fly"},
        {"actor_kind": "robot"},
        {"status": "fine"},
        {"action": "READ"},
    ],
    ids=str,
)
async def test_an_event_is_told_in_the_words_that_there_are(acme: Tenant, given: dict[str, str]) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await record(acme, "r-1", **given)
    assert await found(acme) == []


async def test_the_words_are_those_of_the_schema(acme: Tenant) -> None:
    for action in AuditAction:
        for status in AuditStatus:
            await record(acme, f"{action.value} {status.value}", action=action.value, status=status.value)
    assert len(await found(acme)) == len(AuditAction) * len(AuditStatus)
