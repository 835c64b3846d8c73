"""What the house writes to its customers: the texts, and the letters that carry them.

A letter is made anew at every try, and always the same for one notification and one invoice: same texts, same PDF, same
`Message-ID`. So a customer's program that was written to twice can tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from uuid import UUID

from billing import invoicing, pdf
from billing.parcels import SHUT
from billing.pdf import Paper, money
from billing.periods import Month
from db import api_keys, company, customers, documents, invoices, notifications, outbox, webhooks
from db.company import CompanyRow
from db.customers import CustomerRow
from db.errors import NotFound
from db.invoices import InvoiceStatus
from db.session import Session


class Pointless(Exception):
    """There is nothing to write about any more; the message says why."""


class Refused(Exception):
    """It will never be taken in this form; the message is for the customer to read."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is written, to whom, and in whose name. `paper` is the invoice that goes along."""

    subject: str
    body: str
    recipient: str
    company: CompanyRow
    paper: Paper | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail, ready to be sent. `key` is the same at every try; `tags` are what the mail service calls it by, afterwards."""

    key: str
    sender: str
    recipient: str
    raw: bytes
    tags: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- texts


async def write(session: Session, key: str, customer_id: UUID, payload: Mapping[str, Any], *, today: date) -> Text:
    """The text of the message with this key. Raises Pointless, and NoCompanyDetails.

    The session sees the customer. It may see others: everything is asked of this customer alone, whoever wrote the
    payload.
    """
    about = key.partition("/")[0]
    ask = _TEXTS.get(about)
    if ask is None:
        raise ValueError(f"nobody writes about `{about}`")
    details = await company.on(session, today)
    if details is None:
        raise pdf.NoCompanyDetails
    known = await customers.by_ids(session, [customer_id])
    try:
        return await ask(session, known[0], details, payload, today)
    except NotFound as gone:
        raise Pointless("What this was about is not there.") from gone


async def _issued(
    session: Session, customer: CustomerRow, details: CompanyRow, payload: Mapping[str, Any], today: date
) -> Text:
    paper = await pdf.read(session, customer.id, UUID(payload["invoice_id"]))
    row = paper.row
    if row.status == InvoiceStatus.CANCELLED:
        raise Pointless(f"Invoice {row.number} was cancelled before this could be sent.")
    month, due = Month.of(row.month), row.total_amount - row.credit_applied
    said = [f"your invoice {row.number} for {month} comes to {row.currency} {money(row.total_amount)}."]
    if row.credit_applied:
        said.append(f"Credit of {row.currency} {money(row.credit_applied)} was taken up for it.")
    if due:
        what = f"{row.currency} {money(due)}" if row.credit_applied else "It"
        said.append(f"{what} is due by {row.due_on}.")
        how = _how_to_pay(details, row.number)
    else:
        said.append("Nothing is due on it.")
        how = ""
    body = _body(customer, details, " ".join(said), "The invoice is attached as a PDF.", how)
    return Text(f"Invoice {row.number} for {month}", body, customer.billing_email, details, paper)


async def _reminder(
    session: Session, customer: CustomerRow, details: CompanyRow, payload: Mapping[str, Any], today: date
) -> Text:
    invoice_id = UUID(payload["invoice_id"])
    found = [row for row in await invoices.by_ids(session, [invoice_id]) if row.customer_id == customer.id]
    if not found:
        raise NotFound("invoice", invoice_id)
    invoice = found[0]
    if invoicing.status(invoice, today) is not InvoiceStatus.OVERDUE:
        raise Pointless(f"Nothing is overdue on invoice {invoice.number} any more.")
    due = invoicing.amount_due(invoice)
    said = (
        f"invoice {invoice.number} for {Month.of(invoice.month)} was due on {invoice.due_on}. Of {invoice.currency}"
        f" {money(invoice.total_amount)}, {invoice.currency} {money(due)} is still open."
    )
    body = _body(
        customer,
        details,
        said,
        "If you have paid in the meantime, thank you.",
        _how_to_pay(details, str(invoice.number)),
    )
    return Text(f"Invoice {invoice.number} is overdue", body, customer.billing_email, details)


async def _credited(
    session: Session, customer: CustomerRow, details: CompanyRow, payload: Mapping[str, Any], today: date
) -> Text:
    note_id = UUID(payload["credit_note_id"])
    note = await documents.note(session, customer.id, note_id)
    if note is None:
        raise NotFound("credit note", note_id)
    said = f"we have credited {note.currency} {money(note.amount)} on your invoice {note.invoice_number}."
    if note.as_credit:
        said += f" Your next invoices take up {note.currency} {money(note.as_credit)} of it."
    body = _body(customer, details, said, f"The reason: {note.reason}")
    return Text(f"Credit note {note.number}", body, customer.billing_email, details)


async def _key_ends(
    session: Session, customer: CustomerRow, details: CompanyRow, payload: Mapping[str, Any], today: date
) -> Text:
    key_id = UUID(payload["key_id"])
    found = [key for key in await api_keys.by_ids(session, [key_id]) if key.customer_id == customer.id]
    if not found:
        raise NotFound("API key", key_id)
    key = found[0]
    if key.revoked_at is not None:
        raise Pointless("The key was revoked before this could be sent.")
    if key.expires_at is None or key.expires_at.date() < today:
        raise Pointless("The key had ended before this could be sent.")
    newer = await api_keys.successor(session, key)
    used = f"was last used on {key.last_used_at:%Y-%m-%d}" if key.last_used_at is not None else "has never been used"
    said = (
        f"your API key “{key.name}” ({key.prefix}) ends on {key.expires_at:%Y-%m-%d at %H:%M} UTC. From then on it is"
        f" refused, and so are the sessions made with it. It {used}."
    )
    if newer is None:
        advice = "Whoever needs it any longer should have a new key by then."
    else:
        advice = f"It was rotated to {newer.prefix}: whoever still uses the old one should have the new one by then."
    return Text(f"API key “{key.name}” ends soon", _body(customer, details, said, advice), customer.email, details)


async def _webhook_shut(
    session: Session, customer: CustomerRow, details: CompanyRow, payload: Mapping[str, Any], today: date
) -> Text:
    endpoint_id = UUID(payload["endpoint_id"])
    found = [row for row in await webhooks.by_ids(session, [endpoint_id]) if row.customer_id == customer.id]
    if not found:
        raise NotFound("webhook endpoint", endpoint_id)
    said = f"your webhook endpoint {found[0].url} does not take what we send, so nothing is sent there any more."
    if (reason := await outbox.last_reason(session, customer.id, endpoint_id)) is not None:
        said += f" The last time: {reason.removeprefix(SHUT).strip()}"
    advice = "What it missed you can read from the API. Once it works again, enter it anew; it gets a new secret."
    return Text("A webhook endpoint is shut", _body(customer, details, said, advice), customer.email, details)


async def _notice(
    session: Session, customer: CustomerRow, details: CompanyRow, payload: Mapping[str, Any], today: date
) -> Text:
    """As an operator wrote it."""
    notification_id = UUID(payload["notification_id"])
    found = [row for row in await notifications.by_ids(session, [notification_id]) if row.customer_id == customer.id]
    if not found:
        raise NotFound("notification", notification_id)
    return Text(found[0].title, found[0].message, found[0].delivery_address, details)


_TEXTS: dict[str, Callable[[Session, CustomerRow, CompanyRow, Mapping[str, Any], date], Awaitable[Text]]] = {
    "invoice-issued": _issued,
    "invoice-reminder-1": _reminder,
    "invoice-reminder-7": _reminder,
    "invoice-reminder-14": _reminder,
    "credit-note-issued": _credited,
    "api-key-ends-14": _key_ends,
    "api-key-ends-3": _key_ends,
    "api-key-ends-1": _key_ends,
    "webhook-shut": _webhook_shut,
    "notification": _notice,
}


def _body(customer: CustomerRow, details: CompanyRow, *said: str) -> str:
    return "\n\n".join([f"Dear {customer.name},", *filter(None, said), "\n".join([details.name, *details.address])])


def _how_to_pay(details: CompanyRow, number: str) -> str:
    return "\n".join(["How to pay:", *details.payment, f"Reference: {number}"])


# ---------------------------------------------------------------- letters


def letter(key: str, text: Text, attachment: bytes | None, *, at: datetime) -> Letter:
    """`at` is the instant that it bears, the same at every try. Raises Refused for an address that is none."""
    sender, recipient = _address(text.company.email, text.company.name), _address(text.recipient)
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = text.subject
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{key.replace('/', '.')}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Landlord-Key"] = key
    message.set_content(text.body, cte="quoted-printable")
    if attachment is not None:
        assert text.paper is not None
        message.add_attachment(attachment, maintype="application", subtype="pdf", filename=text.paper.file_name)
        # one of the library's own would be drawn at random
        message.set_boundary(hashlib.sha256(key.encode()).hexdigest())
    return Letter(key, sender.addr_spec, recipient.addr_spec, message.as_bytes())


def _address(text: str, name: str = "") -> Address:
    """Raises Refused. SES takes no letters beyond ASCII before the @, and domains in their ASCII form."""
    local, _, domain = text.rpartition("@")
    try:
        address = Address(name, local, domain.encode("idna").decode())
        # what was put together is taken apart again, so that no part of it becomes a second address
        if not local.isascii() or Address(addr_spec=address.addr_spec) != Address("", local, address.domain):
            raise ValueError(text)
    except (ValueError, IndexError, UnicodeError) as problem:
        raise Refused(f"“{text}” is no address that e-mail can be sent to.") from problem
    return address
