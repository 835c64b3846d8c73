"""Between a function with a database and one without there are two queues: what goes out, and what became of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import handler
from app import Settings, create_app
from billing.parcels import BadParcel, Fate, Parcel, Receipt, Text, Webhook
from billing.sms import NotTaken, Sms
from billing.sqs import NotSent, Sqs, _parts
from local.aws import Emulator
from tests.auth.doors import throttling
from tests.aws import aws  # noqa: F401 - a fixture
from tests.landlord import Tenant
from tests.webhooks.depot import Depot, is_signed
from tests.webhooks.hooks import URL, status
from tests.webhooks.test_deliveries import SHOWN, send

ROOT = Path(__file__).parents[2]
UNTIL = datetime(2026, 11, 22, 10, 30, 0, 123456, tzinfo=UTC)


@dataclass
class Queues:
    """`taken` asks the emulator for all messages of a queue, as Lambda does, and takes them off it."""

    parcels: str
    receipts: str
    environment: dict[str, str]

    def taken(self, url: str) -> list[dict[str, str]]:
        import boto3

        sqs, found = boto3.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            found += [{"messageId": message["MessageId"], "body": message["Body"]} for message in messages]
        sqs.close()
        return found


@pytest.fixture
async def queues(aws: Emulator, depot: Depot, environment: dict[str, str]) -> Queues:  # noqa: F811
    import boto3

    sqs = boto3.client("sqs")
    parcels, receipts = (
        sqs.create_queue(QueueName=f"{name}-{uuid4().hex[:8]}")["QueueUrl"] for name in ("parcels", "receipts")
    )
    sqs.close()
    names = {"LANDLORD_PARCELS_QUEUE_URL": parcels, "LANDLORD_RECEIPTS_QUEUE_URL": receipts}
    return Queues(parcels, receipts, environment | aws.environment | names)


async def invoke(function: str, event: object, environment: dict[str, str]) -> Any:
    """What a function answers in a sandbox of its own."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [
            sys.executable,
            "-c",
            f"import json, sys, handler; print(json.dumps(handler.{function}(json.load(sys.stdin), None)))",
        ],
        input=json.dumps(event),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("LANDLORD_")} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


async def delivered(
    depot: Depot, queues: Queues, records: Sequence[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What the sender answers here, where its world is the tests'."""
    monkeypatch.setattr("billing.post.Net", lambda: depot.world.net)
    alone = {name: queues.environment[name] for name in ("LANDLORD_WEBHOOK_KEYS", "LANDLORD_RECEIPTS_QUEUE_URL")}
    for name in [name for name in os.environ if name.startswith("LANDLORD_")]:
        monkeypatch.delenv(name)
    for name, value in alone.items():
        monkeypatch.setenv(name, value)
    handler._settings.cache_clear()
    try:
        return await handler._deliver(records)
    finally:
        handler._settings.cache_clear()


async def test_from_the_outbox_to_a_server_and_back(
    depot: Depot, queues: Queues, acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, _ = await depot.endpoint(acme), await depot.endpoint(globex)
    for tenant in (acme, acme, globex):
        await depot.ticket(tenant)
    assert await invoke("outbox_worker", {}, queues.environment) in (
        {"status": "done"},
        {"status": "mail stands still"},
    )
    assert depot.hooks.connections == 0
    records = queues.taken(queues.parcels)
    assert len(records) == 3
    depot.hooks.answers = [status(500)]
    assert await delivered(depot, queues, records, monkeypatch) == {"batchItemFailures": []}
    assert len(depot.hooks.requests) == 3
    told = queues.taken(queues.receipts)
    assert sorted(Receipt.read(record["body"]).fate for record in told) == [Fate.DELIVERED] * 2 + [Fate.FAILED]
    assert await invoke("receipts", {"Records": told}, queues.environment) == {"batchItemFailures": []}
    rows = [*await depot.queue(acme), *await depot.queue(globex)]
    assert sorted(row["last_failure"] or "" for row in rows) == ["", "", "The server answered 500."]
    assert all((row["sent_at"] is None) == (row["last_failure"] is not None) for row in rows)
    assert [row["claimed_until"] for row in rows] == [None] * 3
    heard = [request for request in depot.hooks.requests if is_signed(request, endpoint.secret)]
    assert len(heard) == 2
    # a queue may bring everything twice, and in any order
    assert await invoke("receipts", {"Records": told[::-1]}, queues.environment) == {"batchItemFailures": []}
    assert [*await depot.queue(acme), *await depot.queue(globex)] == rows


async def test_what_is_no_parcel_is_to_come_again_and_the_others_are_sent(
    depot: Depot, queues: Queues, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await depot.endpoint(acme)
    await depot.ticket(acme)
    (good,) = await depot.claim()
    other_key = replace(good, content=Webhook(URL, b"retired:" + b"x" * 32, "msg_1", "{}"))
    bodies = {"a": "no JSON", "b": good.written(), "c": other_key.written()}
    records = [{"messageId": id, "body": body} for id, body in bodies.items()]
    answer = await delivered(depot, queues, records, monkeypatch)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "c"}]}
    assert len(depot.hooks.requests) == 1
    assert [Receipt.read(one["body"]).message_id for one in queues.taken(queues.receipts)] == [good.message_id]
    bad = {"Records": [{"messageId": "d", "body": "{}"}]}
    assert await invoke("receipts", bad, queues.environment) == {"batchItemFailures": [{"itemIdentifier": "d"}]}


async def test_a_receipt_that_the_queue_does_not_take_lets_the_parcel_come_again(
    depot: Depot, queues: Queues, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await depot.endpoint(acme)
    await depot.ticket(acme)
    (parcel,) = await depot.claim()
    records = [{"messageId": "a", "body": parcel.written()}]
    queues.environment["LANDLORD_RECEIPTS_QUEUE_URL"] += "-that-is-not-there"
    answer = await delivered(depot, queues, records, monkeypatch)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "a"}]}
    assert len(depot.hooks.requests) == 1  # and will be two: at least once


