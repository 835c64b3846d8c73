"""Mail through the outbox: at least once, under one key; what is refused stays behind, and the others leave."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app import Settings
from billing import invoicing, outbox, pdf
from billing.mail import Letter
from billing.outbox import LEASE, MOST_TRIES, STINT
from billing.ses import Ses
from db import outbox as messages
from db.connection import Role
from db.invoices import InvoiceRow
from local.demo import HOUSE
from schema.ids import typeid
from tests.landlord import Tenant
from tests.mail.room import Room, Watched

ROOT = Path(__file__).parents[2]
UNREACHED = "The mail service cannot be reached; it is tried again."

NOTIFICATIONS = """
query($id: ID!) { customer(id: $id) { notifications { nodes {
  title message channel deliveryAddress status attempts failedReason
} } } }
"""


def nobody_answers(letter: Letter) -> None:
    Ses("http://127.0.0.1:9").send(letter)  # the port of `discard`, which nobody listens at


async def paper(room: Room, invoice: InvoiceRow) -> bytes:
    async with room.ledger.house.session() as session:
        return pdf.render(await pdf.read(session, *invoice.key))


def parsed(letter: Letter) -> EmailMessage:
    message = message_from_bytes(letter.raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    return message


async def test_an_issued_invoice_is_mailed_with_its_pdf_and_shown_as_sent(room: Room, house: Tenant) -> None:
    customer_id, invoice = await room.announced("Société Initech")
    watched = Watched()
    assert await room.work(watched) is True
    (letter,) = watched.letters
    message = parsed(letter)
    assert str(message["From"]) == f'"{HOUSE.name}" <{HOUSE.email}>'
    assert str(message["To"]) == await room.address(customer_id)
    assert str(message["Subject"]) == f"Invoice {invoice.number} for 2026-10"
    assert str(message["Message-ID"]).strip() == f"<invoice-issued.{invoice.id}@landlord.example>"
    assert letter.key == str(message["X-Landlord-Key"]) == f"invoice-issued/{invoice.id}"
    (attached,) = message.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("application/pdf", f"{invoice.number}.pdf")
    assert attached.get_content() == await paper(room, invoice)
    text = f"""Dear Société Initech,

your invoice {invoice.number} for 2026-10 comes to USD 2,448.25. It is due by {invoice.due_on}.

The invoice is attached as a PDF.

How to pay:
Bank transfer to Harbor Example Bank
Routing 000000000
Account 4417 1234 5678
Reference: {invoice.number}

Landlord Cloud, Inc.
500 Harbor Steps, Suite 1200
Seattle, WA 98101
United States"""
    assert await room.taken(customer_id) == [(f"Invoice {invoice.number} for 2026-10", text)]
    assert await room.queue(customer_id) == [
        {
            "about": "invoice-issued", "attempts": 1, "sent_at": room.clock(), "failed_reason": None,
            "due_at": (await room.queue(customer_id))[0]["due_at"], "claimed_until": None,
        }
    ]  # fmt: skip
    found = await house.api(NOTIFICATIONS, id=typeid("cus", customer_id))
    assert found["customer"]["notifications"]["nodes"] == [
        {
            "title": f"Invoice {invoice.number} for 2026-10",
            "message": text,
            "channel": "EMAIL",
            "deliveryAddress": await room.address(customer_id),
            "status": "SENT",
            "attempts": 1,
            "failedReason": None,
        }
    ]
    await room.work()
    assert len(await room.taken(customer_id)) == 1


# A worker that is killed on its way, before SES is asked or after it has taken the letter.
KILLED = """
import asyncio, os, signal, sys
from datetime import datetime
from pathlib import Path
from billing import outbox
from billing.ses import Ses
from db.connection import Connections, Role

def send(letter):
    if sys.argv[3] == "after":
        Ses().send(letter)
        Path(sys.argv[2]).write_bytes(letter.raw)
    os.kill(os.getpid(), signal.SIGKILL)

