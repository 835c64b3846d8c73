"""Runs in shares over SQS: whatever becomes of the messages, the invoices are those of one run that nobody disturbed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from app import NotBegun, Settings, begin_month, create_app, utc_now
from auth import keys
from billing import price_list, prices, queue, usage_sync
from billing.cloudwatch import CloudWatch, NotAllowed
from billing.periods import Month
from billing.sqs import Sqs
from db import billing_runs, migrate
from db.errors import Unavailable
from db.session import Session
from local import database, postgres
from local.aws import Emulator
from tests.aws import aws  # noqa: F401
from tests.conftest import Prepare
from tests.landlord import Landlord, Tenant
from tests.ledger import TOTAL, Ledger

ROOT = Path(__file__).parents[2]
# The API reads the real clock; this month is over by it.
NOW = utc_now()
LAST = Month.of(NOW.date()).previous()
FIRST = NOW.replace(day=1, hour=2)
RUN_BILLING = """
    mutation ($input: RunBillingInput!) { runBilling(input: $input) { billingRun { id status } errors { code } } }
"""


@dataclass
class Desk:
    """A house of its own, where a run of everyone takes no other test's customers; and its queue."""

    ledger: Ledger
    settings: Settings
    environment: dict[str, str]
    emulator: Emulator
    sqs: Any
    queue_url: str

    @property
    def send(self) -> queue.Send:
        return Sqs(self.queue_url, self.emulator.url).send

    @property
    def read(self) -> usage_sync.Read:
        """Nobody publishes anything here: everyone is missing, and billed by what was recorded."""
        return CloudWatch(self.emulator.url).read

    def received(self) -> list[dict[str, Any]]:
        """Up to ten messages, for nobody else within a minute."""
        answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=60)
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def remove(self, message: dict[str, Any]) -> None:
        self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])

    def put_back(self, message: dict[str, Any]) -> None:
        handle = message["ReceiptHandle"]
        self.sqs.change_message_visibility(QueueUrl=self.queue_url, ReceiptHandle=handle, VisibilityTimeout=0)

    def bodies(self) -> list[str]:
        """All that is queued, taken out."""
        found = []
        while messages := self.received():
            for message in messages:
                self.remove(message)
                found.append(message["Body"])
        return found

    async def take(self, body: str, *, size: int = queue.SHARE) -> None:
        await queue.take(self.ledger.connections, body, send=self.send, read=self.read, clock=lambda: NOW, size=size)

    async def work_off(self) -> None:
        """What is queued, and what comes of it."""
        while bodies := self.bodies():
            for body in bodies:
                await self.take(body)

    async def begins(self, today: date | None = None) -> bool:
        """The schedule's event."""
        return await begin_month(self.settings, LAST, today=today or NOW.date())

    async def runs(self) -> Sequence[billing_runs.RunRow]:
        async with self.ledger.house.session() as session:
            return (await billing_runs.page(session, first=100, after=None)).rows


@pytest.fixture
async def desk(
    cluster: postgres.Cluster,
    prepare: Prepare,
    aws: Emulator,  # noqa: F811
) -> AsyncIterator[Desk]:
    import boto3

    name = f"queue_{uuid4().hex[:8]}"
    own = await prepare(name)
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url, name), server_settings={"search_path": "landlord"}
    )
    await prices.add(Session(admin), price_list.read(price_list.FIRST_PRICE_LIST), now=NOW)
    migrator = await asyncpg.connect(own["LANDLORD_MIGRATOR_URL"])
    minted = keys.mint("test")
    await migrate.install_operator_key(
        migrator, "schedule", minted.prefix, minted.hash, ["usage:write", "billing:write"]
    )
    await migrator.close()
    sqs = boto3.client("sqs")
    queue_url = sqs.create_queue(QueueName=name)["QueueUrl"]
    own |= {"LANDLORD_BILLING_QUEUE_URL": queue_url, "LANDLORD_SCHEDULE_KEY": minted.secret} | aws.environment
    settings = Settings.from_env(own | {"LANDLORD_CONNECTIONS": "4"})
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        running = await Landlord.start(app, settings, own, admin)
        yield Desk(Ledger(running.house, running.connections, admin), settings, own, aws, sqs, queue_url)
        await running.stop()
    await admin.close()
    sqs.close()


