"""What clients see of each row, and what hangs on it, said without a schema: what known documents are read by.

A shape stands for a type of the schema; its names are those of the type's fields in Python. A type and its shape say the
same, which a test compares; what has no shape, or stands in none, is answered by its resolvers. Nothing here is imported
from strawberry or graphql-core, so that a first answer need not wait for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache, partial
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import orjson

from auth import api_keys as holding
from auth.caller import Caller, CallerKind
from billing import invoicing
from billing import usage as recording
from billing.customers import status_on, tier_on, tier_periods
from billing.failures import NoRateCard
from billing.periods import Month
from billing.preview import preview
from db import api_keys, audit, credit_notes, customers, invoices, page, payments, rate_cards, tickets
from db.audit import EventRow, Wanted
from db.customers import CustomerRow
from db.enums import Tier
from db.page import COUNT_LIMIT, Page
from db.usage import Between
from schema.context import Context
from schema.ids import typeid, uuid_of
from schema.windows import FIRST_AT_MOST, LONGEST_PAGE, Window, window

# `ask(context, parents, **arguments)`: what each of these parents has, in their order: a row or None, a list of rows, or a
# `Part`. A root field has one parent, None.
Ask: TypeAlias = Callable[..., Awaitable[Sequence[Any]]]
# What narrows a list, by the names of the input's fields in Python: constants of the document, enums by their names.
Filter: TypeAlias = Mapping[str, Any]
# Of an object, what a field of it is, before it is written as the field's type says.
Derived: TypeAlias = Callable[[Any, Context], Any]

# As in schema/audit.py: the operation that asks may have left events of its own by now, and clocks differ.
_A_LITTLE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a connection's list."""

    page: Page[Any]
    window: Window

    async def count(self) -> int:
        return min(await self.page.count(), COUNT_LIMIT)


@dataclass(frozen=True, slots=True)
class Edge:
    """A field that is asked for: `one` object or null, `many` of them, a `page`, or a plain `value`.

    `as_json(context, parents, names, **arguments)` gives each parent's list as JSON text that the database wrote, of
    these of its items' fields; `written` are the names that it knows, as clients write them.
    """

    kind: Literal["one", "many", "page", "value"]
    ask: Ask
    shape: str | None = None
    as_json: Ask | None = None
    written: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shape:
    """`plain` are attributes of the row that clients see as they are stored."""

    plain: frozenset[str]
    derived: Mapping[str, Derived] = field(default_factory=dict)
    edges: Mapping[str, Edge] = field(default_factory=dict)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _id(prefix: str) -> Derived:
    return lambda row, _: typeid(prefix, row.id)


# ---------------------------------------------------------------- asking

_ITSELF: Final = attrgetter("id")


def _many(question: Any, key: Callable[[Any], Hashable], of: Callable[[Any], Hashable]) -> Ask:
    """The rows of `question` that belong to each parent: `of` them is what `key` is of it."""

    async def ask(context: Context, parents: Sequence[Any]) -> Sequence[Any]:
        return await _grouped(context, parents, question, key, of)

    return ask


async def _grouped(
    context: Context,
    parents: Sequence[Any],
    question: Any,
    key: Callable[[Any], Hashable],
    of: Callable[[Any], Hashable],
) -> Sequence[list[Any]]:
    keys = [key(parent) for parent in parents]
    found: dict[Hashable, list[Any]] = defaultdict(list)
    for row in await question(context.session, list(dict.fromkeys(keys))):
        found[of(row)].append(row)
    return [found[key] for key in keys]


def _one(question: Any, key: Callable[[Any], Hashable], of: Callable[[Any], Hashable] = _ITSELF) -> Ask:
    async def ask(context: Context, parents: Sequence[Any]) -> Sequence[Any]:
        return [rows[0] if rows else None for rows in await _grouped(context, parents, question, key, of)]

    return ask


