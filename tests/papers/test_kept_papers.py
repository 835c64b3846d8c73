"""The first PDF of an invoice is everybody's from then on, and no invoice waits for the bucket that keeps it."""

from __future__ import annotations

import asyncio
import logging
import threading
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from app import Settings
from billing import pdf
from billing.kept_papers import KeptPapers
from billing.pdf import NoCompanyDetails, Paper
from db.invoices import InvoiceRow
from local.aws import Emulator
from local.postgres import free_port
from schema.ids import typeid
from tests.aws import aws, kept, papers_bucket  # noqa: F401 - fixtures, two of them
from tests.landlord import Tenant, serving
from tests.ledger import NOW, Ledger
from tests.papers import releases, stores

ROLE = "does the role reach the bucket and its key?"


def keeping(settings: Settings, bucket: str, url: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """The application, which keeps papers in this bucket."""
    return serving(replace(settings, papers_bucket=bucket, aws_endpoint=url))


async def issued(ledger: Ledger, tenant: Tenant) -> InvoiceRow:
    assert tenant.customer_id is not None
    await ledger.use(tenant.customer_id)
    return await ledger.issued(tenant.customer_id)


async def fetch(client: httpx.AsyncClient, caller: Tenant, invoice: InvoiceRow) -> httpx.Response:
    path = f"/invoices/{typeid('inv', invoice.id)}.pdf"
    return await client.get(path, headers={"Authorization": f"Bearer {caller.token}"})


async def paper(ledger: Ledger, invoice: InvoiceRow) -> Paper:
    async with ledger.house.session() as session:
        return await pdf.read(session, *invoice.key)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "landlord.papers"]


