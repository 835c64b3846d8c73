"""Reminders: on days 1, 7 and 14 after the due date, each once, and only while something is overdue."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from billing import dunning, invoicing
from db.invoices import InvoiceRow
from tests.landlord import Tenant
from tests.mail.room import Room


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


async def remind(room: Room, day: date) -> int:
    return await dunning.remind(room.ledger.connections, now=noon(day))


async def reminders(room: Room, customer_id: UUID) -> list[str]:
    return [one["about"] for one in await room.queue(customer_id) if one["about"] != "invoice-issued"]


async def overdue(room: Room) -> tuple[UUID, InvoiceRow, date]:
    """A customer, its invoice, whose own mail is gone, and the day on which it is due."""
    customer_id, invoice = await room.announced()
    await room.work()
    assert invoice.due_on == room.clock().date() + timedelta(days=30)
    return customer_id, invoice, invoice.due_on


async def test_a_reminder_is_made_on_days_1_7_and_14_and_each_once(room: Room) -> None:
    customer_id, _, due_on = await overdue(room)
    made = {}
    for day in range(-1, 40):
        await remind(room, due_on + timedelta(days=day))
        made[day] = await reminders(room, customer_id)
    first, second, third = "invoice-reminder-1", "invoice-reminder-7", "invoice-reminder-14"
    for day, queued in made.items():
        if day < 1:
            assert queued == [], day
        elif day < 7:
            assert queued == [first], day
        elif day < 14:
            assert queued == [first, second], day
        else:
            assert queued == [first, second, third], day


@pytest.mark.parametrize(
    ("missed_until", "made"),
    [(6, ["invoice-reminder-1"]), (7, ["invoice-reminder-7"]), (13, ["invoice-reminder-7"]),
     (14, ["invoice-reminder-14"]), (20, ["invoice-reminder-14"]), (21, [])],
)  # fmt: skip
async def test_one_that_was_missed_is_made_up_for_until_the_next_is_due(
    room: Room, missed_until: int, made: list[str]
) -> None:
    customer_id, _, due_on = await overdue(room)
    await remind(room, due_on + timedelta(days=missed_until))
    assert await reminders(room, customer_id) == made


async def test_several_jobs_at_once_queue_each_reminder_once(room: Room) -> None:
    customers = [await overdue(room) for _ in range(5)]
    due_on = customers[0][2]
    for day in (1, 7):
        await asyncio.gather(*(remind(room, due_on + timedelta(days=day)) for _ in range(4)))
    for customer_id, _, _ in customers:
        assert await reminders(room, customer_id) == ["invoice-reminder-1", "invoice-reminder-7"]


async def test_a_reminder_says_what_is_still_open(room: Room, house: Tenant) -> None:
    customer_id, invoice, due_on = await overdue(room)
    async with house.session() as session:
        await invoicing.record_payment(
            session, invoice.id, amount=Decimal("1000.00"), method="bank transfer", reference=None, received_at=None,
            now=noon(due_on),
        )  # fmt: skip
    room.clock.now = noon(due_on + timedelta(days=1))
    await remind(room, room.clock().date())
    await room.work()
    text = f"""Dear Initech,

invoice {invoice.number} for 2026-10 was due on {due_on}. Of USD 2,448.25, USD 1,448.25 is still open.

If you have paid in the meantime, thank you.

How to pay:
Bank transfer to Harbor Example Bank
Routing 000000000
Account 4417 1234 5678
Reference: {invoice.number}

Landlord Cloud, Inc.
500 Harbor Steps, Suite 1200
Seattle, WA 98101
United States"""
    assert (await room.taken(customer_id))[1:] == [(f"Invoice {invoice.number} is overdue", text)]
    assert [(row["title"], row["status"]) for row in await room.shown(customer_id)] == [
        (f"Invoice {invoice.number} for 2026-10", "sent"),
        (f"Invoice {invoice.number} is overdue", "sent"),
    ]


async def test_what_is_paid_after_it_was_queued_is_not_reminded_of(room: Room, house: Tenant) -> None:
    customer_id, invoice, due_on = await overdue(room)
    room.clock.now = noon(due_on + timedelta(days=1))
    await remind(room, room.clock().date())
    async with house.session() as session:
        await invoicing.record_payment(
            session, invoice.id, amount=invoice.total_amount, method="bank transfer", reference=None, received_at=None,
            now=room.clock(),
        )  # fmt: skip
    await room.work()
    assert len(await room.taken(customer_id)) == 1
    assert len(await room.shown(customer_id)) == 1
    reasons = [one["failed_reason"] for one in await room.queue(customer_id)]
    assert reasons == [None, f"Nothing is overdue on invoice {invoice.number} any more."]


async def test_what_is_paid_or_cancelled_is_never_queued(room: Room, house: Tenant) -> None:
    paid, cancelled = await overdue(room), await overdue(room)
    async with house.session() as session:
        await invoicing.record_payment(
            session, paid[1].id, amount=paid[1].total_amount, method="card", reference=None, received_at=None,
            now=room.clock(),
        )  # fmt: skip
        await invoicing.cancel(session, cancelled[1].id, reason="Wrong month.", now=room.clock())
    for day in (1, 7, 14):
        await remind(room, paid[2] + timedelta(days=day))
    assert await reminders(room, paid[0]) == []
    assert await reminders(room, cancelled[0]) == []
