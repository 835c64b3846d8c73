"""The audit trail: one event for every call, written once and never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from db import as_json
from db.as_json import Listing
from db.page import COUNT_LIMIT, Edge, Page
from db.session import Asked, Session, columns, signed_argument


class AuditAction(StrEnum):
    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    LOGIN = "login"
    EXECUTE = "execute"


class AuditStatus(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    DENIED = "denied"


class Event(NamedTuple):
    """One of many events that a worker leaves at once. `metadata` is JSON text."""

    customer_id: UUID
    event_type: str
    action: str
    resource_id: str | None
    metadata: str


class NotWritten(Exception):
    """The database took an event and kept none: somebody has tampered with the table."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """`metadata` is JSON text, `hash` the leaf in hex, `resource_id` a TypeID; no customer: the house's own."""

    id: UUID
    customer_id: UUID | None
    event_type: str
    action: str
    resource_type: str | None
    resource_id: str | None
    actor: str
    actor_kind: str
    actor_email: str | None
    actor_ip: str | None
    actor_user_agent: str | None
    status: str
    error_message: str | None
    request_id: str | None
    metadata: str = field(metadata={"sql": "e.metadata::text"})
    created_at: datetime
    hash: str = field(metadata={"sql": "encode(e.leaf, 'hex')"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events: each that is given narrows them. Instants are [since, until).

    `until` is always given, were it a little after now: months are kept two years ahead, and it leaves those alone.
    """

    until: datetime
    since: datetime | None = None
    event_types: tuple[str, ...] | None = None
    actions: tuple[AuditAction, ...] | None = None
    statuses: tuple[AuditStatus, ...] | None = None
    actor: str | None = None
    resource_type: str | None = None
    resource_id: str | None = None

    @property
    def narrows(self) -> bool:
        """Whether any is given but `until`."""
        return any(getattr(self, one.name) is not None for one in fields(self) if one.name != "until")

    def _values(self) -> tuple[Any, ...]:
        return (
            first_id(self.since or _EPOCH),
            first_id(self.until),
            self.event_types,
            self.actions,
            self.statuses,
            self.actor,
            self.resource_type,
            self.resource_id,
        )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def first_id(at: datetime) -> UUID:
    """The least that an event of this instant can have, as `app.first_id` says, or of the epoch for any before it.

    PostgreSQL would call that function again for each month, which takes as long as to look into it.
    """
    # no event is older than the epoch, and an id could not say that it was
    milliseconds, rest = divmod((max(at, _EPOCH) - _EPOCH) // timedelta(microseconds=1), 1000)
    return UUID(int=(milliseconds << 16 | 0x7000 | rest * 4096 // 1000) << 64 | 1 << 63)


_EVENT = columns(EventRow, prefix="e.")
_WRITTEN = """
    customer_id, event_type, action, resource_type, resource_id, actor, actor_kind, actor_email, actor_ip,
    actor_user_agent, status, error_message, request_id
"""

# The trail is what it was when a call came: no call sees its own events, whichever statement writes them.
_STOOD = "e.xid is distinct from pg_current_xact_id_if_assigned()"

# $1 limit, $2 after, $3 and $4 since and until, as ids, $5 types, $6 actions, $7 statuses, $8 actor,
# $9 and $10 resource, $11 customers.
# An event's id says when it was, and months are told apart by it: bounds on the id leave other months untouched.
_WHICH = f"""
    {_STOOD} and e.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    and e.id >= $3::uuid
    and e.id < $4::uuid
    and ($5::text[] is null or e.event_type = any($5))
    and ($6::text[] is null or e.action = any($6))
    and ($7::text[] is null or e.status = any($7))
    and ($8::text is null or e.actor = $8)
    and ($9::text is null or e.resource_type = $9)
    and ($10::text is null or e.resource_id = $10)
"""
_PAGE_OF_ALL = f"select {{row}} from audit_events e where {_WHICH} order by e.id desc limit $1::int"
_PAGE_OF_CUSTOMER = f"""
    select {{row}} from audit_events e where e.customer_id = $11::uuid and {_WHICH} order by e.id desc limit $1::int
"""
_PAGES_OF_CUSTOMERS = f"""
    select {{row}}
      from unnest($11::uuid[]) as parent (id)
     cross join lateral (
               select * from audit_events e
                where e.customer_id = parent.id and {_WHICH} order by e.id desc limit $1::int
           ) as e
     order by e.id desc
"""
# The newest of all, which most ask for: $1 limit, $2 after, $3 until, as an id, $4 customers. A plan for any values takes
# every condition more for one that few rows meet, and reads a whole trail to sort it, where the last page is enough. The
# lower bound holds nothing back: between two bounds few rows are thought to be, so that a plan for any values is kept,
# where one for the values given would be made at each call, over all months.
_NEWEST = f"""
    {_STOOD} and e.id < coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and e.id < $3::uuid
    and e.id >= '00000000-0000-0000-0000-000000000000'
"""
_NEWEST_OF_ALL = f"select {{row}} from audit_events e where {_NEWEST} order by e.id desc limit $1::int"
_NEWEST_OF_PARENT = f"""
    select * from audit_events e where e.customer_id = parent.id and {_NEWEST} order by e.id desc limit $1::int
"""
_NEWEST_OF_CUSTOMER = f"""
    select {{row}} from audit_events e where e.customer_id = $4::uuid and {_NEWEST} order by e.id desc limit $1::int
"""
_NEWEST_OF_CUSTOMERS = f"""
    select {{row}} from unnest($4::uuid[]) as parent (id) cross join lateral ({_NEWEST_OF_PARENT}) as e order by e.id desc
"""
_COUNT_OF_ALL = f"select count(*) from (select from audit_events e where {_WHICH} limit $1::int) as counted"
_COUNT_OF_CUSTOMER = f"""
    select count(*)
      from (select from audit_events e where e.customer_id = $11::uuid and {_WHICH} limit $1::int) as counted
"""
_COUNTS_OF_CUSTOMERS = f"""
    select parent.id, (
               select count(*)
                 from (
                       select from audit_events e where e.customer_id = parent.id and {_WHICH} limit $1::int
                      ) as counted
           )
      from unnest($11::uuid[]) as parent (id)
"""


def _of_whom(column: str) -> str:
    """What a tenant is not told of the company's operators."""
    return f"case when e.actor_kind <> 'operator' or session_user <> 'landlord_tenant' then e.{column} end"


def _pair(parent: UUID, number: int) -> tuple[UUID, int]:
    return parent, number


# ---------------------------------------------------------------- reading


async def page(
    session: Session,
    *,
    first: int,
    after: UUID | None,
    wanted: Wanted,
    customer_id: UUID | None = None,
    row: Asked[EventRow] = EventRow,
) -> Page[EventRow]:
    """Newest first. Without a customer: all that the session sees, the house's own too for operators."""
    customer = [customer_id] if customer_id is not None else []
    values = [*wanted._values(), *customer]
    if wanted.narrows:
        sql, bounds = _PAGE_OF_CUSTOMER if customer else _PAGE_OF_ALL, values
    else:
        sql, bounds = _NEWEST_OF_CUSTOMER if customer else _NEWEST_OF_ALL, [first_id(wanted.until), *customer]
    rows = await session.shown(row, sql, "e.", first + 1, after, *bounds)

    async def count() -> int:
        number: int = await session.value(_COUNT_OF_CUSTOMER if customer else _COUNT_OF_ALL, COUNT_LIMIT, None, *values)
        return number

    return Page.cut(rows, first=first, after_given=after is not None, count=count)


async def pages_by_customers(
    session: Session,
    customer_ids: Sequence[UUID],
    *,
    first: int,
    after: UUID | None,
    wanted: Wanted,
    row: Asked[EventRow] = EventRow,
) -> list[EventRow]:
    if wanted.narrows:
        sql, bounds = _PAGES_OF_CUSTOMERS, wanted._values()
    else:
        sql, bounds = _NEWEST_OF_CUSTOMERS, (first_id(wanted.until),)
    return await session.shown(row, sql, "e.", first + 1, after, *bounds, customer_ids)


async def counts_by_customers(
    session: Session, customer_ids: Sequence[UUID], *, wanted: Wanted
) -> list[tuple[UUID, int]]:
    return await session.all(_pair, _COUNTS_OF_CUSTOMERS, COUNT_LIMIT, None, *wanted._values(), customer_ids)


OF_CUSTOMER = Edge(ask=pages_by_customers, count=counts_by_customers, parent=attrgetter("customer_id"))


LISTED_OF_CUSTOMER = Listing(
    rows=_NEWEST_OF_PARENT,
    places=3,
    parent=("id",),
    alias="e",
    order="e.id desc",
    fields={
        "id": as_json.id("evt", "e.id"),
        "customerId": as_json.id("cus", "e.customer_id", null=True),
        "eventType": as_json.text("e.event_type"),
        "action": as_json.word("e.action"),
        "resourceType": as_json.text("e.resource_type", null=True),
        "resourceId": as_json.text("e.resource_id", null=True),
        "actor": as_json.text("e.actor"),
        "actorKind": as_json.word("e.actor_kind"),
        "actorEmail": as_json.text(_of_whom("actor_email"), null=True),
        "actorIp": as_json.text(_of_whom("actor_ip"), null=True),
        "actorUserAgent": as_json.text(_of_whom("actor_user_agent"), null=True),
        "status": as_json.word("e.status"),
        "errorMessage": as_json.text("e.error_message", null=True),
        "requestId": as_json.text("e.request_id", null=True),
        "metadata": as_json.json("e.metadata"),
        "createdAt": as_json.instant("e.created_at"),
        "hash": as_json.text("encode(e.leaf, 'hex')"),
    },
)
LISTED = replace(
    LISTED_OF_CUSTOMER,
    rows=f"select * from audit_events e where {_NEWEST} order by e.id desc limit $1::int",
    parent=(),
)


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[EventRow]:
    return await session.all(EventRow, f"select {_EVENT} from audit_events e where e.id = any($1)", ids)


# ---------------------------------------------------------------- writing


async def record(session: Session, event: Mapping[str, Any]) -> UUID:
    """Add an event, as the session's own role; its id. Raises NotWritten.

    `event` has `event_type`, `action`, `status`, `actor` and `actor_kind` (tenant, operator, system or anonymous). It
    may have `customer_id`, `resource_type`, `resource_id` (a TypeID), `actor_email`, `actor_ip`, `actor_user_agent`,
    `error_message`, `request_id` and `metadata` (a mapping). The rest is the database's to say.
    """
    written: UUID | None = await session.value(
        f"""
        insert into audit_events ({_WRITTEN}, metadata)
        select {_WRITTEN}, coalesce(e.metadata, '{{}}')
          from jsonb_to_record($1::text::jsonb) as e (
                   customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text,
                   actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text,
                   error_message text, request_id text, metadata jsonb
               )
        returning id
        """,
        orjson.dumps(dict(event)).decode(),
    )
    if written is None:
        raise NotWritten()
    return written


async def record_work(session: Session, events: Sequence[Event], *, actor: str, resource_type: str) -> None:
    """Add the events of what a worker did, all about resources of one type. Raises NotWritten."""
    if not events:
        return
    written = await session.values(
        """
        insert into audit_events (
            customer_id, event_type, action, resource_type, resource_id, metadata, actor, actor_kind, status
        )
        select event.customer_id, event.event_type, event.action, $2, event.resource_id, event.metadata::jsonb,
               $1, 'system', 'success'
          from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[])
               as event (customer_id, event_type, action, resource_id, metadata)
        returning id
        """,
        actor,
        resource_type,
        *zip(*events, strict=True),
    )
    if len(written) != len(events):
        raise NotWritten()


async def record_refusal(session: Session, token: str, event: Mapping[str, Any]) -> None:
    """Add the event of a refusal before any customer is known: of the customer whose key has the prefix that `token` is
    signed for, if any has. See `auth.contexts`, "refusal".
    """
    with signed_argument():
        await session.execute("select app.record_refusal($1, $2)", token, orjson.dumps(dict(event)).decode())
