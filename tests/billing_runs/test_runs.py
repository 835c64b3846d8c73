"""Runs of billing: what each customer gets, once, whoever runs it, how often, and how many at once."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from billing import customers as customer_rules
from billing import invoicing
from billing.periods import Month
from billing.rating import LineBand
from db import audit, billing_runs, invoices
from db.billing_runs import RunRow
from db.connection import Role
from db.enums import TaxStatus, Tier
from db.errors import Invalid, LandlordError, NotFound, TimedOut, Unavailable
from db.invoices import InvoiceRow, InvoiceStatus
from schema.ids import typeid
from tests.ledger import NOW, OCTOBER, SEPTEMBER, TOTAL, Ledger


def counts(row: RunRow) -> dict[str, Any]:
    return {
        "total": row.customers_total,
        "created": row.invoices_created,
        "recomputed": row.invoices_recomputed,
        "skipped": row.invoices_skipped,
        "failed": row.customers_failed,
        "issued": row.invoices_issued,
        "amount": str(row.total_amount),
    }


def counted(total: int, amount: str = "0.00", **some: int) -> dict[str, Any]:
    nothing = dict.fromkeys(("created", "recomputed", "skipped", "failed", "issued"), 0)
    return {"total": total, **nothing, "amount": amount, **some}


# ---------------------------------------------------------------- what an invoice says


async def test_a_draft_says_what_the_price_list_says_and_what_it_was_computed_from(ledger: Ledger) -> None:
    customer = await ledger.customer()
    done = await ledger.bill(customer)
    assert (done.status, counts(done)) == ("completed", counted(1, TOTAL, created=1))
    assert (done.started_at, done.finished_at) == (NOW, NOW)
    invoice = await ledger.invoice(customer)
    assert orjson.loads(invoice.tier_periods) == [{"tier": "standard", "from": "2026-10-01", "to": "2026-11-01"}]
    assert invoice == replace(
        invoice,
        month=date(2026, 10, 1),
        status="draft",
        number=None,
        tier="standard",
        currency="USD",
        tier_base_cost=Decimal("2000.00"),
        usage_charges=Decimal("57.35"),
        volume_discount=Decimal(0),
        adjustments=Decimal(0),
        subtotal=Decimal("2057.35"),
        tax_rate=Decimal("0.19"),
        tax_amount=Decimal("390.90"),
        total_amount=Decimal(TOTAL),
        usage_revision=1,
        tax_jurisdiction="DE",
        tax_status="taxable",
        issued_at=None,
        due_on=None,
        created_at=NOW,
    )
    lines = await ledger.lines(invoice)
    assert [(line.position, line.kind, line.metric, line.tier, line.quantity, line.billable, str(line.amount))
            for line in lines] == [
        (1, "base", None, "standard", 31, None, "2000.00"),
        (2, "usage", "account_count", None, 12, 2, "50.00"),
        (3, "usage", "cloudtrail_events", None, 12_345_678, 7_345_678, "7.35"),
        (4, "tax", None, None, None, None, "390.90"),
    ]  # fmt: skip
    assert invoicing.bands_of(lines[2].bands) == [
        LineBand(Decimal(7_345_678), Decimal(1_000_000), Decimal(1), Decimal("7.345678"))
    ]
    assert [invoicing.bands_of(line.bands) for line in lines if line.kind != "usage"] == [[], []]


async def test_a_split_month_names_its_tier_periods_and_a_line_for_each(ledger: Ledger) -> None:
    customer = await ledger.customer(active_from=date(2026, 10, 11))
    async with ledger.house.session() as session:
        await customer_rules.change_tier(session, customer, Tier.FINTECH, effective_on=date(2026, 10, 21), now=NOW)
    invoice = await ledger.draft(customer)
    assert invoice.tier == "fintech"
    assert orjson.loads(invoice.tier_periods) == [
        {"tier": "standard", "from": "2026-10-11", "to": "2026-10-21"},
        {"tier": "fintech", "from": "2026-10-21", "to": "2026-11-01"},
    ]
    assert [(line.tier, line.quantity, line.amount) for line in await ledger.lines(invoice)][:2] == [
        ("standard", Decimal(10), Decimal("645.16")),
        ("fintech", Decimal(11), Decimal("2838.71")),
    ]


async def test_a_run_that_issues_numbers_dates_announces_and_tells_the_trail(ledger: Ledger) -> None:
    customer = await ledger.customer()
    done = await ledger.bill(customer, issue=True)
    assert counts(done) == counted(1, TOTAL, created=1, issued=1)
    invoice = await ledger.invoice(customer)
    prefix = await ledger.admin.fetchval("select invoice_prefix from customers where id = $1", customer)
    assert (invoice.status, invoice.number, invoice.issued_at, invoice.due_on, invoice.paid_at) == (
        "issued",
        f"{prefix}-0001",
        NOW,
        date(2026, 12, 22),
        None,
    )
    assert await ledger.mails(customer) == [("email", f"invoice-issued/{invoice.id}")]
    assert await ledger.events(customer) == [("invoice.issued", "update", typeid("inv", invoice.id))]
    told = await ledger.admin.fetchval("select metadata from audit_events where customer_id = $1", customer)
    assert orjson.loads(told) == {
        "run": typeid("run", done.id),
        "month": "2026-10",
        "total": TOTAL,
        "number": invoice.number,
    }


async def test_a_run_that_stood_still_dates_its_invoices_when_it_goes_on(ledger: Ledger) -> None:
    """Or whoever is billed then would be overdue from the first day."""
    drafted, fresh = await ledger.customers(2)
    await ledger.draft(drafted)
    asked = await ledger.start([drafted, fresh], issue=True)
    later = NOW + timedelta(days=40)
    await ledger.work(now=later)
    assert counts(await ledger.run(asked.id)) == counted(2, "4896.50", created=1, recomputed=1, issued=2)
    for customer in (drafted, fresh):
        invoice = await ledger.invoice(customer)
        assert (invoice.issued_at, invoice.due_on) == (later, later.date() + timedelta(days=30))
        assert invoicing.status(invoice, later.date()) is InvoiceStatus.ISSUED


async def test_numbers_count_on_from_month_to_month_and_grow_beyond_four_digits(ledger: Ledger) -> None:
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    assert str((await ledger.issued(customer, SEPTEMBER)).number)[7:] == "0001"
    # numbers are counted up by one, and each is given, so only a superuser can come this far in a test
    triggers = (("enable", "invoice_counters_by_one"), ("enable always", "invoice_counters_given"))
    for _, trigger in triggers:
        await ledger.admin.execute(f"alter table invoice_counters disable trigger {trigger}")
    await ledger.admin.execute("update invoice_counters set last_invoice = 9999 where customer_id = $1", customer)
    for enable, trigger in triggers:
        await ledger.admin.execute(f"alter table invoice_counters {enable} trigger {trigger}")
    assert str((await ledger.issued(customer)).number)[7:] == "10000"


@pytest.mark.parametrize("status", [TaxStatus.EXEMPT, TaxStatus.REVERSE_CHARGE])
async def test_without_tax_no_rate_is_needed(ledger: Ledger, status: TaxStatus) -> None:
    customer = await ledger.customer(jurisdiction="ZZ", tax_status=status)
    invoice = await ledger.draft(customer)
    assert invoice.tax_status == status.value
    assert [str(amount) for amount in (invoice.tax_rate, invoice.tax_amount, invoice.total_amount)] == [
        "0.000000",
        "0.00",
        "2057.35",
    ]


# ---------------------------------------------------------------- again


async def test_running_again_changes_nothing_where_nothing_changed(ledger: Ledger) -> None:
    customer = await ledger.customer()
    invoice = await ledger.draft(customer)
    written = "select xmin::text, updated_at from invoices where id = $1"
    before = await ledger.admin.fetchrow(written, invoice.id)
    again = await ledger.bill(customer, now=NOW + timedelta(hours=1))
    assert counts(again) == counted(1, TOTAL, recomputed=1)
    assert await ledger.invoice(customer) == invoice
    assert await ledger.admin.fetchrow(written, invoice.id) == before
    assert [kind for kind, _, _ in await ledger.events(customer)] == ["invoice.drafted"]


async def test_a_draft_follows_its_usage_its_tax_and_its_tiers(ledger: Ledger) -> None:
    customer = await ledger.customer()
    invoice = await ledger.draft(customer)
    await ledger.use(customer, account_count=11)
    assert counts(await ledger.bill(customer)) == counted(1, "2409.75", recomputed=1)
    follows = await ledger.invoice(customer)
    assert (follows.id, follows.usage_revision, str(follows.usage_charges)) == (invoice.id, 2, "25.00")
    assert [(line.position, line.kind, str(line.amount)) for line in await ledger.lines(follows)] == [
        (1, "base", "2000.00"),
        (2, "usage", "25.00"),
        (3, "tax", "384.75"),
    ]
    async with ledger.house.session() as session:
        await customer_rules.update(session, customer, {"tax_status": TaxStatus.EXEMPT}, now=NOW)
        await customer_rules.change_tier(session, customer, Tier.FINTECH, effective_on=date(2026, 10, 31), now=NOW)
    await ledger.bill(customer)
    follows = await ledger.invoice(customer)
    assert (follows.tier, follows.tax_status, [str(line.amount) for line in await ledger.lines(follows)]) == (
        "fintech",
        "exempt",
        ["1935.48", "258.06", "0.00", "0.00"],
    )
    assert [kind for kind, _, _ in await ledger.events(customer)] == [
        "invoice.drafted",
        "invoice.recomputed",
        "invoice.recomputed",
    ]


async def test_an_issued_invoice_is_skipped_and_stays_as_it_is(ledger: Ledger) -> None:
    customer = await ledger.customer()
    invoice = await ledger.issued(customer)
    await ledger.use(customer, account_count=500)
    again = await ledger.bill(customer, issue=True)
    assert (again.status, counts(again)) == ("completed", counted(1, skipped=1))
    assert await ledger.invoice(customer) == invoice


async def test_a_run_that_issues_computes_drafts_of_earlier_runs_again_first(ledger: Ledger) -> None:
    customer = await ledger.customer()
    draft = await ledger.draft(customer)
    await ledger.use(customer, account_count=11)
    done = await ledger.bill(customer, issue=True)
    assert counts(done) == counted(1, "2409.75", recomputed=1, issued=1)
    issued = await ledger.again(draft)
    assert (issued.status, str(issued.total_amount), issued.usage_revision) == ("issued", "2409.75", 2)


async def test_a_cancelled_invoices_month_is_billed_again_under_the_next_number(ledger: Ledger) -> None:
    customer = await ledger.customer()
    first = await ledger.issued(customer)
    async with ledger.house.session() as session:
        await invoicing.cancel(session, first.id, reason="wrong tier", now=NOW)
    second = await ledger.issued(customer)
    assert second.id != first.id
    assert [str(row.number)[7:] for row in (first, second)] == ["0001", "0002"]


async def test_a_draft_with_nothing_left_to_bill_is_cancelled(ledger: Ledger) -> None:
    customer = await ledger.customer()
    draft = await ledger.draft(customer)
    async with ledger.house.session() as session:
        await customer_rules.close(session, customer, reason="left", closed_on=date(2026, 10, 1), now=NOW)
    done = await ledger.bill(customer)
    assert (done.status, counts(done)) == ("completed", counted(1, recomputed=1))
    assert [(row.status, row.cancel_reason) for row in [await ledger.again(draft)]] == [
        ("cancelled", "Nothing is left to bill in this month.")
    ]
    assert [kind for kind, _, _ in await ledger.events(customer)] == ["invoice.drafted", "invoice.cancelled"]


# ---------------------------------------------------------------- who cannot be billed


async def test_who_cannot_be_billed_fails_alone_and_a_later_run_takes_them(ledger: Ledger) -> None:
    billed = await ledger.customer()
    no_usage = await ledger.customer(used=())
    no_rate = await ledger.customer(jurisdiction="ZZ")
    not_yet = await ledger.customer(active_from=date(2026, 11, 1), used=())
    everyone = (billed, no_usage, no_rate, not_yet)
    done = await ledger.bill(*everyone)
    assert (done.status, counts(done)) == ("completed_with_failures", counted(4, TOTAL, created=1, failed=3))
    assert await ledger.failures(done.id) == {
        no_usage: "NO_USAGE",
        no_rate: "NO_TAX_RATE",
        not_yet: "NOT_BILLABLE",
    }
    await ledger.use(no_usage)
    again = await ledger.bill(*everyone)
    assert counts(again) == counted(4, "4896.50", created=1, recomputed=1, failed=2)
    assert [str(row.total_amount) for row in await ledger.living(everyone)] == [TOTAL, TOTAL]


async def test_a_month_before_the_first_price_list_fails(ledger: Ledger) -> None:
    december = Month(2024, 12)
    customer = await ledger.customer(active_from=date(2024, 1, 1), used=(december,))
    done = await ledger.bill(customer, month=december)
    assert await ledger.failures(done.id) == {customer: "NO_RATE_CARD"}


async def test_a_finished_run_says_once_in_the_log_whom_it_left_without_an_invoice(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "landlord.runs")
    billed, unread = await ledger.customer(), await ledger.customer(used=())
    run = await ledger.bill(billed, unread)
    dry = await ledger.bill(billed, unread, dry_run=True)
    await ledger.work()
    said = [orjson.loads(record.getMessage()) for record in caplog.records if record.name == "landlord.runs"]
    assert [line for line in said if line["run"] in (typeid("run", run.id), typeid("run", dry.id))] == [
        {"run": typeid("run", run.id), "month": "2026-10", "customers": 2, "failed": 1},
        {"run": typeid("run", dry.id), "month": "2026-10", "customers": 2, "failed": 0},
    ]


async def test_an_unforeseen_error_stops_its_own_customers_alone(ledger: Ledger) -> None:
    customers = await ledger.customers(9)
    broken = {customers[1], customers[7]}
    # nothing in the application takes a customer's tiers away
    await ledger.admin.execute("delete from tier_history where customer_id = any($1)", list(broken))
    done = await ledger.bill(*customers, issue=True)
    assert counts(done) == counted(9, "17137.75", created=7, issued=7, failed=2)
    assert await ledger.failures(done.id) == dict.fromkeys(broken, "INTERNAL")
    assert {row.customer_id for row in await ledger.living(customers)} == set(customers) - broken
    for customer in broken:
        await ledger.admin.execute("insert into tier_history values ($1, '2025-01-01', 'standard')", customer)
    again = await ledger.bill(*customers, issue=True)
    assert (again.status, counts(again)) == ("completed", counted(9, "4896.50", created=2, skipped=7, issued=2))
    assert {str(row.number)[7:] for row in await ledger.living(customers)} == {"0001"}


async def test_failures_are_paged_newest_customer_first(ledger: Ledger) -> None:
    customers = sorted([await ledger.customer(used=()) for _ in range(5)])
    done = await ledger.bill(*customers)
    async with ledger.house.session() as session:
        ask = billing_runs.failure_pages_by_runs
        first = await ask(session, [done.id, uuid4()], first=2, after=None)
        rest = await ask(session, [done.id], first=2, after=first[1].customer_id)
        number = await billing_runs.failure_counts_by_runs(session, [done.id])
    assert [row.customer_id for row in (*first[:2], *rest)] == customers[::-1]
    assert number == [(done.id, 5)]


# ---------------------------------------------------------------- dry


async def test_a_dry_run_counts_and_totals_and_stores_no_invoice(ledger: Ledger) -> None:
    drafted, fresh, issued = await ledger.customer(), await ledger.customer(), await ledger.customer()
    failing = await ledger.customer(used=())
    everyone = (drafted, fresh, issued, failing)
    await ledger.draft(drafted)
    await ledger.issued(issued)
    await ledger.use(drafted, account_count=11)
    before = await ledger.living(everyone)
    done = await ledger.bill(*everyone, issue=True, dry_run=True)
    assert (done.status, counts(done)) == (
        "completed_with_failures",
        counted(4, "4858.00", created=1, recomputed=1, skipped=1, issued=2, failed=1),
    )
    assert await ledger.living(everyone) == before
    assert (await ledger.events(fresh), await ledger.mails(fresh)) == ([], [])
    assert await ledger.admin.fetchval("select count(*) from invoice_counters where customer_id = $1", fresh) == 0


async def test_a_month_that_is_not_over_is_refused_and_a_dry_run_of_it_is_not(ledger: Ledger) -> None:
    november = Month(2026, 11)
    customer = await ledger.customer(used=(november,))
    last_moment = datetime(2026, 11, 30, 23, 59, 59, 999999, tzinfo=UTC)
    with pytest.raises(Invalid) as refusal:
        await ledger.start([customer], november, now=last_moment)
    assert refusal.value.field == ["input", "month"]
    assert counts(await ledger.bill(customer, month=november, dry_run=True)) == counted(1, TOTAL, created=1)
    assert await ledger.living([customer], november) == []
    over = await ledger.bill(customer, month=november, now=last_moment + timedelta(microseconds=1))
    assert counts(over) == counted(1, TOTAL, created=1)


# ---------------------------------------------------------------- whom a run takes


async def test_everyone_with_a_billable_day_is_taken_and_nobody_else(ledger: Ledger) -> None:
    may = Month(1990, 5)  # before any other test's customer
    taken = {
        "from the last day on": await ledger.customer(active_from=date(1990, 5, 31), used=()),
        "closed after the first day": await ledger.customer(active_from=date(1989, 1, 1), used=()),
        "a day in the middle": await ledger.customer(active_from=date(1990, 5, 10), used=()),
        "suspended": await ledger.customer(active_from=date(1990, 1, 1), used=()),
    }
    left = {
        "from the next month on": await ledger.customer(active_from=date(1990, 6, 1), used=()),
        "closed on the first day": await ledger.customer(active_from=date(1990, 1, 1), used=()),
        "closed on the day it began": await ledger.customer(active_from=date(1990, 5, 10), used=()),
    }
    closings = {
        taken["closed after the first day"]: date(1990, 5, 2),
        taken["a day in the middle"]: date(1990, 5, 11),
        left["closed on the first day"]: date(1990, 5, 1),
        left["closed on the day it began"]: date(1990, 5, 10),
    }
    async with ledger.house.session() as session:
        for customer, day in closings.items():
            await customer_rules.close(session, customer, reason="left", closed_on=day, now=NOW)
        await customer_rules.suspend(session, taken["suspended"], reason="unpaid", now=NOW)
    assert await ledger.everyone(may) == sorted(taken.values())


async def test_everyone_includes_drafts_with_no_billable_day_left(ledger: Ledger) -> None:
    customer = await ledger.customer()
    await ledger.draft(customer)
    async with ledger.house.session() as session:
        await customer_rules.close(session, customer, reason="left", closed_on=date(2026, 10, 1), now=NOW)
    assert customer in await ledger.everyone(OCTOBER)


async def test_a_run_of_nobody_is_finished_at_once(ledger: Ledger) -> None:
    started = await ledger.start(None, Month(1970, 1))
    assert (started.status, counts(started)) == ("queued", counted(0))
    await ledger.work()
    assert (await ledger.run(started.id)).status == "completed"


async def test_customers_are_named_once_however_often(ledger: Ledger) -> None:
    customer = await ledger.customer()
    assert counts(await ledger.bill(customer, customer)) == counted(1, TOTAL, created=1)


@pytest.mark.parametrize(
    ("named", "error"),
    [([], Invalid), ([uuid4() for _ in range(1001)], Invalid), ([uuid4()], NotFound)],
    ids=["nobody", "1001", "an unknown one"],
)
async def test_a_list_of_customers_that_cannot_be_taken_starts_nothing(
    ledger: Ledger, named: list[UUID], error: type[LandlordError]
) -> None:
    before = await ledger.admin.fetchval("select count(*) from billing_runs")
    known = await ledger.customer()
    with pytest.raises(error) as refusal:
        await ledger.start([*named, known] if error is NotFound else named)
    assert isinstance(refusal.value, Invalid | NotFound)
    assert refusal.value.field == ["input", "customerIds"]
    assert await ledger.admin.fetchval("select count(*) from billing_runs") == before


# ---------------------------------------------------------------- many at once


def each_once(rows: list[InvoiceRow], customers: list[UUID]) -> None:
    assert [row.customer_id for row in rows] == customers
    assert {(row.status, str(row.number)[7:], str(row.total_amount)) for row in rows} == {("issued", "0001", TOTAL)}


async def test_workers_share_a_run_and_every_customer_is_billed_once(ledger: Ledger) -> None:
    customers = await ledger.customers(20)
    started = await ledger.start(customers, issue=True)
    await asyncio.gather(*(ledger.work(batch=3) for _ in range(3)))
    done = await ledger.run(started.id)
    assert (done.status, counts(done)) == ("completed", counted(20, "48965.00", created=20, issued=20))
    each_once(await ledger.living(customers), customers)


async def test_two_runs_of_a_month_at_once_give_one_invoice_each(ledger: Ledger) -> None:
    customers = await ledger.customers(20)
    started = await asyncio.gather(*(ledger.start(customers, issue=True) for _ in range(2)))
    await asyncio.gather(*(ledger.work(batch=4) for _ in range(4)))
    done = [await ledger.run(row.id) for row in started]
    assert [row.status for row in done] == ["completed", "completed"]
    assert sum(row.invoices_created for row in done) == sum(row.invoices_skipped for row in done) == 20
    assert sum(row.invoices_issued for row in done) == 20
    each_once(await ledger.living(customers), customers)


async def test_a_run_that_drafts_beside_one_that_issues_gives_one_invoice_each(ledger: Ledger) -> None:
    customers = await ledger.customers(12)
    await asyncio.gather(ledger.start(customers, issue=True), ledger.start(customers[::-1]))
    await asyncio.gather(*(ledger.work(batch=5) for _ in range(4)))
    each_once(await ledger.living(customers), customers)


async def test_an_operator_who_issues_while_a_run_does_gets_the_same_number(ledger: Ledger) -> None:
    customers = await ledger.customers(8)
    drafts = [await ledger.draft(customer) for customer in customers]
    await ledger.start(customers, issue=True)

    async def by_hand(invoice: InvoiceRow) -> None:
        async with ledger.house.session() as session:
            await invoicing.issue(session, invoice.id, now=NOW)

    outcomes = await asyncio.gather(*map(by_hand, drafts), ledger.work(batch=2), return_exceptions=True)
    assert {type(one).__name__ for one in outcomes} <= {"NoneType", "IllegalState"}
    each_once(await ledger.living(customers), customers)
    mails = [await ledger.mails(customer) for customer in customers]
    assert [len(sent) for sent in mails] == [1] * 8


# ---------------------------------------------------------------- killed


class Killed(BaseException):
    """As a process dies: nothing of ours catches it."""


STEPS = [
    (billing_runs, "claim"),
    (invoices, "lock_counters"),
    (invoices, "add"),
    (invoices, "add_lines"),
    (invoices, "issue"),
    (invoices, "announce"),
    (audit, "record_work"),
    (billing_runs, "settle"),
    (billing_runs, "finish"),
]


@pytest.mark.parametrize(("module", "step"), STEPS, ids=[step for _, step in STEPS])
async def test_a_run_killed_anywhere_is_finished_by_the_next_worker(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, module: Any, step: str
) -> None:
    customers = await ledger.customers(5)
    started = await ledger.start(customers, issue=True)
    done = getattr(module, step)
    calls = 0

    async def dies_in_its_second_batch(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = await done(*args, **kwargs)
        if calls == 2 or step == "finish":
            raise Killed
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(module, step, dies_in_its_second_batch)
        with pytest.raises(Killed):
            await ledger.work(batch=2)
    half_way = await ledger.run(started.id)
    billed = 5 if step == "finish" else 2
    assert (half_way.status, half_way.invoices_created) == ("running", billed)
    assert len(await ledger.living(customers)) == billed
    assert [len(await ledger.mails(customer)) for customer in customers] == [1] * billed + [0] * (5 - billed)
    await ledger.work(batch=2)
    finished = await ledger.run(started.id)
    assert (finished.status, counts(finished)) == ("completed", counted(5, "12241.25", created=5, issued=5))
    each_once(await ledger.living(customers), customers)
    assert [len(await ledger.mails(customer)) for customer in customers] == [1] * 5


async def test_a_worker_whose_connection_breaks_says_so_and_blames_no_customer(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = await ledger.customers(3)
    started = await ledger.start(customers)
    add = invoices.add

    async def loses_its_backend(session: Any, *args: Any, **kwargs: Any) -> Any:
        backend = await session.value("select pg_backend_pid()")
        await ledger.admin.execute("select pg_terminate_backend($1)", backend)
        return await add(session, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(invoices, "add", loses_its_backend)
        with pytest.raises(Unavailable):
            await ledger.work()
    assert counts(await ledger.run(started.id)) == counted(3)
    await ledger.work()
    assert counts(await ledger.run(started.id)) == counted(3, "7344.75", created=3)


@pytest.mark.off_script("its deadlock is raised by a statement of its own")
async def test_a_worker_that_gives_way_in_a_deadlock_tries_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = await ledger.customers(3)
    started = await ledger.start(customers, issue=True)
    lock_counters, gave_way = invoices.lock_counters, 0

    async def gives_way_once(session: Any, customer_ids: list[UUID]) -> None:
        nonlocal gave_way
        if not gave_way:
            gave_way += 1
            await session.execute("do $$ begin raise exception 'deadlock detected' using errcode = '40P01'; end $$")
        await lock_counters(session, customer_ids)

    monkeypatch.setattr(invoices, "lock_counters", gives_way_once)
    await ledger.work()
    assert gave_way == 1
    assert counts(await ledger.run(started.id)) == counted(3, "7344.75", created=3, issued=3)
    each_once(await ledger.living(customers), customers)


async def test_a_run_that_cannot_go_on_does_not_hold_up_the_next_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = await ledger.customers(2)
    stuck, next_one = [await ledger.start([customer]) for customer in customers]
    claim = billing_runs.claim

    async def times_out(session: Any, run_id: UUID, **how: Any) -> list[UUID]:
        if run_id == stuck.id:
            raise TimedOut
        return await claim(session, run_id, **how)

    with monkeypatch.context() as patched:
        patched.setattr(billing_runs, "claim", times_out)
        with pytest.raises(TimedOut):
            await ledger.work()
    assert [(await ledger.run(row.id)).status for row in (stuck, next_one)] == ["running", "completed"]
    await ledger.work()
    assert (await ledger.run(stuck.id)).status == "completed"


async def test_the_last_month_of_the_calendar_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Invalid):
        await ledger.start(None, Month(9999, 12), dry_run=True)


async def test_a_claim_that_another_worker_holds_is_left_to_it(ledger: Ledger) -> None:
    customers = await ledger.customers(4)
    started = await ledger.start(customers)
    async with ledger.rehearsal(Role.WORKER) as session:
        assert await billing_runs.claim(session, started.id, most=3) == customers[:3]
        assert await session.values("select id from customers order by id") == customers[:3]
        await ledger.work()
    half_way = await ledger.run(started.id)
    assert (half_way.status, counts(half_way)) == ("running", counted(4, TOTAL, created=1))
    await ledger.work()
    assert counts(await ledger.run(started.id)) == counted(4, "9793.00", created=4)


async def test_a_finished_run_is_finished_once(ledger: Ledger) -> None:
    customer = await ledger.customer()
    done = await ledger.bill(customer)
    async with ledger.connections.transaction(Role.WORKER) as session:
        assert await billing_runs.finish(session, done.id, at=NOW + timedelta(days=1)) is False
    assert await ledger.run(done.id) == done
