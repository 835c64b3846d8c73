"""What happened reaches the servers that asked for it: signed, at least once under one id, for three days."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from app import Settings
from billing import deliveries, outbox
from billing.deliveries import AT_ONCE, LEASE, PATIENCE, pause
from billing.parcels import Fate, Receipt, Webhook
from tests.landlord import Tenant
from tests.webhooks.depot import Depot, Endpoint, is_signed, said
from tests.webhooks.hooks import HOST, PUBLIC, URL, silence, status

ROOT = Path(__file__).parents[2]
DELETE = "mutation($id: ID!) { deleteWebhookEndpoint(input: {id: $id}) { errors { code } } }"
SEND = """
mutation($input: SendNotificationInput!) { sendNotification(input: $input) { notification { id } errors { code message } } }
"""
SHOWN = "query($id: ID!) { node(id: $id) { ... on Notification { status attempts sentAt failedReason } } }"
MINUTE = timedelta(minutes=1)


def once(_: object = None) -> float:
    return 0.0


async def settle(depot: Depot, receipt: Receipt) -> None:
    await deliveries.settle(depot.connections, receipt, clock=depot.clock, jitter=once)


async def test_an_event_arrives_signed_and_says_what_happened(depot: Depot, acme: Tenant) -> None:
    endpoint = await depot.endpoint(acme)
    ticket = await depot.ticket(acme, "Grüße")
    await depot.work()
    (request,) = depot.hooks.requests
    assert (request.line, request.server_name) == ("POST /landlord?of=acme HTTP/1.1", HOST)
    assert is_signed(request, endpoint.secret)
    assert request.headers["webhook-timestamp"] == str(int(depot.clock().timestamp()))
    assert request.headers["webhook-id"].startswith("msg_")
    body = said(request)
    assert body.pop("timestamp").endswith("Z")
    assert body == {
        "type": "ticket.opened",
        "data": {"id": ticket, "subject": "Grüße", "status": "OPEN", "priority": "NORMAL", "assignedTo": None},
    }
    (queued,) = await depot.queue(acme)
    assert (queued["sent_at"], queued["attempts"], queued["claimed_until"]) == (depot.clock(), 1, None)
    await depot.work()
    assert len(depot.hooks.requests) == 1


async def test_each_endpoint_hears_of_its_own_events_with_its_own_secret(
    depot: Depot, acme: Tenant, globex: Tenant
) -> None:
    every = await depot.endpoint(acme, url=f"https://{HOST}/all")
    some = await depot.endpoint(acme, "ticket.opened", "invoice.paid", url=f"https://{HOST}/some")
    await depot.endpoint(acme, "invoice.paid", url=f"https://{HOST}/others")
    await depot.endpoint(globex, url=f"https://{HOST}/globex")
    gone = await depot.endpoint(acme, url=f"https://{HOST}/gone")
    await acme.api(DELETE, id=gone.id)
    await depot.ticket(acme)
    await depot.work()
    heard = {request.line.split()[1]: request for request in depot.hooks.requests}
    assert len(depot.hooks.requests) == 2
    assert set(heard) == {"/all", "/some"}
    assert is_signed(heard["/all"], every.secret)
    assert is_signed(heard["/some"], some.secret)
    assert not is_signed(heard["/some"], every.secret)
    # one event, so one id, by which a customer's program can tell
    assert len({request.headers["webhook-id"] for request in heard.values()}) == 1


async def test_an_operation_that_is_undone_tells_nobody(depot: Depot, acme: Tenant) -> None:
    await depot.endpoint(acme)
    undone = (
        """mutation { openTicket(input: {subject: "x", body: "."}) { ticket { comments(first: 0) { totalCount } } } }"""
    )
    assert "errors" in (await acme.post(undone)).json()
    assert await depot.queue(acme) == []


def test_it_is_paused_as_long_again_as_it_has_failed_and_four_hours_at_most() -> None:
    spans = [timedelta(0), timedelta(seconds=50), MINUTE * 3, timedelta(hours=3), timedelta(hours=5), timedelta(days=2)]
    told = [MINUTE, MINUTE, MINUTE * 3, timedelta(hours=3), timedelta(hours=4), timedelta(hours=4)]
    assert [pause(span, 0) for span in spans] == told
    assert pause(timedelta(hours=5), 1) == timedelta(hours=4, minutes=30)
    assert pause(timedelta(0), 0.5) == timedelta(seconds=63.75)


async def test_it_is_tried_again_with_the_same_id_and_body_and_a_new_time(depot: Depot, acme: Tenant) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    depot.hooks.answers = [status(500), status(302, f"Location: {URL}"), status(429)]
    began = depot.clock()
    for attempts, wait in ((1, MINUTE), (2, MINUTE), (3, 2 * MINUTE)):
        await depot.work()
        (waiting,) = await depot.queue(acme)
        assert (waiting["attempts"], waiting["sent_at"], waiting["failing_since"]) == (attempts, None, began)
        assert waiting["due_at"] == depot.clock() + wait
        assert (await depot.stands(endpoint))["resting_until"] == depot.clock() + wait
        depot.clock.now = waiting["due_at"] - timedelta(seconds=1)
        await depot.work()
        assert len(depot.hooks.requests) == attempts
        # a customer's server is no lateness of ours
        assert await outbox.lag(depot.connections, now=depot.clock()) == timedelta(0)
        depot.clock.now = waiting["due_at"]
    assert waiting["last_failure"] == "The server answered 429."
    await depot.work()
    (delivered,) = await depot.queue(acme)
    assert (delivered["attempts"], delivered["sent_at"]) == (4, depot.clock())
    assert await depot.stands(endpoint) == {"is_active": True, "failing_since": None, "resting_until": None}
    requests = depot.hooks.requests
    assert len({(request.headers["webhook-id"], request.body) for request in requests}) == 1
    assert len({request.headers["webhook-timestamp"] for request in requests}) == 4
    assert all(is_signed(request, endpoint.secret) for request in requests)


async def test_what_waits_for_an_endpoint_that_fails_waits_along_and_leaves_when_it_works(
    depot: Depot, acme: Tenant, globex: Tenant
) -> None:
    endpoint, _ = await depot.endpoint(acme), await depot.endpoint(globex)
    await depot.ticket(acme)
    depot.hooks.answers = [status(503)]
    await depot.work()
    for _ in range(3):
        await depot.ticket(acme)
    await depot.ticket(globex)
    await depot.work()  # the neighbour's leaves, and none of those that are new
    assert len(depot.hooks.requests) == 2
    waiting = await depot.queue(acme)
    rests = (await depot.stands(endpoint))["resting_until"]
    assert [(row["attempts"], row["due_at"]) for row in waiting] == [(1, rests), (0, rests), (0, rests), (0, rests)]
    depot.hooks.answers = [status(503)] * 4
    depot.clock.now = rests
    await depot.work()
    assert len(depot.hooks.requests) == 6
    depot.clock.now = (await depot.stands(endpoint))["resting_until"]
    await depot.ticket(acme)
    await depot.work()
    assert {row["sent_at"] for row in await depot.queue(acme)} == {depot.clock()}


async def test_what_was_not_even_claimed_rests_too(depot: Depot, acme: Tenant) -> None:
    """So that nobody claims and leaves it, again and again."""
    endpoint = await depot.endpoint(acme)
    for _ in range(3):
        await depot.ticket(acme)
    (parcel,) = await deliveries.claim(depot.connections, clock=depot.clock, most=1)
    await settle(depot, receipt(parcel, Fate.FAILED, "The server answered 500."))
    rests = (await depot.stands(endpoint))["resting_until"]
    assert [(row["attempts"], row["due_at"]) for row in await depot.queue(acme)] == [(1, rests), (0, rests), (0, rests)]


async def test_one_that_arrives_wakes_those_that_wait(depot: Depot, acme: Tenant) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    depot.hooks.answers = [status(503)]
    await depot.work()
    await depot.ticket(acme)
    await depot.work()
    later = depot.clock() + timedelta(hours=3)
    await depot.admin.execute(
        "update outbox set due_at = $2 where endpoint_id = $1 and attempts = 0", endpoint.uuid, later
    )
    depot.clock.pass_by(minutes=1)
    await depot.work()
    assert [row["sent_at"] for row in await depot.queue(acme)] == [depot.clock()] * 2


async def fails(depot: Depot, endpoint: Endpoint) -> int:
    """Until nothing is sent there any more; how often it was asked."""
    depot.hooks.otherwise = status(500)
    for _ in range(50):
        if not (stands := await depot.stands(endpoint))["is_active"]:
            return len(depot.hooks.requests)
        if stands["resting_until"] is not None:
            depot.clock.now = stands["resting_until"]
        await depot.work()
    raise AssertionError("it is tried for ever")


async def test_an_endpoint_that_takes_nothing_for_three_days_is_shut_and_its_customer_is_told(
    depot: Depot, acme: Tenant, house: Tenant
) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    began = depot.clock()
    asked = await fails(depot, endpoint)
    assert timedelta(days=3) <= depot.clock() - began < timedelta(days=3, hours=4)
    assert asked == 27
    await depot.ticket(acme)
    assert [(row["sent_at"], row["failed_reason"]) for row in await depot.queue(acme)] == [
        (None, "The webhook endpoint was shut. The server answered 500.")
    ]
    depot.clock.pass_by(days=30)
    await depot.work()
    assert len(depot.hooks.requests) == asked
    listed = await acme.api("{ customer { webhookEndpoints { id isActive } } }")
    assert listed["customer"]["webhookEndpoints"] == [{"id": endpoint.id, "isActive": False}]
    mail = await depot.admin.fetchrow(
        "select key, payload::text as payload from outbox where customer_id = $1 and kind = 'email'", acme.customer_id
    )
    assert mail is not None
    assert mail["key"] == f"webhook-shut/{endpoint.uuid}"
    assert orjson.loads(mail["payload"]) == {"endpoint_id": str(endpoint.uuid)}
    trail = await acme.api(
        'query($id: ID) { auditEvents(filter: {resourceId: $id, eventType: ["webhook_endpoint.shut"]}) {'
        " nodes { actor metadata } } }",
        id=endpoint.id,
    )
    assert trail["auditEvents"]["nodes"] == [{"actor": "webhooks", "metadata": {"reason": "The server answered 500."}}]


async def test_no_endpoint_is_shut_for_our_own_standing_still(depot: Depot, acme: Tenant) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    depot.hooks.answers = [status(500)] * 2
    await depot.work()
    depot.clock.pass_by(days=5)
    await depot.work()
    assert (await depot.stands(endpoint))["is_active"]
    depot.clock.pass_by(hours=4)
    await depot.work()
    assert [row["sent_at"] for row in await depot.queue(acme)] == [depot.clock()]


async def test_what_waited_for_it_is_not_sent_either_and_what_was_written_by_hand_is_shown_as_failed(
    depot: Depot, acme: Tenant, house: Tenant
) -> None:
    endpoint = await depot.endpoint(acme)
    depot.hooks.otherwise = status(500)
    await depot.ticket(acme)
    await depot.work()
    notice = await send(depot, house, acme, "WEBHOOK", URL)
    await fails(depot, endpoint)
    reason = "The webhook endpoint was shut. The server answered 500."
    assert [row["failed_reason"] for row in await depot.queue(acme)] == [reason] * 2
    shown = (await acme.api(SHOWN, id=notice))["node"]
    assert (shown["status"], shown["failedReason"]) == ("FAILED", reason)


async def test_an_endpoint_that_says_that_it_is_gone_is_shut_at_once(depot: Depot, acme: Tenant) -> None:
    endpoint, other = await depot.endpoint(acme), await depot.endpoint(acme, url=f"https://{HOST}/other")
    await depot.ticket(acme)
    depot.hooks.answers = [status(410), status(200)]
    await depot.work()
    stands = [(await depot.stands(one))["is_active"] for one in (endpoint, other)]
    assert sorted(stands) == [False, True]
    await depot.ticket(acme)
    assert len(await depot.queue(acme)) == 3


async def test_a_message_that_alone_is_not_taken_is_given_up_after_three_days_and_the_endpoint_stays(
    depot: Depot, acme: Tenant
) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    began = depot.clock()
    while (stuck := (await depot.queue(acme))[0])["failed_reason"] is None:
        depot.clock.now = max(depot.clock(), stuck["due_at"])
        (parcel,) = await depot.claim()
        await settle(depot, receipt(parcel, Fate.FAILED, "The server answered 400."))
        # meanwhile others arrived
        await depot.admin.execute(
            "update webhook_endpoints set failing_since = null, resting_until = null where id = $1", endpoint.uuid
        )
    assert PATIENCE <= depot.clock() - began < PATIENCE + timedelta(hours=5)
    assert stuck["failed_reason"] == f"Given up after {stuck['attempts']} tries. The server answered 400."
    assert (await depot.stands(endpoint))["is_active"]


async def test_nothing_is_sent_to_an_endpoint_that_was_deleted_meanwhile(depot: Depot, acme: Tenant) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    await acme.api(DELETE, id=endpoint.id)
    await depot.work()
    assert depot.hooks.connections == 0
    assert [row["failed_reason"] for row in await depot.queue(acme)] == ["The webhook endpoint was deleted."]


async def test_one_that_is_deleted_while_it_fails_is_not_shut_besides(depot: Depot, acme: Tenant) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    (parcel,) = await depot.claim()
    await acme.api(DELETE, id=endpoint.id)
    await settle(depot, receipt(parcel, Fate.GONE, "The server answered 410."))
    assert [row["failed_reason"] for row in await depot.queue(acme)] == ["The webhook endpoint was deleted."]
    mails = await depot.admin.fetchval(
        "select count(*) from outbox where customer_id = $1 and kind = 'email'", acme.customer_id
    )
    assert mails == 0


# ---------------------------------------------------------------- leases and crashes


def receipt(parcel: Any, fate: Fate, reason: str = "") -> Receipt:
    return Receipt(parcel.customer_id, parcel.message_id, parcel.until, fate, reason)


# A sender of its own, in a process that is killed: before anything is sent, or before anybody is told.
KILLED = """
import asyncio, os, signal, socket, sys
from datetime import datetime
from billing import deliveries, outbox
from billing.post import Net
from billing.sender import Sender
from db.connection import Connections, Role
from tests.webhooks.hooks import PUBLIC, trusting

