"""How an invoice stands: its status on a day, what is due on it, what may be done with it. Source: BILLING.md, "States"."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum

from billing.money import ZERO
from db.invoices import InvoiceRow, InvoiceStatus


class InvoiceAction(StrEnum):
    ISSUE = "issue"
    RECORD_PAYMENT = "record_payment"
    CANCEL = "cancel"
    ISSUE_CREDIT_NOTE = "issue_credit_note"


def status(invoice: InvoiceRow, today: date) -> InvoiceStatus:
    """`today` is the UTC day: what is issued becomes overdue on the day after `due_on`."""
    if invoice.status == InvoiceStatus.ISSUED and invoice.due_on is not None and today > invoice.due_on:
        return InvoiceStatus.OVERDUE
    return InvoiceStatus(invoice.status)


def amount_due(invoice: InvoiceRow) -> Decimal:
    if invoice.status in (InvoiceStatus.DRAFT, InvoiceStatus.CANCELLED):
        return ZERO
    return max(ZERO, invoice.total_amount - invoice.credit_applied - invoice.amount_credited - invoice.amount_paid)


def creditable(invoice: InvoiceRow) -> Decimal:
    """The most that a credit note may be for: what is due, and of a paid invoice what was not credited before."""
    if invoice.status == InvoiceStatus.PAID:
        return invoice.total_amount - invoice.amount_credited
    return amount_due(invoice)


def available_actions(invoice: InvoiceRow) -> tuple[InvoiceAction, ...]:
    """What an operator may do with it now."""
    if invoice.status == InvoiceStatus.DRAFT:
        return InvoiceAction.ISSUE, InvoiceAction.CANCEL
    actions = []
    if invoice.status == InvoiceStatus.ISSUED:
        actions.append(InvoiceAction.RECORD_PAYMENT)
        if not invoice.amount_paid and not invoice.amount_credited:
            actions.append(InvoiceAction.CANCEL)
    if creditable(invoice):
        actions.append(InvoiceAction.ISSUE_CREDIT_NOTE)
    return tuple(actions)