connections = Connections({Role.WORKER: os.environ["LANDLORD_WORKER_URL"]}, pooled=os.environ.get("LANDLORD_POOLED") == "true")
now = datetime.fromisoformat(sys.argv[1])
asyncio.run(outbox.work(connections, send=send, clock=lambda: now, lanes=1))
"""


async def killed(room: Room, settings: Settings, when: str, letter: Path) -> None:
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, room.clock().isoformat(), str(letter), when],
        cwd=ROOT,
        env=os.environ | {"LANDLORD_WORKER_URL": settings.worker_url, "LANDLORD_POOLED": str(settings.pooled).lower()},
    )
    assert ran.returncode == -signal.SIGKILL


async def test_killed_after_sending_it_is_sent_again_the_same_to_the_byte_once_the_lease_has_ended(
    room: Room, settings: Settings, tmp_path: Path
) -> None:
    customer_id, invoice = await room.announced()
    await killed(room, settings, "after", first := tmp_path / "first")
    assert len(await room.taken(customer_id)) == 1
    (waiting,) = await room.queue(customer_id)
    assert (waiting["attempts"], waiting["sent_at"]) == (1, None)
    assert waiting["claimed_until"] == room.clock() + LEASE

    watched = Watched()
    room.clock.pass_by(seconds=LEASE.total_seconds() - 1)
    await room.work(watched)
    assert watched.letters == []
    room.clock.pass_by(seconds=1)
    await room.work(watched)
    assert [letter.raw for letter in watched.letters] == [first.read_bytes()]
    assert watched.letters[0].key == f"invoice-issued/{invoice.id}"
    assert len(await room.taken(customer_id)) == 2
    (shown,) = await room.shown(customer_id)
    assert (shown["status"], shown["attempts"], shown["sent_at"]) == ("sent", 2, room.clock())


async def test_killed_before_sending_it_is_sent_once_the_lease_has_ended(
    room: Room, settings: Settings, tmp_path: Path
) -> None:
    customer_id, _ = await room.announced()
    await killed(room, settings, "before", tmp_path / "none")
    assert await room.taken(customer_id) == []
    (shown,) = await room.shown(customer_id)
    assert (shown["status"], shown["attempts"], shown["failed_reason"]) == ("pending", 1, None)
    room.clock.pass_by(seconds=LEASE.total_seconds())
    await room.work()
    assert len(await room.taken(customer_id)) == 1


def outcomes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """As metrics count them, and an alarm hears one of them."""
    return [json.loads(one.getMessage())["outcome"] for one in caplog.records if one.name == "landlord.deliveries"]


async def test_what_ses_refuses_is_parked_with_its_reason_and_the_others_leave(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "landlord.deliveries")
    liked, disliked = (await room.announced())[0], (await room.announced())[0]
    address = await room.address(disliked)
    with room.post.sandboxed(await room.address(liked)):
        assert await room.work() is True
    reason = (
        "The mail service refuses it: Email address is not verified. The following identities failed the check in"
        f" region EU-CENTRAL-1: {address}"
    )
    (queued,) = await room.queue(disliked)
    assert (queued["failed_reason"], queued["sent_at"], queued["attempts"]) == (reason, None, 1)
    (shown,) = await room.shown(disliked)
    assert (shown["status"], shown["attempts"], shown["failed_reason"]) == ("failed", 1, reason)
    assert [row["status"] for row in await room.shown(liked)] == ["sent"]
    assert sorted(outcomes(caplog)) == ["parked", "sent"]
    (warned,) = [one.getMessage() for one in caplog.records if one.name == "landlord.outbox"]
    assert warned.endswith(f" of customer {disliked} is given up")
    assert address not in caplog.text

    room.clock.pass_by(days=30)
    await room.work()  # SES would take it by now, and is not asked
    assert await room.taken(disliked) == []
    assert len(await room.taken(liked)) == 1


async def test_an_address_that_is_none_is_parked_and_the_others_leave(room: Room) -> None:
    odd = [(await room.announced(address=address))[0] for address in ("jörg@example.com", "a@b..example", "a@.example")]
    plain, _ = await room.announced()
    assert await room.work() is True
    for customer_id in odd:
        address = await room.address(customer_id)
        (shown,) = await room.shown(customer_id)
        assert (shown["status"], shown["failed_reason"]) == (
            "failed",
            f"“{address}” is no address that e-mail can be sent to.",
        )
    assert len(await room.taken(plain)) == 1


async def test_a_domain_beyond_ascii_is_written_to_in_its_ascii_form(room: Room) -> None:
    customer_id, _ = await room.announced(address="rechnung@bücher.example")
    watched = Watched()
    await room.work(watched)
    assert [letter.recipient for letter in watched.letters] == ["rechnung@xn--bcher-kva.example"]
    assert [row["status"] for row in await room.shown(customer_id)] == ["sent"]


async def test_while_ses_cannot_be_reached_nothing_is_lost_and_the_waits_grow(room: Room) -> None:
    customer_id, _ = await room.announced()
    for attempts, wait in ((1, 1), (2, 2), (3, 4), (4, 8)):
        assert await room.work(nobody_answers) is False
        (queued,) = await room.queue(customer_id)
        assert (queued["attempts"], queued["failed_reason"]) == (attempts, None)
        assert queued["due_at"] == room.clock() + timedelta(minutes=wait)
        (shown,) = await room.shown(customer_id)
        assert (shown["status"], shown["attempts"], shown["failed_reason"]) == ("pending", attempts, UNREACHED)
        room.clock.pass_by(minutes=wait, microseconds=-1)
        assert await room.work() is True
        assert await room.taken(customer_id) == []
        room.clock.pass_by(microseconds=1)
    assert await room.work() is True
    assert len(await room.taken(customer_id)) == 1
    (shown,) = await room.shown(customer_id)
    assert (shown["status"], shown["attempts"], shown["failed_reason"]) == ("sent", 5, None)


async def test_a_sender_that_ses_does_not_know_is_no_letters_fault(room: Room) -> None:
    customer_id, _ = await room.announced()

    def from_a_stranger(letter: Letter) -> None:
        Ses().send(Letter(letter.key, "stranger@other.example", letter.recipient, letter.raw))

    assert await room.work(from_a_stranger) is False
    (shown,) = await room.shown(customer_id)
    assert (shown["status"], shown["failed_reason"]) == ("pending", UNREACHED)


@contextmanager
def in_a_hurry(times: int) -> Iterator[tuple[str, list[int]]]:
    """An SES that takes no letter for so many times, and then every one; the statuses that it answered."""
    answered: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answered.append(429 if len(answered) < times else 200)
            self.send_response(answered[-1])
            body = b'{"message": "Maximum sending rate exceeded."}'
            if answered[-1] == 200:
                body = b'{"MessageId": "1"}'
            else:
                self.send_header("x-amzn-errortype", "TooManyRequestsException")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", answered
        finally:
            server.shutdown()


async def test_where_ses_takes_no_more_in_a_second_mail_waits_for_seconds_and_goes_on(room: Room) -> None:
    customers = [(await room.announced())[0] for _ in range(2)]
    slept: list[float] = []
    with in_a_hurry(2) as (url, answered):
        assert await room.work(Ses(url, sleep=slept.append).send) is True
    assert (sorted(answered), len(slept)) == ([200, 200, 429, 429], 2)
    assert [message["attempts"] for one in customers for message in await room.queue(one)] == [1, 1]


async def test_where_ses_takes_nothing_for_long_mail_stands_still_as_where_it_is_away(room: Room) -> None:
    customer_id, _ = await room.announced()
    slept: list[float] = []
    with in_a_hurry(100) as (url, answered):
        assert await room.work(Ses(url, sleep=slept.append).send) is False
    assert (answered, len(slept)) == ([429] * 3, 2)
    assert all(least <= pause <= 2 * least for least, pause in zip((0.5, 1.5), slept, strict=True))
    [message] = await room.queue(customer_id)
    assert (message["attempts"], message["sent_at"], message["failed_reason"]) == (1, None, None)


async def test_after_three_days_of_tries_it_is_given_up(room: Room) -> None:
    customer_id, _ = await room.announced()
    begun = room.clock()
    for _ in range(MOST_TRIES):
        await room.work(nobody_answers)
        room.clock.pass_by(hours=4)
    (queued,) = await room.queue(customer_id)
    assert (queued["attempts"], queued["failed_reason"]) == (24, "Given up after 24 tries.")
    (shown,) = await room.shown(customer_id)
    assert (shown["status"], shown["attempts"], shown["failed_reason"]) == ("failed", 24, "Given up after 24 tries.")
    assert timedelta(minutes=255) + 15 * timedelta(hours=4) < timedelta(days=3) < room.clock() - begun
    await room.work()
    assert await room.taken(customer_id) == []


async def test_a_letter_keeps_its_text_and_address_from_its_first_try_on(room: Room) -> None:
    customer_id, _ = await room.announced("Initech")
    address = await room.address(customer_id)
    await room.work(nobody_answers)
    await room.ledger.admin.execute(
        "update customers set name = 'Penetrode', billing_email = 'other@example.com' where id = $1", customer_id
    )
    room.clock.pass_by(minutes=1)
    watched = Watched()
    await room.work(watched)
    (letter,) = watched.letters
    assert letter.recipient == address
    assert b"Dear Initech," in letter.raw
    assert b"Penetrode" not in letter.raw


async def test_several_workers_at_once_send_each_letter_once(room: Room) -> None:
    customers = [(await room.announced())[0] for _ in range(8)]
    assert await asyncio.gather(*(room.work() for _ in range(3))) == [True, True, True]
    assert [len(await room.taken(customer_id)) for customer_id in customers] == [1] * 8
    for customer_id in customers:
        (shown,) = await room.shown(customer_id)
        assert (shown["status"], shown["attempts"]) == ("sent", 1)


async def test_a_worker_whose_time_is_over_takes_nothing_up_and_leaves_the_rest_to_the_next(room: Room) -> None:
    customers = [(await room.announced())[0] for _ in range(5)]
    began, slow = room.clock(), Watched()

    def slowly(letter: Letter) -> None:
        room.clock.pass_by(seconds=25)
        slow(letter)

    async def work() -> bool:
        connections, until = room.ledger.connections, room.clock() + STINT
        return await outbox.work(connections, send=slowly, clock=room.clock, lanes=1, until=until)

    assert await work() is True
    assert (len(slow.letters), room.clock()) == (3, began + timedelta(seconds=75))
    waiting = [message for one in customers for message in await room.queue(one) if message["sent_at"] is None]
    assert [(one["attempts"], one["claimed_until"]) for one in waiting] == [(0, None)] * 2
    assert await work() is True
    assert [len(await room.taken(one)) for one in customers] == [1] * 5


async def test_an_invoice_that_was_cancelled_meanwhile_is_not_mailed(
    room: Room, house: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "landlord.deliveries")
    customer_id, invoice = await room.announced()
    async with house.session() as session:
        await invoicing.cancel(session, invoice.id, reason="Wrong month.", now=room.clock())
    assert await room.work() is True
    assert await room.taken(customer_id) == []
    assert await room.shown(customer_id) == []
    (queued,) = await room.queue(customer_id)
    assert queued["failed_reason"] == f"Invoice {invoice.number} was cancelled before this could be sent."
    # which nobody has to see to
    assert outcomes(caplog) == ["pointless"]


async def test_a_message_that_a_tenant_plants_never_speaks_of_a_neighbours_invoice(room: Room, acme: Tenant) -> None:
    """The tenants' role may queue a message; a worker sees both customers when both are on their way."""
    neighbour, invoice = await room.announced("Globex")
    async with acme.session() as session:
        await session.execute(
            "insert into outbox (customer_id, kind, key, payload) values ($1, 'email', $2, $3::text::jsonb)",
            acme.customer_id,
            f"invoice-issued/{invoice.id}",
            f'{{"invoice_id": "{invoice.id}"}}',
        )
    assert acme.customer_id is not None
    assert await room.work() is True
    assert await room.taken(acme.customer_id) == []
    assert await room.shown(acme.customer_id) == []
    (queued,) = await room.queue(acme.customer_id)
    assert queued["failed_reason"] == "What this was about is not there."
    assert len(await room.taken(neighbour)) == 1