now, when, port, key = datetime.fromisoformat(sys.argv[1]), sys.argv[2], int(sys.argv[3]), bytes.fromhex(sys.argv[4])

async def look_up(host):
    return [PUBLIC]

async def dial(address):
    dialled = socket.create_connection(("127.0.0.1", port))
    dialled.setblocking(False)
    return dialled

sender = Sender({"local": key}, Net(look_up, dial, trusting()), print, lambda: now)

async def deliver(parcel):
    if when == "after":
        await sender.send(parcel)
    os.kill(os.getpid(), signal.SIGKILL)

connections = Connections({Role.WORKER: os.environ["LANDLORD_WORKER_URL"]}, pooled=os.environ["LANDLORD_POOLED"] == "true")
asyncio.run(deliveries.work(connections, deliver, clock=lambda: now, jitter=lambda: 0))
"""


async def killed(depot: Depot, settings: Settings, when: str) -> None:
    arguments = [depot.clock().isoformat(), when, str(depot.hooks.port), depot.keys["local"].hex()]
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, *arguments],
        cwd=ROOT,
        env=os.environ | {"LANDLORD_WORKER_URL": settings.worker_url, "LANDLORD_POOLED": str(settings.pooled).lower()},
    )
    assert ran.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("when", "heard"), [("before", 0), ("after", 1)])
async def test_killed_between_claim_and_settling_it_is_sent_again_under_the_same_id_once_the_lease_has_ended(
    depot: Depot, acme: Tenant, settings: Settings, when: str, heard: int
) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    await killed(depot, settings, when)
    assert len(depot.hooks.requests) == heard
    (waiting,) = await depot.queue(acme)
    assert (waiting["attempts"], waiting["sent_at"]) == (1, None)
    assert waiting["claimed_until"] == depot.clock() + LEASE
    depot.clock.now = waiting["claimed_until"] - timedelta(seconds=1)
    await depot.work()
    assert len(depot.hooks.requests) == heard
    depot.clock.pass_by(seconds=1)
    await depot.work()
    assert len(depot.hooks.requests) == heard + 1
    assert {request.headers["webhook-id"] for request in depot.hooks.requests} == {waiting["webhook_id"]}
    assert len({request.body for request in depot.hooks.requests}) == 1
    assert all(is_signed(request, endpoint.secret) for request in depot.hooks.requests)
    (delivered,) = await depot.queue(acme)
    assert (delivered["sent_at"], delivered["attempts"]) == (depot.clock(), 2)


async def test_a_parcel_that_comes_too_late_is_not_sent(depot: Depot, acme: Tenant) -> None:
    await depot.endpoint(acme)
    await depot.ticket(acme)
    (late,) = await depot.claim()
    depot.clock.now = late.until
    assert await depot.sender.send(late) is None
    assert depot.hooks.connections == 0
    (again,) = await depot.claim()
    assert (again.message_id, again.content) == (late.message_id, late.content)


async def test_a_receipt_that_comes_too_late_settles_nothing(depot: Depot, acme: Tenant) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    (first,) = await depot.claim()
    depot.clock.now = first.until
    (second,) = await depot.claim()
    before = await depot.queue(acme)
    for fate in Fate:
        await settle(depot, receipt(first, fate, "late"))
    assert await depot.queue(acme) == before
    assert (await depot.stands(endpoint))["failing_since"] is None
    await settle(depot, receipt(second, Fate.DELIVERED))
    await settle(depot, receipt(second, Fate.FAILED, "twice"))
    (delivered,) = await depot.queue(acme)
    assert (delivered["sent_at"], delivered["last_failure"]) == (depot.clock(), None)


async def test_of_several_that_claim_at_once_each_gets_its_own(depot: Depot, acme: Tenant, globex: Tenant) -> None:
    for tenant in (acme, globex):
        await depot.endpoint(tenant)
        for _ in range(6):
            await depot.ticket(tenant)
    claimed = await asyncio.gather(*(deliveries.claim(depot.connections, clock=depot.clock, most=3) for _ in range(5)))
    ids = [parcel.message_id for parcels in claimed for parcel in parcels]
    assert (len(ids), len(set(ids))) == (12, 12)
    assert AT_ONCE >= 12


async def test_an_endpoint_that_never_answers_takes_its_time_once_and_then_rests(
    depot: Depot, acme: Tenant, globex: Tenant
) -> None:
    slow = await depot.endpoint(acme)
    await depot.endpoint(globex)
    for _ in range(3):
        await depot.ticket(acme)
    depot.hooks.otherwise = silence
    hasty = replace(depot.sender, seconds=0.2)
    await deliveries.work(depot.connections, hasty.send, clock=depot.clock, jitter=once)
    connections = depot.hooks.connections
    assert connections == 3
    assert {row["last_failure"] for row in await depot.queue(acme)} == {"The server did not answer within 0 seconds."}
    depot.hooks.otherwise = status(200)
    await depot.ticket(acme)
    await depot.ticket(globex)
    await depot.work()
    assert depot.hooks.connections == connections + 1
    assert [row["sent_at"] for row in await depot.queue(globex)] == [depot.clock()]
    assert (await depot.stands(slow))["resting_until"] == depot.clock() + MINUTE


async def test_an_endpoint_whose_name_turns_inwards_is_not_asked(depot: Depot, acme: Tenant) -> None:
    await depot.endpoint(acme)
    depot.world.names[HOST] = [PUBLIC, "169.254.169.254"]
    await depot.ticket(acme)
    await depot.work()
    assert (depot.world.dialled, depot.hooks.connections) == ([], 0)
    (waiting,) = await depot.queue(acme)
    assert waiting["last_failure"] == "The server's name leads to an address that is not public."


async def test_a_parcel_has_no_secret_in_it(depot: Depot, acme: Tenant) -> None:
    endpoint = await depot.endpoint(acme)
    await depot.ticket(acme)
    (parcel,) = await depot.claim()
    assert isinstance(parcel.content, Webhook)
    hidden = endpoint.secret.removeprefix("whsec_")
    assert hidden not in parcel.written()
    assert hidden not in repr(parcel)
    assert "salt" not in repr(parcel)


# ---------------------------------------------------------------- what operators write


async def send(depot: Depot, house: Tenant, to: Tenant, channel: str, address: str) -> str:
    given = {"customerId": to.id, "title": "Maintenance", "message": "On Sunday.", "channel": channel}
    answer = (await house.api(SEND, input=given | {"deliveryAddress": address}))["sendNotification"]
    assert answer["errors"] == []
    id: str = answer["notification"]["id"]
    return id


async def test_a_notification_goes_to_the_endpoint_that_it_names_and_shows_how_far_it_got(
    depot: Depot, acme: Tenant, house: Tenant
) -> None:
    endpoint = await depot.endpoint(acme, "invoice.paid")
    id = await send(depot, house, acme, "WEBHOOK", URL)
    depot.hooks.answers = [status(500)]
    await depot.work()
    assert (await acme.api(SHOWN, id=id))["node"] == {
        "status": "PENDING",
        "attempts": 1,
        "sentAt": None,
        "failedReason": "The server answered 500.",
    }
    depot.clock.pass_by(minutes=1)
    await depot.work()
    shown = (await acme.api(SHOWN, id=id))["node"]
    assert (shown["status"], shown["attempts"], shown["failedReason"]) == ("SENT", 2, None)
    assert shown["sentAt"] is not None
    request = depot.hooks.requests[-1]
    assert is_signed(request, endpoint.secret)
    assert request.headers["webhook-id"] == id
    assert said(request)["data"] == {"id": id, "title": "Maintenance", "message": "On Sunday."}


async def test_a_text_leaves_and_is_shown_as_sent(depot: Depot, acme: Tenant, house: Tenant) -> None:
    id = await send(depot, house, acme, "SMS", "+12125550143")
    await depot.work()
    assert depot.texts == [("+12125550143", "Maintenance\nOn Sunday.")]
    assert (await acme.api(SHOWN, id=id))["node"]["status"] == "SENT"


async def test_a_text_that_no_operator_wrote_is_not_sent(depot: Depot, acme: Tenant) -> None:
    """As SQL injected into a tenant's request could leave one."""
    async with acme.session() as session:
        await session.execute(
            """
            insert into outbox (customer_id, kind, key, payload)
            values ($1, 'sms', 'planted', '{"number": "+12125550143", "text": "x"}')
            """,
            acme.customer_id,
        )
    await depot.work()
    assert depot.texts == []
    assert [row["failed_reason"] for row in await depot.queue(acme)] == ["Nobody wrote this."]


