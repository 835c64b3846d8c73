"""The audit trail as clients see it."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Annotated, Self, TypeVar
from uuid import UUID

import orjson
import strawberry

from auth.caller import Caller, CallerKind
from db import audit
from db.audit import AuditAction, AuditStatus, EventRow, Wanted
from db.errors import Invalid
from db.page import Page
from schema.context import Info
from schema.enums import ActorKind, reader, shown
from schema.ids import split, typeid, uuid_of
from schema.node import Node
from schema.pagination import FIRST_BY_DEFAULT, Connection, window
from schema.scalars import JSON
from schema.windows import LONGEST_PAGE

Given = TypeVar("Given")
First = Annotated[int | None, strawberry.argument(description="How many, 1 to 500; null is 20.")]

# The operation that asks may have left events of its own by now, and clocks differ.
_A_LITTLE = timedelta(hours=1)

shown(
    AuditAction,
    "What kind of thing was done.",
    LOGIN="A key was exchanged for a session.",
    EXECUTE="Work was started, or a call was refused before it was known what it would do.",
)
shown(
    AuditStatus,
    "How it ended.",
    FAILURE="Refused for what was asked, or broken off: nothing was changed.",
    DENIED="Refused for who asked: credentials that do not work, or a missing scope.",
)

_action, _status, _kind = reader(AuditAction), reader(AuditStatus), reader(ActorKind)


@strawberry.type(
    description="One line of the audit trail. Nobody, the database's owner included, can change or remove it."
)
class AuditEvent(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `evt_`.")
    customer_id: strawberry.ID | None = strawberry.field(
        description="Whom it concerns; null where that is the company itself, or nobody known."
    )
    event_type: str = strawberry.field(description="e.g. `invoice.issued`, `api.query`, `auth.denied`.")
    action: AuditAction = strawberry.field(description="What kind of thing was done.")
    resource_type: str | None = strawberry.field(
        description="The type of what it was done to, e.g. `Invoice`; null where that is no single object."
    )
    resource_id: strawberry.ID | None = strawberry.field(description="The ID of what it was done to.")
    actor: str = strawberry.field(description="Who did it: the name of an API key, or of a part of the service.")
    actor_kind: ActorKind = strawberry.field(description="Whose the actor is; its name is whatever its maker chose.")
    actor_email: str | None = strawberry.field(
        description="This and the next two are null for a tenant where the actor is one of the company's operators."
    )
    actor_ip: str | None = strawberry.field(description="The address that the request came from.")
    actor_user_agent: str | None = strawberry.field(description="The program that sent it, as it calls itself.")
    status: AuditStatus = strawberry.field(description="How it ended.")
    error_message: str | None = strawberry.field(description="Why it did not succeed; null where it did.")
    request_id: str | None = strawberry.field(description="Of the request; errors answer it in `extensions.requestId`.")
    metadata: JSON = strawberry.field(description="What else is known, e.g. the fields that were asked for.")
    created_at: datetime = strawberry.field(description="When it was written down.")
    hash: str = strawberry.field(description="SHA-256 leaf hash of this event under the published encoding, in hex.")

    @classmethod
    def of(cls, row: EventRow, *, caller: Caller) -> Self:
        hidden = caller.kind is CallerKind.TENANT and row.actor_kind == "operator"
        return cls(
            id=typeid("evt", row.id),
            customer_id=None if row.customer_id is None else _customer(row.customer_id),
            event_type=row.event_type,
            action=_action(row.action),
            resource_type=row.resource_type,
            resource_id=None if row.resource_id is None else strawberry.ID(row.resource_id),
            actor=row.actor,
            actor_kind=_kind(row.actor_kind),
            actor_email=None if hidden else row.actor_email,
            actor_ip=None if hidden else row.actor_ip,
            actor_user_agent=None if hidden else row.actor_user_agent,
            status=_status(row.status),
            error_message=row.error_message,
            request_id=row.request_id,
            metadata=orjson.loads(row.metadata),
            created_at=row.created_at,
            hash=row.hash,
        )


@strawberry.type(description="Audit events, newest first.")
class AuditEventConnection(Connection[AuditEvent]):
    pass


@strawberry.input(description="Which events: those that fit all that is given.")
class AuditFilter:
    customer_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Those that concern this customer."
    )
    event_type: list[str] | None = strawberry.field(default=strawberry.UNSET, description="Of any of these types.")
    action: list[AuditAction] | None = strawberry.field(default=strawberry.UNSET, description="Of any of these kinds.")
    status: list[AuditStatus] | None = strawberry.field(default=strawberry.UNSET, description="With any of these ends.")
    actor: str | None = strawberry.field(default=strawberry.UNSET, description="Whose doing, word for word.")
    resource_type: str | None = strawberry.field(
        default=strawberry.UNSET, description="Done to objects of this type, e.g. `Invoice`."
    )
    resource_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Done to this object.")
    since: datetime | None = strawberry.field(default=strawberry.UNSET, description="From this instant on.")
    until: datetime | None = strawberry.field(default=strawberry.UNSET, description="Before this instant.")

    def customer(self) -> UUID | None:
        """Raises Invalid."""
        named = _given(self.customer_id)
        return None if named is None else uuid_of("cus", named, ("filter", "customerId"))

    def wanted(self, now: datetime) -> Wanted:
        """The rest, as `db.audit` takes it. Raises Invalid."""
        since, until, resource = _given(self.since), _given(self.until), _given(self.resource_id)
        if since is not None and until is not None and since > until:
            raise Invalid("`since` comes after `until`: give the earlier instant first.", field=("filter", "since"))
        if resource is not None:
            split(resource, ("filter", "resourceId"))
        return Wanted(
            until=until or now + _A_LITTLE,
            since=since,
            event_types=_each(self.event_type),
            actions=_each(self.action),
            statuses=_each(self.status),
            actor=_given(self.actor),
            resource_type=_given(self.resource_type),
            resource_id=resource,
        )


async def of_customer(
    info: Info,
    customer_id: UUID,
    first: int | None = FIRST_BY_DEFAULT,
    after: str | None = None,
    filter: AuditFilter | None = None,
) -> AuditEventConnection:
    """One question for all customers of which the same is asked. Raises Invalid."""
    here = window(
        "audit events of a customer", first=first, after=after, filter=(customer_id, filter), most=LONGEST_PAGE
    )
    narrower = filter or AuditFilter()
    wanted = narrower.wanted(info.context.now)
    if narrower.customer() in (None, customer_id):
        page = await info.context.loaders.page(
            audit.OF_CUSTOMER, customer_id, first=here.first, after=here.after, wanted=wanted
        )
    else:
        page = Page([], has_next=False, after_given=after is not None, count=_none)
    return AuditEventConnection.of(page, here, partial(AuditEvent.of, caller=info.context.caller))


@lru_cache(maxsize=1024)
def _customer(id: UUID) -> strawberry.ID:
    """Most pages are of one customer, and an ID takes as long as the rest of an event."""
    return typeid("cus", id)


async def _none() -> int:
    return 0


def _given(value: Given | None) -> Given | None:
    """None for what is left out, too."""
    return None if value is strawberry.UNSET else value


def _each(values: list[Given] | None) -> tuple[Given, ...] | None:
    given = _given(values)
    return None if given is None else tuple(given)