async def started(desk: Desk, client: Tenant | None = None, **more: Any) -> dict[str, Any]:
    given = {"month": str(LAST), "issue": True} | more
    answer = (await (client or desk.ledger.house).api(RUN_BILLING, input=given))["runBilling"]
    assert answer["errors"] == []
    run: dict[str, Any] = answer["billingRun"]
    return run


async def customers(desk: Desk, count: int) -> list[UUID]:
    return sorted([await desk.ledger.customer(used=(LAST,)) for _ in range(count)])


async def begins_in_the_end(desk: Desk) -> None:
    """The schedule's event, which comes again while another of it is under way."""
    for _ in range(20):
        try:
            assert await desk.begins()
            return
        except NotBegun as refused:
            assert refused.codes == ["IDEMPOTENCY_IN_PROGRESS"]
            await asyncio.sleep(0.1)
    raise AssertionError("it never ends")


async def is_billed_once(desk: Desk, everyone: Sequence[UUID]) -> None:
    """Invoice, number, message and event of each; nobody has another."""
    rows = await desk.ledger.living(everyone, LAST)
    assert [row.customer_id for row in rows] == list(everyone)
    assert {(row.status, str(row.number)[6:], str(row.total_amount)) for row in rows} == {("issued", "-0001", TOTAL)}
    assert await desk.ledger.admin.fetchval("select count(*) from invoices") == len(rows)
    mails = await desk.ledger.admin.fetch("select key from outbox")
    assert sorted(row["key"] for row in mails) == sorted(f"invoice-issued/{row.id}" for row in rows)
    told = await desk.ledger.admin.fetch(
        "select metadata ->> 'number' as number from audit_events where event_type = 'invoice.issued'"
    )
    assert sorted(row["number"] for row in told) == sorted(str(row.number) for row in rows)


async def test_two_clients_and_a_schedule_with_duplicated_and_shuffled_messages_give_each_one_invoice(
    desk: Desk,
) -> None:
    everyone = await customers(desk, 60)
    another = await desk.ledger.house.landlord.key(None, ["billing:write"], "night shift")
    dice = random.Random(7)
    assert not await desk.begins()
    await desk.work_off()
    await asyncio.gather(started(desk), started(desk, another), begins_in_the_end(desk), begins_in_the_end(desk))

    async def works() -> None:
        """Takes messages in any order, does some twice, and leaves some for another who does them again."""
        for _ in range(200):
            messages = await asyncio.to_thread(desk.received)
            dice.shuffle(messages)
            if not messages and all(one.finished_at for one in await desk.runs()):
                return
            for message in messages:
                for _ in range(dice.choice((1, 1, 2))):
                    await desk.take(message["Body"], size=7)
                if dice.random() < 0.7:
                    await asyncio.to_thread(desk.remove, message)
        raise AssertionError("there are messages still")

    await asyncio.gather(*(works() for _ in range(3)))
    runs = await desk.runs()
    assert [(one.status, one.customers_total) for one in runs] == [("completed", 60)] * 3
    assert sum(one.invoices_created for one in runs) == sum(one.invoices_issued for one in runs) == 60
    assert sum(one.invoices_skipped for one in runs) == 120
    await is_billed_once(desk, everyone)


async def test_a_run_wakes_one_worker_that_shares_it_out_in_ranges_without_a_gap(desk: Desk) -> None:
    everyone = await customers(desk, 10)
    run = await started(desk)
    assert run["status"] == "QUEUED"
    assert desk.bodies() == [queue.WAKE]
    await desk.take(queue.WAKE, size=4)
    shares = sorted((json.loads(body) for body in desk.bodies()), key=lambda one: str(one["since"]))
    assert [(one["since"], one["until"]) for one in shares] == [
        (str(everyone[0]), str(everyone[4])),
        (str(everyone[4]), str(everyone[8])),
        (str(everyone[8]), None),
    ]
    await desk.take(json.dumps(shares[1]))
    assert [row.customer_id for row in await desk.ledger.living(everyone, LAST)] == everyone[4:8]
    # what was not done yet is shared out again; the rest is not
    await desk.take(queue.WAKE, size=100)
    (left,) = desk.bodies()
    assert json.loads(left) == {"run": shares[0]["run"], "since": str(everyone[0]), "until": None}
    await desk.take(left)
    assert [one.status for one in await desk.runs()] == ["completed"]
    await is_billed_once(desk, everyone)
    for body in (left, *map(json.dumps, shares), queue.WAKE):
        await desk.take(body)
    assert desk.bodies() == []
    await is_billed_once(desk, everyone)


