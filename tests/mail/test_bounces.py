"""A letter that was sent back after SES had taken it: its notification says so, and by whose words."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

import handler
from app import Settings
from billing import bounces
from billing.bounces import Bounce, NotSentYet
from tests.mail.room import Room, Watched


def event(tags: dict[str, list[str]], **about: Any) -> dict[str, Any]:
    """As SES puts it onto EventBridge."""
    recipient = {"emailAddress": "bills@initech.example", "action": "failed", "status": "5.1.1"}
    bounce = {"bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": [recipient | about]}
    mail = {
        "messageId": "0107019",
        "source": "billing@landlord.example",
        "tags": {"ses:operation": ["SendEmail"], **tags},
    }
    return {
        "version": "0",
        "source": "aws.ses",
        "detail-type": "Email Bounced",
        "detail": {"eventType": "Bounce", "mail": mail, "bounce": bounce},
    }


def tags_of(watched: Watched) -> dict[str, list[str]]:
    (letter,) = watched.letters
    return {name: [value] for name, value in letter.tags.items()}


async def test_what_was_sent_and_came_back_is_shown_as_failed_with_the_servers_own_words(room: Room) -> None:
    customer_id, _ = await room.announced()
    other, _ = await room.announced()
    watched = Watched()
    assert await room.work(watched) is True
    letters = {letter.tags["customer"]: letter for letter in watched.letters}
    watched.letters = [letters[str(customer_id)]]
    before = await room.shown(other)
    told = Bounce.read(event(tags_of(watched), diagnosticCode="smtp; 550 5.1.1 no such user"))
    assert told is not None
    for _ in range(2):
        await bounces.settle(room.ledger.connections, told)
        (shown,) = await room.shown(customer_id)
        assert (shown["status"], shown["attempts"], shown["sent_at"]) == ("failed", 1, None)
        assert shown["failed_reason"] == "The mail was sent back by bills@initech.example: smtp; 550 5.1.1 no such user"
    assert await room.shown(other) == before
    # it is not sent again
    room.clock.pass_by(days=7)
    assert await room.work(watched) is True
    assert len(watched.letters) == 1


async def test_an_event_that_is_quicker_than_the_sender_comes_again(room: Room) -> None:
    customer_id, _ = await room.announced()
    told = Bounce.read(event({"customer": [str(customer_id)], "notification": [str(uuid4())]}))
    assert told is not None
    with pytest.raises(NotSentYet):
        await bounces.settle(room.ledger.connections, told)


async def test_the_function_writes_it_down(room: Room, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    customer_id, _ = await room.announced()
    watched = Watched()
    await room.work(watched)
    # with a loop of its own, as in Lambda
    monkeypatch.setattr(handler, "_settings", lambda needs: settings)
    done = await asyncio.to_thread(handler.bounced, event(tags_of(watched)), None)
    assert done == {"status": "done"}
    (shown,) = await room.shown(customer_id)
    assert shown["failed_reason"] == "The mail was sent back by bills@initech.example: General"


@pytest.mark.parametrize(
    "told", [event({}), event({"customer": [str(uuid4())]}), event({}) | {"detail-type": "Email Delivered"}]
)
def test_what_is_not_ours_changes_nothing(told: dict[str, Any]) -> None:
    assert handler.bounced(told, None) == {"status": "not ours"}