async def _pages(
    context: Context,
    parents: Sequence[Any],
    ordering: str,
    edge: page.Edge[Any],
    *,
    first: int | None,
    after: str | None,
    bind: Callable[[UUID], Any],
    most: int = FIRST_AT_MOST,
    **narrowed: Any,
) -> list[Part]:
    """Of a list that hangs on each parent: one statement for all of them, and one more if somebody counts.

    `bind` says what a cursor of a parent's list is bound to, as JSON.
    """
    ids = [parent.id for parent in parents]
    windows = [window(ordering, first=first, after=after, filter=bind(id), most=most) for id in ids]
    here, own = windows[0], list(dict.fromkeys(ids))  # an object may be on a level more than once
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in await edge.ask(context.session, own, first=here.first, after=here.after, **narrowed):
        found[edge.parent(row)].append(row)
    counted: dict[UUID, int] = {}

    async def count(id: UUID) -> int:
        if not counted:
            counted.update(dict.fromkeys(own, 0))
            counted.update(await edge.count(context.session, own, **narrowed))
        return counted[id]

    return [
        Part(Page.cut(found[id], first=here.first, after_given=after is not None, count=partial(count, id)), one)
        for id, one in zip(ids, windows, strict=True)
    ]


def _filtered(filter: Filter) -> Callable[[UUID], Any]:
    return lambda id: [str(id), filter or None]


# ---------------------------------------------------------------- usage

_USAGE = Shape(
    plain=_names(
        "month account_count ou_count scp_count cloudtrail_events config_evaluations log_storage_gb nat_bytes_processed"
        " data_transfer_gb revision recorded_at"
    )
)


def _months(context: Context, from_: Month | None, to: Month | None) -> Between:
    """Raises Invalid."""
    start, end = recording.span(from_, to, now=context.now)
    return Between(start.first, end.first)


async def _usage(
    context: Context, parents: Sequence[CustomerRow], from_: Month | None = None, to: Month | None = None
) -> Sequence[Any]:
    return await _grouped(context, parents, _months(context, from_, to), _ITSELF, attrgetter("customer_id"))


async def _usage_of_caller(
    context: Context,
    parents: Sequence[None],
    customer_id: str | None = None,
    from_: Month | None = None,
    to: Month | None = None,
) -> Sequence[Any]:
    own = context.caller.customer_id
    asked = own if customer_id is None else uuid_of("cus", customer_id, ("customerId",))
    return [[] if asked is None else await _months(context, from_, to)(context.session, [asked])]


# ---------------------------------------------------------------- invoices

_LINE = Shape(
    plain=_names("position kind metric tier adjusted_month description quantity billable amount"),
    edges={"bands": Edge("many", lambda _, lines: _bands(lines), "LineBand")},
)
_BAND = Shape(plain=_names("quantity unit price_per_unit amount"))
_PAYMENT = Shape(plain=_names("amount method reference received_at"), derived={"id": _id("pay")})
_CREDIT_NOTE = Shape(plain=_names("number amount reason issued_at"), derived={"id": _id("crn")})
_PREVIEW = Shape(
    plain=_names(
        "month tier currency tier_base_cost usage_charges volume_discount adjustments subtotal tax_rate tax_amount"
        " total_amount"
    ),
    edges={"lines": Edge("many", lambda _, ratings: _lines_of(ratings), "InvoiceLine")},
)
_INVOICE = Shape(
    plain=_names(
        "number month tier currency tier_base_cost usage_charges volume_discount adjustments subtotal tax_jurisdiction"
        " tax_status tax_rate tax_amount total_amount amount_paid amount_credited credit_applied issued_at due_on paid_at"
        " cancelled_at cancel_reason usage_revision created_at"
    ),
    derived={
        "id": _id("inv"),
        "status": lambda row, context: invoicing.status(row, context.today),
        "amount_due": lambda row, _: invoicing.amount_due(row),
    },
    edges={
        "lines": Edge(
            "many",
            _many(invoices.lines_by_invoices, attrgetter("key"), attrgetter("invoice")),
            "InvoiceLine",
        ),
        "payments": Edge("many", _many(payments.by_invoices, attrgetter("key"), attrgetter("invoice")), "Payment"),
        "credit_notes": Edge(
            "many", _many(credit_notes.by_invoices, attrgetter("key"), attrgetter("invoice")), "CreditNote"
        ),
        "customer": Edge("one", _one(customers.by_ids, attrgetter("customer_id")), "Customer"),
    },
)