async def test_a_message_that_nobody_understands_waits_and_the_others_leave(room: Room, acme: Tenant) -> None:
    planted = [("gossip/1", "{}"), ("invoice-issued/1", "{}"), ("invoice-issued/2", '{"invoice_id": "2"}')]
    async with acme.session() as session:
        for key, payload in planted:
            await session.execute(
                "insert into outbox (customer_id, kind, key, payload) values ($1, 'email', $2, $3::text::jsonb)",
                acme.customer_id,
                key,
                payload,
            )
    customer_id, _ = await room.announced()
    assert await room.work() is True
    assert len(await room.taken(customer_id)) == 1
    assert acme.customer_id is not None
    for queued in await room.queue(acme.customer_id):
        assert (queued["attempts"], queued["sent_at"], queued["failed_reason"]) == (1, None, None)
        assert queued["due_at"] == room.clock() + timedelta(minutes=1)


async def test_while_nobody_has_said_who_bills_no_message_is_taken_up(room: Room) -> None:
    customer_id, _ = await room.announced()
    await room.ledger.admin.execute("update outbox set due_at = '2019-12-31' where customer_id = $1", customer_id)
    room.clock.now = datetime(2019, 12, 31, tzinfo=UTC)
    assert await room.work() is False
    assert [queued["attempts"] for queued in await room.queue(customer_id)] == [0]
    room.clock.now = datetime(2020, 1, 1, tzinfo=UTC)
    assert await room.work() is True
    assert len(await room.taken(customer_id)) == 1