async def test_a_number_that_is_refused_is_not_tried_again(depot: Depot, acme: Tenant, house: Tenant) -> None:
    id = await send(depot, house, acme, "SMS", "+12125550143")
    (parcel,) = await depot.claim()
    await settle(depot, receipt(parcel, Fate.REFUSED, "The carrier does not take texts for this number."))
    shown = (await acme.api(SHOWN, id=id))["node"]
    assert (shown["status"], shown["failedReason"]) == ("FAILED", "The carrier does not take texts for this number.")
    depot.clock.pass_by(days=1)
    await depot.work()
    assert depot.texts == []


async def test_a_text_that_nobody_takes_is_given_up_after_three_days(depot: Depot, acme: Tenant, house: Tenant) -> None:
    id = await send(depot, house, acme, "SMS", "+12125550143")
    began, reason = depot.clock(), "The carrier cannot be reached; it is tried again."
    while not (row := (await depot.queue(acme))[0])["failed_reason"]:
        depot.clock.now = max(depot.clock(), row["due_at"])
        assert await outbox.lag(depot.connections, now=depot.clock()) == depot.clock() - (
            row["failing_since"] or row["due_at"]
        )
        (parcel,) = await depot.claim()
        await settle(depot, receipt(parcel, Fate.FAILED, reason))
    assert PATIENCE <= depot.clock() - began < PATIENCE + timedelta(hours=4)
    assert (await acme.api(SHOWN, id=id))["node"]["status"] == "FAILED"