async def _bands(lines: Sequence[Any]) -> Sequence[Any]:
    """Stored ones are text; those of a preview were never written down."""
    return [invoicing.bands_of(line.bands) if isinstance(line.bands, str) else line.bands for line in lines]


async def _lines_of(ratings: Sequence[Any]) -> Sequence[Any]:
    return [rating.lines for rating in ratings]


async def _invoices(
    context: Context,
    parents: Sequence[CustomerRow],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = MappingProxyType({}),
) -> Sequence[Part]:
    return await _pages(
        context,
        parents,
        "invoices of a customer",
        invoices.OF_CUSTOMER,
        first=first,
        after=after,
        bind=_filtered(filter),
        today=context.today,
        **_statuses(filter),
    )


async def _invoices_of_caller(
    context: Context,
    parents: Sequence[None],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = MappingProxyType({}),
) -> Sequence[Part]:
    here = window("invoices", first=first, after=after, filter=filter or None)
    found = await invoices.page(
        context.session, first=here.first, after=here.after, today=context.today, **_statuses(filter)
    )
    return [Part(found, here)]


def _statuses(filter: Filter) -> dict[str, Any]:
    """By the names that the schema gives them."""
    names = filter.get("status")
    return {"statuses": None if names is None else tuple(invoices.InvoiceStatus[name] for name in names)}


async def _preview(
    context: Context,
    parents: Sequence[None],
    month: Month,
    customer_id: str | None = None,
    tier: str | None = None,
) -> Sequence[Any]:
    own = context.caller.customer_id
    asked = own if customer_id is None else uuid_of("cus", customer_id, ("customerId",))
    if asked is None:
        return [None]
    as_if = None if tier is None else Tier[tier]
    return [await preview(context.session, asked, month, tier=as_if, usage=None)]


# ---------------------------------------------------------------- tickets

_COMMENT = Shape(plain=_names("author body internal created_at"), derived={"id": _id("tkc")})
_TICKET = Shape(
    plain=_names(
        "subject status priority created_by assigned_to first_response_due_at first_responded_at created_at updated_at"
    ),
    derived={"id": _id("tkt")},
    edges={
        "customer": Edge("one", _one(customers.by_ids, attrgetter("customer_id")), "Customer"),
        "comments": Edge("page", lambda context, rows, **window: _comments(context, rows, **window), "TicketComment"),
    },
)


async def _comments(
    context: Context, parents: Sequence[Any], first: int | None = None, after: str | None = None
) -> Sequence[Part]:
    return await _pages(context, parents, "comments of a ticket", tickets.COMMENTS, first=first, after=after, bind=str)


def _narrowed(filter: Filter) -> dict[str, Any]:
    statuses, priorities = filter.get("status"), filter.get("priority")
    return {
        "statuses": None if statuses is None else tuple(tickets.TicketStatus[name] for name in statuses),
        "priorities": None if priorities is None else tuple(tickets.TicketPriority[name] for name in priorities),
    }


async def _tickets(
    context: Context,
    parents: Sequence[CustomerRow],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = MappingProxyType({}),
) -> Sequence[Part]:
    return await _pages(
        context,
        parents,
        "tickets of a customer",
        tickets.OF_CUSTOMER,
        first=first,
        after=after,
        bind=_filtered(filter),
        **_narrowed(filter),
    )