async def test_a_credit_note_is_mailed(room: Room, house: Tenant) -> None:
    customer_id, invoice = await room.announced()
    await room.work()
    async with house.session() as session:
        await invoicing.credit(
            session, invoice.id, amount=Decimal("100.00"), reason="A day without service.", now=room.clock()
        )
    await room.work()
    number = f"{str(invoice.number).partition('-')[0]}-CN-0001"
    text = f"""Dear Initech,

we have credited USD 100.00 on your invoice {invoice.number}.

The reason: A day without service.

Landlord Cloud, Inc.
500 Harbor Steps, Suite 1200
Seattle, WA 98101
United States"""
    assert (await room.taken(customer_id))[1:] == [(f"Credit note {number}", text)]
    assert [row["status"] for row in await room.shown(customer_id)] == ["sent", "sent"]


async def test_a_worker_sees_the_customers_of_its_messages_in_hand_and_no_others(room: Room) -> None:
    customer_id, _ = await room.announced()
    other, _ = await room.announced()
    tables = ("customers", "invoices", "notifications", "credit_notes")
    async with room.ledger.connections.transaction(Role.WORKER) as session:
        for table in tables:
            assert await session.value(f"select count(*) from {table}") == 0
        await session.execute("update outbox set claimed_in = pg_current_xact_id() where customer_id = $1", customer_id)
        assert await session.values("select id from customers") == [customer_id]
        assert await session.values("select customer_id from invoices") == [customer_id]
    async with room.ledger.connections.transaction(Role.WORKER) as session:
        for table in tables:
            assert await session.value(f"select count(*) from {table}") == 0
    assert other != customer_id


