"""What goes along with a letter is what is kept: the same bytes as the download, whichever was first."""

from __future__ import annotations

import secrets
from dataclasses import replace
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

import pytest

from app import Settings, press
from billing import pdf
from billing.kept_papers import KeptPapers
from billing.mail import Letter
from local.postgres import free_port
from schema.ids import typeid
from tests.aws import kept, papers_bucket  # noqa: F401 - a fixture, the latter
from tests.landlord import Tenant, serving
from tests.mail.room import Room, Watched
from tests.papers import releases


def attached(letter: Letter) -> bytes:
    (paper,) = message_from_bytes(letter.raw, policy=SMTP).iter_attachments()
    content: bytes = paper.get_content()
    return content


async def download(settings: Settings, acme: Tenant, invoice_id: str) -> bytes:
    async with serving(settings) as client:
        answer = await client.get(f"/invoices/{invoice_id}.pdf", headers={"Authorization": f"Bearer {acme.token}"})
    assert answer.status_code == 200
    return answer.content


@pytest.mark.parametrize("first", ["letter", "download"])
async def test_a_letter_and_a_download_are_the_same_bytes_though_a_release_came_between(
    room: Room,
    acme: Tenant,
    settings: Settings,
    papers_bucket: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    first: str,
) -> None:
    assert acme.customer_id is not None
    address = f"{secrets.token_hex(8)}@example.com"
    await room.ledger.admin.execute("update customers set billing_email = $2 where id = $1", acme.customer_id, address)
    await room.ledger.use(acme.customer_id)
    invoice = await room.issued(acme.customer_id)
    keeping = replace(settings, papers_bucket=papers_bucket, aws_endpoint=room.post.emulator.url)

    async def mailed() -> bytes:
        watched = Watched()
        assert await room.work(watched, press(keeping)) is True
        return attached(watched.letters[0])

    async def downloaded() -> bytes:
        return await download(keeping, acme, typeid("inv", invoice.id))

    one, other = (mailed, downloaded) if first == "letter" else (downloaded, mailed)
    given = [await one()]
    releases.another(monkeypatch, tmp_path)
    given.append(await other())
    assert given[0] == given[1]
    assert list(kept(papers_bucket).values()) == [given[0]]


async def test_a_letter_leaves_though_its_paper_cannot_be_kept(
    room: Room,
    papers_bucket: str,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, invoice = await room.announced()
    watched = Watched()
    nowhere = KeptPapers(papers_bucket, f"http://127.0.0.1:{free_port()}")
    assert await room.work(watched, nowhere.paper) is True
    async with room.ledger.house.session() as session:
        assert attached(watched.letters[0]) == pdf.render(await pdf.read(session, *invoice.key))
    warned = [record for record in caplog.records if record.name == "landlord.papers"]
    assert [record.levelname for record in warned] == ["WARNING"]
    assert str(invoice.id) in warned[0].getMessage()


async def test_of_many_letters_at_once_each_has_the_paper_that_is_kept_of_its_invoice(
    room: Room,
    papers_bucket: str,  # noqa: F811
) -> None:
    papers = [(await room.announced())[1] for _ in range(12)]
    watched = Watched()
    keeping = KeptPapers(papers_bucket, room.post.emulator.url)
    assert await room.work(watched, keeping.paper) is True
    assert sorted(attached(letter) for letter in watched.letters) == sorted(kept(papers_bucket).values())
    assert {key.split("/")[1] for key in kept(papers_bucket)} == {str(invoice.id) for invoice in papers}