async def test_a_range_is_no_right_to_touch_anybody(desk: Desk) -> None:
    named, other = await customers(desk, 2)
    async with desk.ledger.house.session() as session:
        # a run that does not name `other`
        run = await desk.ledger.start([named], LAST, issue=True, now=NOW)
        assert (await billing_runs.by_ids(session, [run.id]))[0].customers_total == 1
    await desk.take(json.dumps({"run": str(run.id), "since": str(UUID(int=0)), "until": None}))
    assert [row.customer_id for row in await desk.ledger.living([named, other], LAST)] == [named]


async def test_a_run_whose_worker_died_before_the_end_is_finished_by_the_next_share_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    everyone = await customers(desk, 3)
    await started(desk)
    await desk.take(queue.WAKE)
    share = desk.bodies()[-1]

    async def dies(*args: Any, **kwargs: Any) -> bool:
        raise Unavailable("the connection is gone")

    with monkeypatch.context() as patched:
        patched.setattr(billing_runs, "finish", dies)
        with pytest.raises(Unavailable):
            await desk.take(share)
    assert [one.status for one in await desk.runs()] == ["running"]
    await desk.take(queue.WAKE)
    assert [one.status for one in await desk.runs()] == ["completed"]
    await is_billed_once(desk, everyone)


async def test_a_queue_that_cannot_be_reached_fails_no_run(desk: Desk) -> None:
    everyone = await customers(desk, 2)
    app = create_app(replace(desk.settings, aws_endpoint="http://127.0.0.1:9"))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://landlord.test", timeout=60) as http,
    ):
        answer = await http.post(
            "/graphql",
            json={"query": RUN_BILLING, "variables": {"input": {"month": str(LAST), "issue": True}}},
            headers={"authorization": f"Bearer {desk.ledger.house.token}"},
        )
    assert answer.json()["data"]["runBilling"]["errors"] == []
    assert desk.bodies() == []
    await queue.share_out(desk.ledger.connections, send=desk.send, read=desk.read, clock=lambda: NOW)
    for body in desk.bodies():
        await desk.take(body)
    await is_billed_once(desk, everyone)


async def test_a_month_is_read_first_and_then_billed_once_as_the_schedules_operator(desk: Desk) -> None:
    everyone = await customers(desk, 2)
    for _ in range(2):
        assert not await desk.begins()
    assert await desk.runs() == []
    assert queue.WAKE in desk.bodies()
    await desk.take(queue.WAKE, size=1)
    shares = desk.bodies()
    assert [sorted(json.loads(body)) for body in shares] == [["since", "sync", "until"]] * 2
    await desk.take(shares[0])
    assert not await desk.begins()
    await desk.take(shares[1])
    for _ in range(2):
        assert await desk.begins()
    (run,) = await desk.runs()
    assert (run.month, run.issue, run.dry_run, run.customers_total) == (LAST.first, True, False, 2)
    await desk.work_off()
    await is_billed_once(desk, everyone)
    for again in (*shares, queue.WAKE):
        await desk.take(again)
    assert await desk.begins()
    counted = "select array[customers_total, customers_missing] from usage_syncs"
    assert await desk.ledger.admin.fetchval(counted) == [2, 2]
    for event in ("usage_sync.started", "billing_run.started"):
        actors = f"select actor from audit_events where event_type = '{event}' and status = 'success'"
        assert [row["actor"] for row in await desk.ledger.admin.fetch(actors)] == ["schedule"]
    reader = await desk.ledger.house.landlord.key(None, ["billing:read"])
    with pytest.raises(NotBegun) as refused:
        await begin_month(replace(desk.settings, schedule_key=reader.key), LAST, today=NOW.date())
    assert refused.value.codes == ["FORBIDDEN"]
    assert len(await desk.runs()) == 1