async def test_the_first_pdf_is_kept_and_is_what_everybody_gets_after_a_release_that_sets_it_otherwise(
    ledger: Ledger,
    acme: Tenant,
    house: Tenant,
    settings: Settings,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    invoice = await issued(ledger, acme)
    async with keeping(settings, papers_bucket, aws.url) as client:
        first = await fetch(client, acme, invoice)
        assert first.content == pdf.render(await paper(ledger, invoice))
        [(key, there)] = kept(papers_bucket).items()
        assert there == first.content
        releases.another(monkeypatch, tmp_path)
        assert pdf.render(await paper(ledger, invoice)) != first.content
        # another sandbox, of the later release
        async with keeping(settings, papers_bucket, aws.url) as later:
            again = [await fetch(later, caller, invoice) for caller in (acme, house)]
    assert [answer.content for answer in again] == [first.content] * 2
    assert kept(papers_bucket) == {key: first.content}
    # the rest of the answer is what it is without a bucket
    plain = await fetch(acme.landlord.http, acme, invoice)
    names = ("content-type", "content-disposition", "cache-control", "x-content-type-options")
    for answer in (first, *again):
        assert answer.status_code == plain.status_code == 200
        assert [answer.headers[name] for name in names] == [plain.headers[name] for name in names]
    assert first.headers["cache-control"] == "no-store"
    events = await acme.landlord.admin.fetch(
        "select actor, status from audit_events where resource_id = $1 and event_type = 'api.query' order by id",
        typeid("inv", invoice.id),
    )
    who = ["front end", "front end", "operations", "front end"]
    assert [tuple(event) for event in events] == [(name, "success") for name in who]


async def test_it_lies_under_customer_invoice_and_instant_of_issue_with_its_checksum(
    ledger: Ledger,
    acme: Tenant,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
) -> None:
    invoice = await issued(ledger, acme)
    made = KeptPapers(papers_bucket, aws.url).paper(await paper(ledger, invoice))
    key = f"{acme.customer_id}/{invoice.id}/20261122T103000.000000Z.pdf"
    assert NOW.isoformat() == "2026-11-22T10:30:00+00:00"
    assert kept(papers_bucket) == {key: made}
    head = boto3.client("s3").head_object(Bucket=papers_bucket, Key=key, ChecksumMode="ENABLED")
    assert head["ContentType"] == "application/pdf"
    assert head["ChecksumSHA256"] == b64encode(sha256(made).digest()).decode()


async def test_what_is_issued_again_after_a_restore_is_another_invoice(
    ledger: Ledger,
    acme: Tenant,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
) -> None:
    lost = await paper(ledger, await issued(ledger, acme))
    # the database goes back to when it was a draft, and the draft gets a number on another day
    row = replace(lost.row, number=f"{lost.row.number}9", issued_at=lost.row.issued_at + timedelta(days=2))
    again = replace(lost, row=row)
    papers = KeptPapers(papers_bucket, aws.url)
    assert [papers.paper(one) for one in (lost, again, lost)] == [pdf.render(one) for one in (lost, again, lost)]
    assert len(kept(papers_bucket)) == 2


async def test_two_who_are_first_at_once_give_the_same_bytes(
    ledger: Ledger,
    acme: Tenant,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    about = await paper(ledger, await issued(ledger, acme))
    both, made, render = threading.Barrier(2, timeout=30), [], pdf.render

    def set_by_two_releases(paper: Paper) -> bytes:
        """Both have looked and found none before either is done, and theirs are not the same."""
        page = render(paper) + b"%" * (both.wait() + 1)
        made.append(page)
        return page

    monkeypatch.setattr(pdf, "render", set_by_two_releases)
    sandboxes = [KeptPapers(papers_bucket, aws.url) for _ in range(2)]
    given = await asyncio.gather(*(asyncio.to_thread(one.paper, about) for one in sandboxes))
    assert len(set(made)) == 2
    assert given[0] == given[1]
    assert list(kept(papers_bucket).values()) == [given[0]]


async def test_who_puts_while_anothers_put_is_under_way_looks_again_and_keeps_it(
    ledger: Ledger,
    acme: Tenant,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    about = await paper(ledger, await issued(ledger, acme))
    with stores.without_listing(aws.url, conflicts=2) as url:
        given = await asyncio.to_thread(KeptPapers(papers_bucket, url).paper, about)
    assert list(kept(papers_bucket).values()) == [given]
    assert [record for record in caplog.records if record.name == "landlord.papers"] == []


async def test_a_neighbour_gets_nothing_of_what_is_kept_and_a_draft_has_none(
    ledger: Ledger,
    acme: Tenant,
    globex: Tenant,
    settings: Settings,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
) -> None:
    assert globex.customer_id is not None
    await ledger.use(globex.customer_id)
    draft, invoice = await ledger.draft(globex.customer_id), await issued(ledger, acme)
    async with keeping(settings, papers_bucket, aws.url) as client:
        assert (await fetch(client, acme, invoice)).status_code == 200
        answers = [await fetch(client, globex, invoice)]
        answers += [await fetch(client, caller, draft) for caller in (globex, ledger.house)]
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert [key.split("/")[:2] for key in kept(papers_bucket)] == [[str(acme.customer_id), str(invoice.id)]]


async def test_a_role_that_may_not_list_the_bucket_keeps_and_fetches_all_the_same(
    ledger: Ledger,
    acme: Tenant,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    about = await paper(ledger, await issued(ledger, acme))
    with stores.without_listing(aws.url) as url:
        first = KeptPapers(papers_bucket, url).paper(about)
        releases.another(monkeypatch, tmp_path)
        assert KeptPapers(papers_bucket, url).paper(about) == first
    assert list(kept(papers_bucket).values()) == [first]
    assert warnings(caplog) == []


@pytest.mark.parametrize(
    ("refuses", "said"), [("GET, PUT", "S3 answers AccessDenied"), ("GET", f"it is there, and cannot be read: {ROLE}")]
)
async def test_a_role_that_may_not_even_read_sets_it_anew_and_says_so(
    ledger: Ledger,
    acme: Tenant,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    refuses: str,
    said: str,
) -> None:
    about = await paper(ledger, await issued(ledger, acme))
    first = KeptPapers(papers_bucket, aws.url).paper(about)
    with stores.without_listing(aws.url, refuses=refuses) as url:
        assert KeptPapers(papers_bucket, url).paper(about) == pdf.render(about) == first
    [warning] = warnings(caplog)
    assert warning.startswith(f"invoice {about.row.id} of customer {acme.customer_id} was set anew")
    assert warning.endswith(said)


@pytest.mark.parametrize(
    ("bucket", "place", "said"),
    [
        ("", lambda: f"http://127.0.0.1:{free_port()}", "S3 cannot be reached: EndpointConnectionError"),
        ("not-there", None, "S3 answers NoSuchBucket"),
    ],
)
async def test_where_s3_is_down_the_invoice_is_answered_and_once_it_is_back_it_is_kept(
    ledger: Ledger,
    acme: Tenant,
    settings: Settings,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
    bucket: str,
    place: Callable[[], str] | None,
    said: str,
) -> None:
    invoice = await issued(ledger, acme)
    async with keeping(settings, bucket or papers_bucket, place() if place else aws.url) as client:
        answer = await fetch(client, acme, invoice)
    assert (answer.status_code, answer.content) == (200, pdf.render(await paper(ledger, invoice)))
    [record] = [record for record in caplog.records if record.name == "landlord.papers"]
    assert (record.levelno, record.getMessage().endswith(said)) == (logging.WARNING, True), record.getMessage()
    assert kept(papers_bucket) == {}
    async with keeping(settings, papers_bucket, aws.url) as client:
        assert (await fetch(client, acme, invoice)).content == answer.content
    assert list(kept(papers_bucket).values()) == [answer.content]


async def test_an_s3_that_says_nothing_is_not_waited_for(
    ledger: Ledger,
    acme: Tenant,
    papers_bucket: str,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    about = await paper(ledger, await issued(ledger, acme))
    with stores.silent() as url:
        assert KeptPapers(papers_bucket, url).paper(about) == pdf.render(about)
    [warning] = warnings(caplog)
    assert warning.endswith("S3 cannot be reached: ReadTimeoutError")


async def test_what_came_back_changed_is_not_given_to_anybody(
    ledger: Ledger,
    acme: Tenant,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    about = await paper(ledger, await issued(ledger, acme))
    first = KeptPapers(papers_bucket, aws.url).paper(about)
    with stores.without_listing(aws.url, spoils=True) as url:
        assert KeptPapers(papers_bucket, url).paper(about) == first
    [warning] = warnings(caplog)
    assert warning.endswith("S3 cannot be reached: FlexibleChecksumError")


async def test_without_the_houses_own_details_there_is_no_invoice_and_nothing_is_kept(
    ledger: Ledger,
    acme: Tenant,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
) -> None:
    about = await paper(ledger, await issued(ledger, acme))
    nobody = replace(about, row=replace(about.row, company=None))
    with pytest.raises(NoCompanyDetails):
        KeptPapers(papers_bucket, aws.url).paper(nobody)
    assert kept(papers_bucket) == {}


async def test_no_transaction_is_open_while_s3_is_asked(
    ledger: Ledger,
    acme: Tenant,
    settings: Settings,
    aws: Emulator,  # noqa: F811
    papers_bucket: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, seen = asyncio.get_running_loop(), []
    question = """
        select count(*) filter (where state like 'idle in transaction%' or backend_xid is not null), count(*)
          from pg_stat_activity where usename = 'landlord_tenant' and datname = current_database()
    """
    asked = KeptPapers._get

    def watched(self: KeptPapers, key: str) -> Any:
        [row] = asyncio.run_coroutine_threadsafe(ledger.admin.fetch(question), loop).result(10)
        seen.append(tuple(row))
        return asked(self, key)

    monkeypatch.setattr(KeptPapers, "_get", watched)
    async with keeping(settings, papers_bucket, aws.url) as client:
        assert (await fetch(client, acme, await issued(ledger, acme))).status_code == 200
    [(within, connections)] = seen
    assert within == 0
    assert connections > 0  # so the question sees them