async def test_where_the_queue_is_away_the_messages_wait_for_their_lease(
    depot: Depot, queues: Queues, acme: Tenant
) -> None:
    await depot.endpoint(acme)
    await depot.ticket(acme)
    nowhere = queues.environment | {"LANDLORD_PARCELS_QUEUE_URL": queues.parcels + "-that-is-not-there"}
    with pytest.raises(subprocess.CalledProcessError):
        await invoke("outbox_worker", {}, nowhere)
    (row,) = await depot.queue(acme)
    assert (row["attempts"], row["sent_at"]) == (1, None)
    assert row["claimed_until"] is not None
    depot.clock.now = max(depot.clock(), row["claimed_until"])
    await depot.work()
    assert len(depot.hooks.requests) == 1


async def test_a_process_that_is_told_to_sends_in_the_background(
    depot: Depot,
    acme: Tenant,
    house: Tenant,
    settings: Settings,
    aws: Emulator,  # noqa: F811
) -> None:
    id = await send(depot, house, acme, "SMS", "+12125550199")
    app = create_app(replace(settings, work_here=True, webhooks=True, aws_endpoint=aws.url))
    async with app.router.lifespan_context(app):
        for _ in range(200):
            if (shown := (await acme.api(SHOWN, id=id))["node"])["status"] != "PENDING":
                break
            await asyncio.sleep(0.1)
    assert (shown["status"], shown["attempts"]) == ("SENT", 1)
    with urllib.request.urlopen(f"{aws.url}/_ministack/sns/sms-messages?phoneNumber=%2B12125550199") as answer:
        assert "Maintenance\\nOn Sunday." in answer.read().decode()


def test_where_sns_is_away_a_text_waits() -> None:
    with pytest.raises(NotTaken):
        Sms("http://127.0.0.1:9").send("+12125550143", "x")  # the port of `discard`, which nobody listens at


@pytest.mark.parametrize(
    "content", [Webhook(URL, b"local:\x00\xff", "msg_1", '{"a": "Gr\u00fc\u00dfe"}'), Text("+12125550143", "a\nb")]
)
def test_a_parcel_is_read_as_it_was_written(content: Webhook | Text) -> None:
    parcel = Parcel(uuid4(), uuid4(), UNTIL, content)
    assert Parcel.read(parcel.written()) == parcel


@pytest.mark.parametrize("fate", Fate)
def test_a_receipt_is_read_as_it_was_written(fate: Fate) -> None:
    receipt = Receipt(uuid4(), uuid4(), UNTIL, fate, "why")
    assert Receipt.read(receipt.written()) == receipt


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", '{"customer": "x", "message": "y", "until": "z"}'])
def test_what_is_neither_is_told_apart(text: str) -> None:
    for kind in (Parcel, Receipt):
        with pytest.raises(BadParcel):
            kind.read(text)


def test_a_message_that_the_queue_did_not_take_among_others_is_not_sent(aws: Emulator) -> None:  # noqa: F811
    some = b'{"Successful":[],"Failed":[{"Id":"0","Code":"InternalError","SenderFault":false}]}'
    with throttling(200, some) as queue, pytest.raises(NotSent, match="1 of 2: InternalError"):
        Sqs(f"{queue.url}/none/queue", queue.url).send(["one", "two"])
    assert queue.asked == ["SendMessageBatch"]


def test_a_queue_is_given_no_more_at_once_than_it_takes() -> None:
    bodies = ["a" * 90_000, "b" * 90_000, "ä" * 90_000, *"0123456789AB", "c" * 300_000]
    parts = list(_parts(bodies))
    assert [body for part in parts for body in part] == bodies
    assert [len(part) for part in parts] == [2, 10, 3, 1]
