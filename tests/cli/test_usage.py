"""`landlord usage sync`: what CloudWatch says of a month, and of whom it says nothing."""

from __future__ import annotations

import asyncio
import signal
from uuid import UUID

import pytest

from app import utc_now
from billing import usage_sync
from billing.cloudwatch import CloudWatch
from billing.periods import Month
from cli import work
from schema.ids import typeid
from tests.cli.conftest import Ran, Shell
from tests.usage.conftest import meter
from tests.usage.meter import Meter

__all__ = ["meter"]

NOW = utc_now()
THIS = Month.of(NOW.date())
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)


def named(*customer_ids: UUID) -> list[str]:
    return [word for id in customer_ids for word in ("--customer", typeid("cus", id))]


async def the_sync(shell: Shell, customer_id: UUID) -> UUID:
    """The one that has this customer, once it is there."""
    ask = "select sync_id from usage_sync_items where customer_id = $1"
    while (found := await shell.ledger.admin.fetchval(ask, customer_id)) is None:
        await asyncio.sleep(0.01)
    sync_id: UUID = found
    return sync_id


async def run(shell: Shell, meter: Meter, *words: str) -> Ran:
    """A whole command, while somebody reads."""
    async with shell.typed("usage", "sync", *words) as process:
        ended = asyncio.create_task(shell.ended(process))
        while not ended.done():
            await usage_sync.work(shell.ledger.connections, read=CloudWatch(meter.url).read, clock=utc_now)
            await asyncio.sleep(0.05)
        return await ended


async def test_a_month_is_read_and_told_of(shell: Shell, meter: Meter) -> None:
    one, two = [await shell.ledger.customer(used=()) for _ in range(2)]
    for customer in (one, two):
        meter.publish(typeid("cus", customer), TODAY, AccountCount=12)
    ran = await run(shell, meter, str(THIS), *named(one, two))
    sync_id = typeid("syn", await the_sync(shell, one))
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [
        f"{sync_id}: {THIS}, completed.", "customers", "read 2", "updated 2", "unchanged 0", "missing 0", "failed 0",
    ]  # fmt: skip
    again = (await run(shell, meter, str(THIS), *named(one, two), "--json")).json
    assert (again["customersUpdated"], again["customersUnchanged"], again["missing"]) == (0, 2, [])


async def test_who_is_missing_and_who_failed_is_named_and_the_exit_code_is_1(shell: Shell, meter: Meter) -> None:
    used, unheard, odd = [await shell.ledger.customer(used=()) for _ in range(3)]
    meter.publish(typeid("cus", used), TODAY, AccountCount=12)
    meter.publish(typeid("cus", odd), TODAY, AccountCount=-1)
    ran = await run(shell, meter, str(THIS), *named(used, unheard, odd), "--json")
    found = ran.json
    assert (ran.code, found["status"], found["customersUpdated"]) == (1, "COMPLETED_WITH_FAILURES", 1)
    assert found["missing"] == [{"id": typeid("cus", unheard), "name": "Initech"}]
    assert [(one["customer"]["id"], one["code"]) for one in found["failures"]] == [(typeid("cus", odd), "BAD_ANSWER")]
    told = await shell.run("usage", "sync", "--sync", found["id"])
    assert told.code == 1
    assert (
        told.lines[0]
        == f"{found['id']}: {THIS}, completed, but for the customers below: sync it again once that is mended."
    )
    text = " ".join(told.lines)
    assert f"CloudWatch has nothing of Initech {typeid('cus', unheard)}" in text
    assert "AccountCount is -1.0" in text


async def test_one_who_is_missing_is_enough_for_exit_code_1(shell: Shell, meter: Meter) -> None:
    unheard = await shell.ledger.customer(used=())
    ran = await run(shell, meter, str(THIS), *named(unheard), "--json")
    assert (ran.code, ran.json["status"], len(ran.json["missing"])) == (1, "COMPLETED_WITH_FAILURES", 1)


async def test_a_cloudwatch_that_refuses_is_told_of(shell: Shell, meter: Meter) -> None:
    customer = await shell.ledger.customer(used=())
    meter.always = (403, "AccessDeniedException")
    ran = await run(shell, meter, str(THIS), *named(customer))
    assert ran.code == 1
    assert ran.lines[0].endswith(f": {THIS}, broken off. What it had done stands: sync it again.")
    assert ran.lines[1].startswith("CloudWatch answers AccessDeniedException")


async def test_ctrl_c_leaves_the_sync_going_and_says_how_to_look_again(shell: Shell, meter: Meter) -> None:
    customer = await shell.ledger.customer(used=())
    meter.publish(typeid("cus", customer), TODAY, AccountCount=12)
    async with shell.typed("usage", "sync", str(THIS), *named(customer)) as process:
        sync_id = typeid("syn", await the_sync(shell, customer))
        await shell.asks("Look")
        process.send_signal(signal.SIGINT)
        ran = await shell.ended(process)
    assert (ran.code, ran.out) == (work.INTERRUPTED, "")
    assert ran.err == f"The work goes on without you: look again with `landlord usage sync --sync {sync_id}`.\n"
    assert (await run(shell, meter, "--sync", sync_id)).code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([str(THIS.next())], f"{THIS.next()} has not begun yet."),
        ([str(THIS), "--customer", "cus_7zzzzzzzzzzzzzzzzzzzzzzzzz"], "There is no such customer, or it is not yours."),
        (["--sync", "syn_7zzzzzzzzzzzzzzzzzzzzzzzzz"], "There is no usage sync syn_7zzzzzzzzzzzzzzzzzzzzzzzzz."),
    ],
)
async def test_each_refusal_is_a_sentence(shell: Shell, words: list[str], sentence: str) -> None:
    ran = await shell.here("usage", "sync", *words)
    assert (ran.code, ran.out, ran.err) == (1, "", f"Error: {sentence}\n")


async def test_what_cannot_be_meant_is_not_sent(shell: Shell) -> None:
    for words in ([], [str(THIS), "--sync", "syn_1"], ["--sync", "syn_1", "--customer", "cus_1"]):
        ran = await shell.here("usage", "sync", *words, LANDLORD_URL="http://127.0.0.1:1")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.endswith(
            "Error: Name the month to read, or a sync to look at with --sync, and nothing else beside that.\n"
        )