async def test_what_is_due_is_late_until_somebody_has_it_in_hand(room: Room) -> None:
    connections = room.ledger.connections
    assert await outbox.lag(connections, now=room.clock()) == timedelta(0)
    customer_id, _ = await room.announced()
    (message,) = await room.queue(customer_id)
    room.clock.now = message["due_at"]
    room.clock.pass_by(minutes=20)
    assert await outbox.lag(connections, now=room.clock()) == timedelta(minutes=20)
    in_hand = room.clock() + LEASE
    async with connections.transaction(Role.WORKER) as session:
        assert await messages.claim(session, now=room.clock(), until=in_hand) is not None
    assert await outbox.lag(connections, now=room.clock()) == timedelta(0)
    room.clock.now = in_hand
    assert await outbox.lag(connections, now=room.clock()) == timedelta(minutes=20) + LEASE
    assert await room.work(Watched()) is True
    assert await outbox.lag(connections, now=room.clock()) == timedelta(0)


async def test_what_is_put_off_again_and_again_is_late_from_when_it_was_due_at_first(room: Room) -> None:
    connections = room.ledger.connections
    customer_id, _ = await room.announced()
    (message,) = await room.queue(customer_id)
    room.clock.now = message["due_at"]
    late = []
    for _ in range(60):
        late.append(await outbox.lag(connections, now=room.clock()))
        await room.work(nobody_answers)
        room.clock.pass_by(minutes=1)
    # whatever the pauses between its tries are
    assert late == [timedelta(minutes=passed) for passed in range(60)]
    (message,) = await room.queue(customer_id)
    room.clock.now = message["due_at"]
    assert await room.work(Watched()) is True
    assert await outbox.lag(connections, now=room.clock()) == timedelta(0)