async def _tickets_of_caller(
    context: Context,
    parents: Sequence[None],
    first: int | None = None,
    after: str | None = None,
    filter: Filter = MappingProxyType({}),
) -> Sequence[Part]:
    here = window("tickets", first=first, after=after, filter=filter or None)
    found = await tickets.page(context.session, first=here.first, after=here.after, **_narrowed(filter))
    return [Part(found, here)]


# ---------------------------------------------------------------- the audit trail


def _of_whom(read: Callable[[EventRow], str | None]) -> Derived:
    """What a tenant is not told of the company's operators."""

    def told(row: EventRow, context: Context) -> str | None:
        hidden = row.actor_kind == "operator" and context.caller.kind is CallerKind.TENANT
        return None if hidden else read(row)

    return told


@lru_cache(maxsize=1024)
def _customer_id(id: UUID) -> str:
    """Most pages are of one customer, and an ID takes as long as the rest of an event."""
    return typeid("cus", id)


_EVENT = Shape(
    plain=_names("event_type action resource_type resource_id actor status error_message request_id created_at hash"),
    derived={
        "id": _id("evt"),
        "customer_id": lambda row, _: None if row.customer_id is None else _customer_id(row.customer_id),
        "actor_email": _of_whom(attrgetter("actor_email")),
        "actor_ip": _of_whom(attrgetter("actor_ip")),
        "actor_user_agent": _of_whom(attrgetter("actor_user_agent")),
        "metadata": lambda row, _: orjson.loads(row.metadata),
    },
)


async def _events(
    context: Context, parents: Sequence[CustomerRow], first: int | None = None, after: str | None = None
) -> Sequence[Part]:
    return await _pages(
        context,
        parents,
        "audit events of a customer",
        audit.OF_CUSTOMER,
        first=first,
        after=after,
        bind=lambda id: [str(id), None],
        most=LONGEST_PAGE,
        wanted=Wanted(until=context.now + _A_LITTLE),
    )


async def _events_of_caller(
    context: Context, parents: Sequence[None], first: int | None = None, after: str | None = None
) -> Sequence[Part]:
    here = window("audit events", first=first, after=after, most=LONGEST_PAGE)
    found = await audit.page(
        context.session,
        first=here.first,
        after=here.after,
        customer_id=None,
        wanted=Wanted(until=context.now + _A_LITTLE),
    )
    return [Part(found, here)]


# ---------------------------------------------------------------- keys

_KEY = Shape(
    plain=_names("name prefix scopes created_at expires_at last_used_at"),
    derived={"id": _id("key"), "is_active": lambda row, context: holding.works(row, context.now)},
)


async def _keys(context: Context, parents: Sequence[CustomerRow]) -> Sequence[Any]:
    return await _grouped(context, parents, api_keys.Shown(context.now), _ITSELF, attrgetter("customer_id"))


async def _keys_of_caller(context: Context, parents: Sequence[None]) -> Sequence[Any]:
    own = context.caller.customer_id
    if own is not None:
        return [await api_keys.Shown(context.now)(context.session, [own])]
    return [await api_keys.shown_of_house(context.session, now=context.now)]


# ---------------------------------------------------------------- customers

