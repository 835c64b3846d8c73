"""The audit trail of the demo data's year: an event for all that stands in it, and for everyday calls beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from db.api_keys import ApiKeyRow
from db.audit import AuditAction, AuditStatus
from db.typeids import typeid
from local.demo.books import Account, Books, Invoice, Run, entered
from local.demo.keys import REVOKED
from local.demo.moments import MONTHS, Calendar, When, digits, id_of, number
from local.demo.people import COLLECTOR, INES, PRIYA, SHOWCASE, STAFF, TOMASZ, Company
from local.demo.threads import Thread
from local.demo.tickets import PIPELINE

CREATE, READ, UPDATE, DELETE, LOGIN, EXECUTE = AuditAction
SUCCESS, _, DENIED = AuditStatus

# of people's everyday calls: the operation and its root fields
_QUERIES = (
    ("Dashboard", ("customer",)),
    ("Invoices", ("invoices",)),
    ("UsageAndPreview", ("usage", "invoicePreview")),
    ("AuditTrail", ("auditEvents",)),
    ("WhoAmI", ("viewer", "apiKeys")),
)
_OFTEN = (2, 4, 8, 11, 15, 18, 22, 25)
_SELDOM = (6, 20)


@dataclass(frozen=True, slots=True)
class Actor:
    name: str
    kind: str
    ip: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    at: datetime
    customer_id: UUID | None
    event_type: str
    action: AuditAction
    actor: Actor
    resource: tuple[str, str | None] | None = None  # its type, and its id as the API names it
    status: AuditStatus = SUCCESS
    error: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """As it is stored."""
        type_, id = self.resource or (None, None)
        name = f"event/{self.event_type}/{self.customer_id}/{id}/{self.actor.name}"
        return {
            "id": id_of(self.at, name),
            "customer_id": self.customer_id,
            "event_type": self.event_type,
            "action": self.action,
            "resource_type": type_,
            "resource_id": id,
            "actor": self.actor.name,
            "actor_kind": self.actor.kind,
            "actor_ip": self.actor.ip,
            "actor_user_agent": self.actor.agent,
            "status": self.status,
            "error_message": self.error,
            "request_id": None if self.actor.kind == "system" else digits(f"{name}/{self.at}", 32),
            "metadata": json.dumps(self.metadata),
        }


_RUN = Actor("billing run", "system")
_STAFF = {
    name: Actor(name, "operator", f"198.51.100.{10 + place}", "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Firefox/146.0")
    for place, name in enumerate(STAFF)
} | {COLLECTOR: Actor(COLLECTOR, "operator", "198.51.100.7", "landlord-collector/1.4")}


def events(calendar: Calendar, books: Books, threads: list[Thread], keys: list[ApiKeyRow]) -> list[Event]:
    """All that happened by now, the oldest first."""
    found = [
        *_customers(calendar, books),
        *_usage(books),
        *_billing(books),
        *_tickets(calendar, books, threads),
        *_keys(books, keys),
        *everyday(calendar, books),
    ]
    return sorted((event for event in found if calendar.happened(event.at)), key=lambda event: event.at)


def everyday(calendar: Calendar, books: Books) -> Iterator[Event]:
    """Calls that read, and some that were refused."""
    for account in books.accounts.values():
        company = account.company
        ended = None if company.closed is None else calendar.at(company.closed)
        for ago in range(MONTHS, -1, -1):
            for day in _OFTEN if company is SHOWCASE else _SELDOM:
                at = calendar.at(When(ago, day, 6)) + timedelta(
                    microseconds=number(f"{company.slug}/{ago}/{day}", 8 * 3600 * 10**6)
                )
                if at >= calendar.at(company.since) and (ended is None or at < ended):
                    yield from _visit(account, at, f"{company.slug}/{ago}/{day}")
    yield from _refused(calendar, books.of(SHOWCASE))


# ---------------------------------------------------------------- what changed


def _customers(calendar: Calendar, books: Books) -> Iterator[Event]:
    for account in books.accounts.values():
        company, customer = account.company, account.customer
        named = "Customer", typeid("cus", customer.id)
        yield Event(customer.created_at, customer.id, "customer.created", CREATE, _STAFF[INES], named)
        if company.then is not None:
            at = entered(calendar, company.then[0])
            yield Event(at, customer.id, "customer.tier_changed", UPDATE, _STAFF[INES], named)
        if company.taxable_until is not None:
            at = calendar.at(company.taxable_until)
            yield Event(at, customer.id, "customer.updated", UPDATE, _STAFF[TOMASZ], named)
        if company.suspended is not None:
            at = calendar.at(company.suspended)
            yield Event(at, customer.id, "customer.suspended", UPDATE, _STAFF[TOMASZ], named)
        if company.closed is not None:
            at = entered(calendar, company.closed)
            yield Event(at, customer.id, "customer.closed", UPDATE, _STAFF[INES], named)


def _usage(books: Books) -> Iterator[Event]:
    for account in books.accounts.values():
        for revisions in account.usage.values():
            for row in revisions:
                by = _STAFF[COLLECTOR if row.revision == 1 else PRIYA]
                yield Event(row.recorded_at, account.customer.id, "usage.recorded", UPDATE, by, ("UsageMonth", None))


def _billing(books: Books) -> Iterator[Event]:
    for run in books.runs:
        by = _STAFF.get(run.started_by, Actor(run.started_by, "system"))
        named = "BillingRun", typeid("run", run.row.id)
        yield Event(run.row.created_at, None, "billing_run.started", EXECUTE, by, named)
        for invoice in run.invoices:
            yield from _invoice(run, invoice)


def _invoice(run: Run, invoice: Invoice) -> Iterator[Event]:
    customer_id = invoice.customer_id
    named = "Invoice", typeid("inv", invoice.id)
    said = {
        "run": typeid("run", run.row.id),
        "month": str(invoice.month),
        "total": f"{invoice.total:.2f}",
        "number": invoice.number,
    }
    yield Event(invoice.issued_at, customer_id, "invoice.issued", UPDATE, _RUN, named, metadata=said)
    if invoice.cancelled is not None:
        yield Event(invoice.cancelled[0], customer_id, "invoice.cancelled", UPDATE, _STAFF[TOMASZ], named)
    if (note := invoice.credit_note) is not None:
        by = _STAFF[TOMASZ]
        yield Event(note.issued_at, customer_id, "invoice.credit_note_issued", UPDATE, by, named)
    for payment in invoice.payments:
        at = payment.received_at
        yield Event(at, customer_id, "invoice.payment_recorded", UPDATE, _STAFF[TOMASZ], named)


def _tickets(calendar: Calendar, books: Books, threads: list[Thread]) -> Iterator[Event]:
    companies = {account.customer.id: account.company for account in books.accounts.values()}
    for thread in threads:
        row = thread.row
        named = "Ticket", typeid("tkt", row.id)
        for place, step in enumerate(thread.steps):
            by = _STAFF[step.by] if step.by_staff else _tenant(companies[row.customer_id], step.by)
            at = calendar.at(step.when)
            if place == 0:
                yield Event(at, row.customer_id, "ticket.opened", CREATE, by, named)
            elif step.text is not None:
                yield Event(at, row.customer_id, "ticket.commented", UPDATE, by, named)
            if step.then is not None:
                at += timedelta(seconds=3)
                yield Event(at, row.customer_id, "ticket.updated", UPDATE, by, named)


def _keys(books: Books, keys: list[ApiKeyRow]) -> Iterator[Event]:
    companies = {account.customer.id: account.company for account in books.accounts.values()}
    for key in keys:
        by = _STAFF[INES]
        if key.customer_id is not None and key.name != companies[key.customer_id].contact:
            by = _tenant(companies[key.customer_id], companies[key.customer_id].contact)
        made = ("api_key.created", CREATE) if key.rotated_from is None else ("api_key.rotated", UPDATE)
        named = "ApiKey", typeid("key", key.id)
        # a customer's first key is made with it, and told of after it
        at = key.created_at + timedelta(seconds=1)
        yield Event(at, key.customer_id, *made, by, named)
        if key.revoked_at is not None:
            yield Event(key.revoked_at, key.customer_id, "api_key.revoked", DELETE, by, named)


# ---------------------------------------------------------------- what was read, and refused


def _visit(account: Account, at: datetime, name: str) -> Iterator[Event]:
    """Somebody signs in and looks at a thing or two."""
    customer_id = account.customer.id
    by = _tenant(account.company, account.company.contact)
    session = {"session": str(id_of(at, f"session/{name}"))}
    yield Event(at, customer_id, "session.created", LOGIN, by, metadata=session)
    for step in range(1 + number(f"{name}/steps", 3)):
        at += timedelta(seconds=2 + number(f"{name}/{step}/pause", 240), milliseconds=17)
        operation = _QUERIES[number(f"{name}/{step}/query", len(_QUERIES))]
        yield Event(at, customer_id, "api.query", READ, by, metadata=_told(*operation))


def _refused(calendar: Calendar, account: Account) -> Iterator[Event]:
    customer_id = account.customer.id
    for ago, day, time in ((8, 13, 3), (3, 24, 4), (1, 28, 4)):
        at = calendar.at(When(ago, day, time, 12))
        by = _tenant(account.company, PIPELINE)
        error = "FORBIDDEN: This key or session lacks the scope `invoices:read`."
        told = _told("NightlyCosts", ("invoices",))
        yield Event(at, customer_id, "api.query", READ, by, status=DENIED, error=error, metadata=told)
    for hours, ip in ((1, "203.0.113.77"), (9, "203.0.113.77"), (33, "198.51.100.201")):
        at = calendar.at(REVOKED) + timedelta(hours=hours)
        stranger = Actor("anonymous", "anonymous", ip, "python-requests/2.32")
        error = "UNAUTHENTICATED: Sign in first: send `Authorization: Bearer` with a session token or an API key that works."
        told = _told("AuditTrail", ("auditEvents",))
        yield Event(at, customer_id, "auth.denied", READ, stranger, status=DENIED, error=error, metadata=told)


def _tenant(company: Company, name: str) -> Actor:
    ip = f"203.0.113.{1 + number(f'{company.slug}/ip', 254)}"
    if name == PIPELINE:
        return Actor(name, "tenant", ip, "curl/8.17.0")
    return Actor(name, "tenant", ip, "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) Safari/605.1.15")


def _told(operation: str, fields: tuple[str, ...]) -> dict[str, Any]:
    return {"operation": operation, "document": digits(operation, 64), "fields": list(fields)}
