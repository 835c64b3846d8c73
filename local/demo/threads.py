"""Tickets as they stand at the planting: what was said by then, and what became of it under the rules of the desk."""

from __future__ import annotations

from dataclasses import dataclass

from billing.customers import tier_on
from db.tickets import CommentRow, TicketRow, TicketStatus
from local.demo.books import Account, Books
from local.demo.moments import Calendar, id_of
from local.demo.tickets import TICKETS, Step, Ticket
from resolvers.tickets import FIRST_RESPONSE

_OPENS_AGAIN = (TicketStatus.WAITING_ON_CUSTOMER, TicketStatus.RESOLVED)


@dataclass(frozen=True, slots=True)
class Thread:
    """`steps` are those that happened."""

    row: TicketRow
    comments: list[CommentRow]
    steps: list[Step]


def threads(calendar: Calendar, books: Books) -> list[Thread]:
    """Of all tickets that were opened by now."""
    return [
        _thread(calendar, books.of(ticket.company), ticket)
        for ticket in TICKETS
        if calendar.happened(calendar.at(ticket.steps[0].when))
    ]


def _thread(calendar: Calendar, account: Account, ticket: Ticket) -> Thread:
    customer = account.customer
    steps = [step for step in ticket.steps if calendar.happened(calendar.at(step.when))]
    opened_at = calendar.at(steps[0].when)
    subject = _filled_in(ticket.subject, calendar, account, ticket)
    id = id_of(opened_at, f"ticket/{ticket.company.slug}/{ticket.subject}")
    status = TicketStatus.OPEN
    updated_at = opened_at
    comments: list[CommentRow] = []
    for step in steps:
        at = calendar.at(step.when)
        if step.text is not None:
            comments.append(
                CommentRow(
                    id=id_of(at, f"comment/{ticket.company.slug}/{ticket.subject}/{len(comments)}"),
                    customer_id=customer.id,
                    ticket_id=id,
                    author=step.by,
                    author_kind="operator" if step.by_staff else "tenant",
                    body=_filled_in(step.text, calendar, account, ticket),
                    internal=step.internal,
                    created_at=at,
                )
            )
        if not step.internal:
            updated_at = at
            if not step.by_staff and status in _OPENS_AGAIN:
                status = TicketStatus.OPEN
            status = step.then or status
    row = TicketRow(
        id=id,
        customer_id=customer.id,
        subject=subject,
        status=status,
        priority=ticket.priority,
        created_by=steps[0].by,
        assigned_to=next((step.by for step in steps if step.by_staff), None),
        first_response_due_at=opened_at + FIRST_RESPONSE[tier_on(customer, opened_at.date())],
        first_responded_at=next(
            (calendar.at(step.when) for step in steps if step.by_staff and not step.internal), None
        ),
        created_at=opened_at,
        updated_at=updated_at,
    )
    return Thread(row, comments, steps)


def _filled_in(text: str, calendar: Calendar, account: Account, ticket: Ticket) -> str:
    if ticket.about is None:
        return text
    month = calendar.month(ticket.about)
    meant = [invoice for invoice in account.invoices if invoice.month == month]
    return text.format(
        number=meant[0].number, again=meant[-1].number, total=f"{meant[0].total:,}", month=f"{month.first:%B %Y}"
    )