_TIER_PERIOD = Shape(plain=_names("tier"), derived={"from_": lambda one, _: one.start, "to": lambda one, _: one.end})
_FEATURES = Shape(
    plain=_names(
        "tier base_price max_accounts max_regions sso_users_limit custom_scps priority_support compliance_reports"
        " cost_analytics multi_region break_glass_role"
    )
)
_CUSTOMER = Shape(
    plain=_names(
        "name framework aws_org_id aws_account_id email billing_email mfa_enforced encryption_required tax_jurisdiction"
        " tax_status invoice_prefix active_from closed_on created_at updated_at"
    ),
    derived={
        "id": _id("cus"),
        "status": lambda row, context: status_on(row, context.today),
        "tier": lambda row, context: tier_on(row, context.today),
        "tags": lambda row, _: orjson.loads(row.tags),
        "custom_config": lambda row, _: orjson.loads(row.custom_config),
    },
    edges={
        "tier_history": Edge("many", lambda _, rows: _histories(rows), "TierPeriod"),
        "features": Edge("one", lambda context, rows: _features(context, rows), "TierFeatures"),
        "usage": Edge("many", _usage, "UsageMonth"),
        "invoices": Edge("page", _invoices, "Invoice"),
        "tickets": Edge("page", _tickets, "Ticket"),
        "audit_events": Edge("page", _events, "AuditEvent"),
        "api_keys": Edge("many", _keys, "ApiKey"),
        "balance_due": Edge("value", lambda context, rows: _balances(context, rows)),
    },
)


async def _histories(rows: Sequence[CustomerRow]) -> Sequence[Any]:
    return [tier_periods(row) for row in rows]


async def _features(context: Context, rows: Sequence[CustomerRow]) -> Sequence[Any]:
    """Raises NoRateCard."""
    by_tier = {one.tier: one for one in await rate_cards.tiers_on(context.session, [context.today])}
    try:
        return [by_tier[tier_on(row, context.today)] for row in rows]
    except KeyError:
        raise NoRateCard(context.today) from None


async def _balances(context: Context, rows: Sequence[CustomerRow]) -> Sequence[Any]:
    found = {one.id: one.balance for one in await invoices.balances(context.session, list({row.id for row in rows}))}
    return [found.get(row.id, 0) for row in rows]


async def _customer(context: Context, parents: Sequence[None], id: str | None = None) -> Sequence[Any]:
    asked = context.caller.customer_id if id is None else uuid_of("cus", id, ("id",))
    found = [] if asked is None else await customers.by_ids(context.session, [asked])
    return found or [None]


# ---------------------------------------------------------------- who asks

_VIEWER = Shape(
    plain=_names("kind name"),
    derived={
        "scopes": lambda caller, _: sorted(caller.scopes),
        "session_expires_at": lambda caller, _: None if caller.session is None else caller.session.expires_at,
    },
    edges={"customer": Edge("one", lambda context, callers: _customer_of(context, callers), "Customer")},
)


async def _viewer(context: Context, parents: Sequence[None]) -> Sequence[Any]:
    return [context.caller]


async def _customer_of(context: Context, callers: Sequence[Caller]) -> Sequence[Any]:
    return await _customer(context, [None])


_QUERY = Shape(
    plain=frozenset(),
    edges={
        "viewer": Edge("one", _viewer, "Viewer"),
        "customer": Edge("one", _customer, "Customer"),
        "usage": Edge("many", _usage_of_caller, "UsageMonth"),
        "invoices": Edge("page", _invoices_of_caller, "Invoice"),
        "invoice_preview": Edge("one", _preview, "InvoicePreview"),
        "tickets": Edge("page", _tickets_of_caller, "Ticket"),
        "audit_events": Edge("page", _events_of_caller, "AuditEvent"),
        "api_keys": Edge("many", _keys_of_caller, "ApiKey"),
    },
)

SHAPES: Final[Mapping[str, Shape]] = {
    "ApiKey": _KEY,
    "AuditEvent": _EVENT,
    "CreditNote": _CREDIT_NOTE,
    "Customer": _CUSTOMER,
    "Invoice": _INVOICE,
    "InvoiceLine": _LINE,
    "InvoicePreview": _PREVIEW,
    "LineBand": _BAND,
    "Payment": _PAYMENT,
    "Query": _QUERY,
    "Ticket": _TICKET,
    "TicketComment": _COMMENT,
    "TierFeatures": _FEATURES,
    "TierPeriod": _TIER_PERIOD,
    "UsageMonth": _USAGE,
    "Viewer": _VIEWER,
}
