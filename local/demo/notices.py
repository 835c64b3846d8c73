"""What the demo data's companies were told, and the endpoints at which their own servers listen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing.invoicing import DAYS_TO_PAY
from db.notifications import NotificationChannel, NotificationRow, NotificationStatus
from db.webhooks import EndpointRow
from local.demo.books import Account, Books, Invoice
from local.demo.moments import Calendar, When, id_of
from local.demo.people import COMPANIES, SHOWCASE, Company

EMAIL, SMS, WEBHOOK = NotificationChannel
PENDING, SENT, FAILED = NotificationStatus

_REMINDED_ON = (1, 7, 14)  # days after the due date
_DELIVERY = timedelta(seconds=38)


@dataclass(frozen=True, slots=True)
class Endpoint:
    slug: str
    since: When
    path: str
    event_types: tuple[str, ...]
    is_active: bool = True
    deleted: When | None = None


ENDPOINTS = (
    Endpoint(SHOWCASE.slug, When(7, 8, 10, 55), "landlord", ("invoice.issued", "invoice.paid")),
    Endpoint(SHOWCASE.slug, When(2, 24, 9, 5), "tickets", ("ticket.updated",), is_active=False),
    Endpoint("foxglove", When(8, 12, 13, 0), "hooks/old", (), deleted=When(4, 6, 12, 0)),
    Endpoint("foxglove", When(4, 6, 11, 40), "hooks/billing", ("invoice.issued",)),
    Endpoint("hinageshi", When(10, 3, 2, 10), "landlord/events", ()),
)


def endpoints(calendar: Calendar, books: Books) -> Iterator[tuple[EndpointRow, datetime | None]]:
    """Each with the instant at which it was removed, if it was."""
    companies = {company.slug: company for company in COMPANIES}
    for one in ENDPOINTS:
        made_at = calendar.at(one.since)
        row = EndpointRow(
            id=id_of(made_at, f"endpoint/{one.slug}/{one.path}"),
            customer_id=books.of(companies[one.slug]).customer.id,
            url=_url(companies[one.slug], one.path),
            event_types=list(one.event_types),
            is_active=one.is_active,
            created_at=made_at,
        )
        yield row, None if one.deleted is None else calendar.at(one.deleted)


@dataclass(frozen=True, slots=True)
class Mail:
    """A notification about an invoice, and the outbox's key of the e-mail that it tells of."""

    key: str
    invoice_id: UUID
    shown: NotificationRow

    def message(self) -> dict[str, object]:
        """The e-mail as the outbox has it."""
        return {
            "id": id_of(self.shown.created_at, f"message/{self.key}"),
            "customer_id": self.shown.customer_id,
            "kind": "email",
            "key": self.key,
            "payload": f'{{"invoice_id": "{self.invoice_id}"}}',
            "due_at": self.shown.created_at,
            "attempts": self.shown.attempts,
            "sent_at": self.shown.sent_at,
            "notification_id": self.shown.id,
            "created_at": self.shown.created_at,
        }


def notifications(calendar: Calendar, books: Books) -> list[NotificationRow]:
    return [*(mail.shown for mail in mails(calendar, books)), *_odd_ones(calendar, books.of(SHOWCASE))]


def mails(calendar: Calendar, books: Books) -> Iterator[Mail]:
    for account in books.accounts.values():
        for invoice in account.invoices:
            yield Mail(f"invoice-issued/{invoice.id}", invoice.id, _issued(calendar, account, invoice))
            if invoice.cancelled is None:
                for day, shown in _reminders(calendar, account, invoice):
                    yield Mail(f"invoice-reminder-{day}/{invoice.id}", invoice.id, shown)


def _issued(calendar: Calendar, account: Account, invoice: Invoice) -> NotificationRow:
    due_on = invoice.issued_at.date() + timedelta(days=DAYS_TO_PAY)
    currency = invoice.bill.rating.currency
    return _row(
        calendar,
        account.customer.id,
        f"issued/{invoice.number}",
        at=invoice.issued_at,
        title=f"Invoice {invoice.number} for {invoice.month}",
        message=f"Your invoice for {invoice.month} comes to {currency} {invoice.total:,}. It is due on {due_on}.",
        address=account.customer.billing_email,
    )


def _reminders(calendar: Calendar, account: Account, invoice: Invoice) -> Iterator[tuple[int, NotificationRow]]:
    """Each after its day."""
    due_on = invoice.issued_at + timedelta(days=DAYS_TO_PAY)
    paid_at = max((payment.received_at for payment in invoice.payments), default=None)
    for day in _REMINDED_ON:
        at = due_on + timedelta(days=day, hours=6)
        if calendar.happened(at) and (invoice.due or (paid_at is not None and paid_at > at)):
            yield (
                day,
                _row(
                    calendar,
                    account.customer.id,
                    f"reminder/{invoice.number}/{day}",
                    at=at,
                    title=f"Invoice {invoice.number} is overdue",
                    message=f"{invoice.number} was due on {due_on.date()}: {invoice.due:,} of {invoice.total:,} are open.",
                    address=account.customer.billing_email,
                ),
            )


def _odd_ones(calendar: Calendar, account: Account) -> Iterator[NotificationRow]:
    """What did not go as it should."""
    last = account.invoices[-1]
    yield _row(
        calendar,
        account.customer.id,
        "sms",
        at=calendar.at(When(5, 18, 17, 25)),
        title="GuardDuty findings are not forwarded",
        message="We are working on it: see your ticket.",
        address="+1 212 555 0143",
        channel=SMS,
        attempts=4,
        failed_reason="The carrier does not know this number.",
    )
    yield _row(
        calendar,
        account.customer.id,
        "maintenance",
        at=calendar.at(When(1, 19, 12, 0)),
        title="Maintenance on the next two Sundays",
        message="Account vending rests from 04:00 to 05:00 UTC. Running accounts are not touched.",
        address=account.customer.email,
    )
    yield _row(
        calendar,
        account.customer.id,
        f"webhook/{last.number}",
        at=last.issued_at,
        title=f"invoice.issued {last.number}",
        message=f'{{"type": "invoice.issued", "number": "{last.number}"}}',
        address=_url(SHOWCASE, ENDPOINTS[0].path),
        channel=WEBHOOK,
        attempts=3,
        waits=True,
    )


def _row(
    calendar: Calendar,
    customer_id: UUID,
    name: str,
    *,
    at: datetime,
    title: str,
    message: str,
    address: str,
    channel: NotificationChannel = EMAIL,
    attempts: int = 1,
    failed_reason: str | None = None,
    waits: bool = False,
) -> NotificationRow:
    """Sent within a minute, unless something is said against it."""
    status = SENT
    if failed_reason is not None:
        status = FAILED
    elif waits or not calendar.happened(at + _DELIVERY):
        status = PENDING
    return NotificationRow(
        id=id_of(at, f"notification/{customer_id}/{name}"),
        customer_id=customer_id,
        title=title,
        message=message,
        channel=channel,
        delivery_address=address,
        status=status,
        attempts=attempts,
        sent_at=at + _DELIVERY if status is SENT else None,
        failed_reason=failed_reason,
        created_at=at,
    )


def _url(company: Company, path: str) -> str:
    return f"https://hooks.{company.slug}.example/{path}"
