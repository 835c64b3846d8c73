"""Any object by its ID: the ID's prefix says where to ask, and which scope that needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import strawberry

from auth.scopes import Scope
from db import (
    api_keys,
    audit,
    billing_runs,
    credit_notes,
    customers,
    invoices,
    notifications,
    payments,
    rate_cards,
    tickets,
    usage_syncs,
    webhooks,
)
from db.errors import Invalid
from db.session import Session
from schema.access import Reads
from schema.api_keys import ApiKey
from schema.audit import AuditEvent
from schema.billing_runs import BillingRun
from schema.context import Context, Info
from schema.customers import Customer
from schema.ids import prefix_of, split
from schema.invoices import CreditNote, Invoice, Payment
from schema.node import Node
from schema.notifications import Notification
from schema.rate_cards import RateCard
from schema.tickets import Ticket, TicketComment
from schema.usage_syncs import UsageSync
from schema.webhooks import WebhookEndpoint


@dataclass(frozen=True, slots=True)
class _Kind:
    """`question` gives the rows of these ids that the session sees, `show` makes of one what the caller sees."""

    scope: Scope | None
    question: Callable[[Session, Sequence[UUID]], Awaitable[list[Any]]]
    show: Callable[[Any, Context], Node]


_KINDS: Final[Mapping[str, _Kind]] = {
    "cus": _Kind(
        Scope.CUSTOMERS_READ, customers.by_ids, lambda row, context: Customer.of(row, today=context.now.date())
    ),
    "inv": _Kind(Scope.INVOICES_READ, invoices.by_ids, lambda row, context: Invoice.of(row, today=context.now.date())),
    "pay": _Kind(Scope.INVOICES_READ, payments.by_ids, lambda row, _: Payment.of(row)),
    "crn": _Kind(Scope.INVOICES_READ, credit_notes.by_ids, lambda row, _: CreditNote.of(row)),
    "run": _Kind(Scope.BILLING_READ, billing_runs.by_ids, lambda row, _: BillingRun.of(row)),
    "syn": _Kind(Scope.USAGE_WRITE, usage_syncs.by_ids, lambda row, _: UsageSync.of(row)),
    "rcd": _Kind(None, rate_cards.by_ids, lambda row, _: RateCard.of(row)),
    "tkt": _Kind(Scope.TICKETS_READ, tickets.by_ids, lambda row, _: Ticket.of(row)),
    "tkc": _Kind(Scope.TICKETS_READ, tickets.comments_by_ids, lambda row, _: TicketComment.of(row)),
    "ntf": _Kind(Scope.NOTIFICATIONS_READ, notifications.by_ids, lambda row, _: Notification.of(row)),
    "whe": _Kind(Scope.WEBHOOKS_READ, webhooks.by_ids, lambda row, _: WebhookEndpoint.of(row)),
    "key": _Kind(Scope.KEYS_READ, api_keys.by_ids, lambda row, context: ApiKey.of(row, now=context.now)),
    "evt": _Kind(Scope.AUDIT_READ, audit.by_ids, lambda row, context: AuditEvent.of(row, caller=context.caller)),
}


def scope_of(id: str) -> Scope | None:
    """What reading the object of this ID needs, whether or not it exists. Raises Invalid for what is no ID of ours."""
    return _kind(prefix_of(id)).scope


async def load(context: Context, id: str) -> Node | None:
    """The object of this ID, if it is the caller's to see; scopes are not looked at. Raises Invalid."""
    prefix, uuid = split(id)
    kind = _kind(prefix)
    row = await context.loaders.one(kind.question, uuid)
    return None if row is None else kind.show(row, context)


def _kind(prefix: str) -> _Kind:
    found = _KINDS.get(prefix)
    if found is None:
        raise Invalid(f"This is no ID: nothing here begins with `{prefix}_`.", field=("id",))
    return found


@strawberry.type
class NodeQueries:
    @strawberry.field(
        description="Any object by its ID; null when it does not exist or is not the caller's. Needs the scope of its"
        " type.",
        extensions=[Reads(by_id=scope_of)],
    )
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Of whatever type.")]
    ) -> Node | None:
        return await load(info.context, id)