async def test_a_month_whose_reading_broke_is_not_billed_until_the_next_days_reading(desk: Desk) -> None:
    everyone = await customers(desk, 1)

    def refuses(*_: Any) -> Any:
        raise NotAllowed("CloudWatch answers AccessDenied: no")

    assert not await desk.begins()
    await usage_sync.work(desk.ledger.connections, read=refuses, clock=lambda: NOW)
    for _ in range(2):
        with pytest.raises(NotBegun) as refused:
            await desk.begins()
        assert refused.value.codes == ["USAGE_SYNC_FAILED"]
    assert await desk.runs() == []
    tomorrow = NOW.date() + timedelta(days=1)
    assert not await begin_month(desk.settings, LAST, today=tomorrow)
    await desk.work_off()
    assert await begin_month(desk.settings, LAST, today=tomorrow)
    await desk.work_off()
    await is_billed_once(desk, everyone)


# ---------------------------------------------------------------- the Lambda entry points


async def invoke(desk: Desk, function: str, event: dict[str, Any], **environment: str) -> Any:
    """What a function answers in a sandbox of its own."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", f"import json, handler; print(json.dumps(handler.{function}({event!r}, None)))"],
        cwd=ROOT,
        env=os.environ | desk.environment | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


def records(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": f"message-{place}", "body": body} for place, body in enumerate(bodies)]}


def comes_again(*places: int) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": f"message-{place}"} for place in places]}


async def test_the_worker_names_the_messages_that_are_to_come_again_and_does_the_others(desk: Desk) -> None:
    everyone = await customers(desk, 4)
    month = {"job": "month", "time": FIRST.isoformat()}
    assert await invoke(desk, "scheduled", month) == {"status": "done"}
    assert desk.bodies() == [queue.WAKE]
    await desk.take(queue.WAKE)
    assert await invoke(desk, "billing_worker", records(*desk.bodies())) == comes_again()
    assert await desk.ledger.admin.fetchval("select customers_missing from usage_syncs") == 4
    assert await desk.begins(FIRST.date())
    assert desk.bodies() == [queue.WAKE]
    assert await invoke(desk, "scheduled", {"job": "runs", "time": NOW.isoformat()}) == {"status": "done"}
    (share,) = desk.bodies()
    unknown = json.dumps(json.loads(share) | {"run": str(uuid4())})
    strange = json.dumps(json.loads(share) | {"since": "everyone"})
    asked = records("no JSON", unknown, strange, share, "{}", share)
    assert await invoke(desk, "billing_worker", asked) == comes_again(0, 2, 4)
    await is_billed_once(desk, everyone)
    nowhere = desk.environment["LANDLORD_WORKER_URL"].replace("@127.0.0.1", "@127.0.0.2")
    assert await invoke(desk, "billing_worker", records(share, unknown), LANDLORD_WORKER_URL=nowhere) == comes_again(
        0, 1
    )


async def test_a_month_that_is_still_being_read_at_noon_of_the_2nd_is_a_call_that_fails(desk: Desk) -> None:
    everyone = await customers(desk, 1)

    def call(hour: int) -> dict[str, Any]:
        return {"job": "month", "time": FIRST.replace(day=2, hour=hour).isoformat()}

    assert await invoke(desk, "scheduled", call(11)) == {"status": "done"}
    with pytest.raises(subprocess.CalledProcessError) as failed:
        await invoke(desk, "scheduled", call(12))
    assert f"NotBegun: {LAST}: USAGE_SYNC_LATE" in failed.value.stderr
    await desk.work_off()
    assert await invoke(desk, "scheduled", call(13)) == {"status": "done"}
    await desk.work_off()
    await is_billed_once(desk, everyone)


async def test_more_messages_than_sqs_takes_at_once_all_arrive(desk: Desk) -> None:
    bodies = [f"message {number}" for number in range(23)]
    await asyncio.to_thread(desk.send, bodies)
    assert sorted(desk.bodies()) == sorted(bodies)
