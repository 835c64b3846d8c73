"""Who works the outbox: the Lambda entry points, and on a developer's machine the application itself."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from app import Settings, create_app, utc_now
from billing import pdf
from billing.periods import Month
from schema.ids import typeid
from tests.landlord import Tenant
from tests.mail.room import Room

ROOT = Path(__file__).parents[2]
EVENT = json.loads((ROOT / "tests/api/http_api_event.json").read_text())


async def invoke(call: str, environment: dict[str, str]) -> Any:
    """What a function answers in a sandbox of its own."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", f"import json, handler; print(json.dumps(handler.{call}))"],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


async def test_the_schedules_functions_remind_and_send(room: Room, environment: dict[str, str]) -> None:
    issued_at = utc_now() - timedelta(days=31)
    month = Month.of(issued_at.date()).previous()
    customer_id = await room.customer()
    await room.ledger.use(customer_id, month)
    invoice = await room.ledger.issued(customer_id, month, now=issued_at)
    today = {"job": "reminders", "time": utc_now().isoformat()}
    assert await invoke(f"scheduled({today!r}, None)", environment) == {"status": "done"}
    assert [one["about"] for one in await room.queue(customer_id)] == ["invoice-issued", "invoice-reminder-1"]
    assert await invoke("outbox_worker({}, None)", environment) == {"status": "done"}
    assert sorted(subject for subject, _ in await room.taken(customer_id)) == [
        f"Invoice {invoice.number} for {month}",
        f"Invoice {invoice.number} is overdue",
    ]
    nowhere = environment | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    await room.ledger.issued(await room.customer(), now=utc_now())
    assert await invoke("outbox_worker({}, None)", nowhere) == {"status": "mail stands still"}


async def test_the_application_sends_in_the_background_where_it_is_told_to(room: Room, settings: Settings) -> None:
    customer_id, invoice = await room.announced()
    app = create_app(replace(settings, work_here=True, mail=True, aws_endpoint=room.post.emulator.url))
    async with app.router.lifespan_context(app):
        for _ in range(200):
            if await room.taken(customer_id):
                break
            await asyncio.sleep(0.1)
    assert [subject for subject, _ in await room.taken(customer_id)] == [f"Invoice {invoice.number} for 2026-10"]


async def test_behind_the_gateway_a_pdf_is_served_as_bytes(
    room: Room, acme: Tenant, environment: dict[str, str]
) -> None:
    assert acme.customer_id is not None
    await room.ledger.use(acme.customer_id)
    invoice = await room.issued(acme.customer_id)
    path = f"/invoices/{typeid('inv', invoice.id)}.pdf"
    http = {**EVENT["requestContext"]["http"], "method": "GET", "path": path}
    asked = {
        **EVENT,
        "rawPath": path,
        "requestContext": {**EVENT["requestContext"], "http": http},
        "headers": {**EVENT["headers"], "authorization": f"Bearer {acme.token}"},
        "body": None,
    }
    answer = await invoke(f"api({asked!r}, None)", environment)
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "application/pdf")
    assert answer["isBase64Encoded"] is True
    async with acme.session() as session:
        assert b64decode(answer["body"]) == pdf.render(await pdf.read(session, *invoice.key))
