"""`landlord bill`: what a person or a script learns of a run, and that leaving it changes nothing of it."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
from contextlib import suppress
from uuid import UUID

import pytest

from app import utc_now
from billing.periods import Month
from cli import work
from schema.ids import typeid
from tests.cli.conftest import COMMAND, Shell
from tests.ledger import TOTAL

# The application reads the real clock: this month is over by it.
LAST = Month.of(utc_now().date()).previous()


def named(*customer_ids: UUID) -> list[str]:
    return [word for id in customer_ids for word in ("--customer", typeid("cus", id))]


async def the_run(shell: Shell, customer_id: UUID) -> UUID:
    """The one that has this customer, once it is there."""
    ask = "select run_id from billing_run_items where customer_id = $1"
    while (found := await shell.ledger.admin.fetchval(ask, customer_id)) is None:
        await asyncio.sleep(0.01)
    run_id: UUID = found
    return run_id


async def test_a_month_is_billed_and_told_of(shell: Shell) -> None:
    one, two = [await shell.ledger.customer(used=(LAST,)) for _ in range(2)]
    ran = await shell.run("bill", str(LAST), "--issue", *named(one, two), work=True)
    run_id = typeid("run", await the_run(shell, one))
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        f"{run_id}: {LAST}, completed.",
        "invoices",
        "customers 2",
        "created 2",
        "recomputed 0",
        "issued, of these 2",
        "skipped, issued before 0",
        "failed 0",
        "total 4,896.50 USD",
    ]
    assert (await shell.ledger.invoice(one, LAST)).number is not None


async def test_each_customer_that_failed_is_named_with_code_and_reason_and_the_exit_code_is_1(shell: Shell) -> None:
    billed, failing = await shell.ledger.customer(used=(LAST,)), await shell.ledger.customer(used=())
    untaxed = await shell.ledger.customer(used=(LAST,), jurisdiction="ZZ")
    ran = await shell.run("bill", str(LAST), *named(billed, failing, untaxed), "--json", work=True)
    run = ran.json
    assert (ran.code, run["status"], run["invoicesCreated"], run["totalAmount"]) == (
        1,
        "COMPLETED_WITH_FAILURES",
        1,
        TOTAL,
    )
    assert {one["customer"]["id"]: one["code"] for one in run["failures"]} == {
        typeid("cus", failing): "NO_USAGE",
        typeid("cus", untaxed): "NO_TAX_RATE",
    }
    again = await shell.run("bill", "--run", run["id"])
    assert again.code == 1
    text = " ".join(again.out.split())
    assert f"{LAST}, completed, but for the customers below: run it again once that is mended." in text
    assert f"No usage is recorded for {LAST}: record or sync it, then run billing again." in text
    assert typeid("cus", failing) in text


async def test_all_failures_are_named_however_many_pages_they_fill(shell: Shell) -> None:
    ids = await shell.ledger.admin.fetch(
        """
        with made as (
            insert into customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)
            select 'Idle ' || n, 'a@b.example', 'a@b.example', 'DE', 'taxable', '2025-01-01' from generate_series(1, 205) n
            returning id
        )
        insert into tier_history (customer_id, starts_on, tier) select id, '2025-01-01', 'standard' from made
        returning customer_id
        """
    )
    idle = [row["customer_id"] for row in ids]
    ran = await shell.run("bill", str(LAST), *named(*idle), "--json", work=True)
    assert (ran.code, ran.json["customersTotal"]) == (1, 205)
    assert sorted(one["customer"]["id"] for one in ran.json["failures"]) == sorted(typeid("cus", id) for id in idle)


async def test_a_dry_run_stores_nothing_and_takes_a_month_that_goes_on(shell: Shell) -> None:
    month = LAST.next()
    customer = await shell.ledger.customer(used=(month,))
    ran = await shell.run("bill", str(month), "--dry-run", *named(customer), work=True)
    assert ran.code == 0
    assert f"{month}, a dry run, completed." in ran.out
    assert "2,448.25 USD" in ran.out
    assert await shell.ledger.living([customer], month) == []


async def test_the_same_idempotency_key_starts_one_run(shell: Shell) -> None:
    customer = await shell.ledger.customer(used=(LAST,))
    words = ["bill", str(LAST), *named(customer), "--idempotency-key", f"{LAST} once", "--json"]
    first, second = await shell.run(*words, work=True), await shell.run(*words)
    assert first.json == second.json
    other = await shell.run(*words, "--issue")
    assert (other.code, other.out) == (1, "")
    assert other.err == "Error: This idempotency key was used before with another input: use a new one.\n"


async def test_ctrl_c_leaves_the_run_going_and_says_how_to_look_again(shell: Shell) -> None:
    customer = await shell.ledger.customer(used=(LAST,))
    async with shell.typed("bill", str(LAST), *named(customer)) as process:
        run_id = await the_run(shell, customer)
        await shell.asks("Run")
        process.send_signal(signal.SIGINT)
        ran = await shell.ended(process)
    name = typeid("run", run_id)
    assert (ran.code, ran.out) == (work.INTERRUPTED, "")
    assert ran.err == f"The work goes on without you: look again with `landlord bill --run {name}`.\n"
    assert (await shell.ledger.run(run_id)).status == "queued"
    await shell.ledger.work()
    again = await shell.run("bill", "--run", name)
    assert again.code == 0
    assert again.out.startswith(f"{name}: {LAST}, completed.\n")


async def test_a_terminal_shows_a_bar_that_fills(shell: Shell) -> None:
    customers = [await shell.ledger.customer(used=(LAST,)) for _ in range(3)]
    ours, theirs = pty.openpty()
    shown = bytearray()

    def look() -> None:
        """Until nobody has the terminal open any more."""
        with suppress(OSError):
            while part := os.read(ours, 4096):
                shown.extend(part)

    looking = asyncio.create_task(asyncio.to_thread(look))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        COMMAND, "bill", str(LAST), *named(*customers), env=shell.environment(TERM="xterm"), stdout=pipe, stderr=theirs
    )
    os.close(theirs)
    while b"0/3" not in shown:
        await asyncio.sleep(0.01)
    await shell.ledger.work(batch=1)
    await process.communicate()
    await looking
    os.close(ours)
    assert process.returncode == 0
    assert b"Billing" in shown
    assert b"3/3" in shown


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["bill", str(LAST.next())], f"Error: {LAST.next()} is not over: bill it from {LAST.next().next()}-01 on, or make a dry run."),
        (["bill", str(LAST), "--customer", "cus_1"],
         "Error: This is no ID that begins with `cus_` and goes on with 26 characters."),
        (["bill", str(LAST), "--customer", "cus_7zzzzzzzzzzzzzzzzzzzzzzzzz"],
         "Error: There is no such customer, or it is not yours."),
        (["bill", str(LAST), "--idempotency-key", "two\nlines"],
         "Error: An idempotency key has 1 to 255 printable characters."),
        (["bill", "--run", "run_7zzzzzzzzzzzzzzzzzzzzzzzzz"], "Error: There is no billing run run_7zzzzzzzzzzzzzzzzzzzzzzzzz."),
        (["bill", "--run", "inv_7zzzzzzzzzzzzzzzzzzzzzzzzz"],
         "Error: This is no ID that begins with `run_` and goes on with 26 characters."),
    ],
)  # fmt: skip
async def test_each_refusal_is_a_sentence(shell: Shell, words: list[str], sentence: str) -> None:
    ran = await shell.here(*words)
    assert (ran.code, ran.out, ran.err) == (1, "", sentence + "\n")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["bill", "2026-13"],
         "Invalid value for '[MONTH]': A month is written as a year and a month from 01 to 12, such as 2026-10."),
        (["bill"], "Name the month to bill, or a run to look at with --run, and nothing else beside that."),
        (["bill", "2026-10", "--run", "run_1"],
         "Name the month to bill, or a run to look at with --run, and nothing else beside that."),
        (["bill", "--run", "run_1", "--issue"],
         "Name the month to bill, or a run to look at with --run, and nothing else beside that."),
    ],
)  # fmt: skip
async def test_what_cannot_be_meant_is_not_sent(shell: Shell, words: list[str], sentence: str) -> None:
    ran = await shell.here(*words, LANDLORD_URL="http://127.0.0.1:1")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith(f"Error: {sentence}\n")
