"""The invoice as PDF: what was true when it was issued, the same bytes whenever and wherever it is set."""

from __future__ import annotations

import asyncio
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import files
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from billing import invoicing, pdf
from billing.pdf import NoCompanyDetails, Paper
from db.errors import NotFound
from db.invoices import InvoiceRow
from tests.landlord import Tenant
from tests.ledger import NOW, OCTOBER, SEPTEMBER, Ledger

ROOT = Path(__file__).parents[2]
JAPANESE = "株式会社ひなげし 東京支社"
ARABIC = "شركة الأفق للتقنية (ذ.م.م)"


async def paper(ledger: Ledger, invoice: InvoiceRow) -> Paper:
    async with ledger.house.session() as session:
        return await pdf.read(session, *invoice.key)


async def named(ledger: Ledger, name: str, **how: Any) -> UUID:
    customer_id = await ledger.customer(**how)
    await ledger.admin.execute("update customers set name = $2 where id = $1", customer_id, name)
    return customer_id


async def test_it_says_what_the_stored_rows_say(ledger: Ledger) -> None:
    customer_id = await named(ledger, "Initech GmbH", used=(SEPTEMBER, OCTOBER))
    await ledger.admin.execute("update customers set aws_account_id = '123456789012' where id = $1", customer_id)
    await ledger.issued(customer_id, SEPTEMBER, now=NOW)
    invoice = await ledger.issued(customer_id, now=NOW + timedelta(days=1))
    said = pdf.content(await paper(ledger, invoice))
    assert said["title"] == f"Invoice {invoice.number}"
    assert said["currency"] == "USD"
    assert said["company"] == {
        "name": "Landlord Cloud, Inc.",
        "address": ["500 Harbor Steps, Suite 1200", "Seattle, WA 98101", "United States"],
        "details": ["EIN 91-0000000", "billing@landlord.example"],
        "footer": "Landlord Cloud, Inc. · EIN 91-0000000 · billing@landlord.example",
    }
    assert said["billed_to"] == {"name": "Initech GmbH", "details": ["a@b.example", "AWS account 123456789012"]}
    assert said["facts"] == [
        ["Number", invoice.number], ["Month", "2026-10"], ["Issued", "2026-11-23"], ["Due", "2026-12-23"],
    ]  # fmt: skip
    assert said["sections"] == [
        {
            "title": "Base price",
            "sum": "",
            "lines": [
                {
                    "text": "Standard base price, 2026-10-01 to 2026-11-01 (31 of 31 days)",
                    "bands": [],
                    "amount": "2,000.00",
                }
            ],
        },
        {
            "title": "Usage",
            "sum": "57.35",
            "lines": [
                {"text": "Accounts: 12 over 10 included", "bands": ["2 at 25.00 each = 50.00"], "amount": "50.00"},
                {
                    "text": "CloudTrail events: 12,345,678 over 5,000,000 included",
                    "bands": ["7,345,678 at 1.00 per 1,000,000 = 7.345678"],
                    "amount": "7.35",
                },
            ],
        },
    ]
    assert said["sums"] == [
        ("Subtotal", "2,057.35", False), ("Tax DE, 19 %", "390.90", False), ("Total", "2,448.25", True),
    ]  # fmt: skip
    assert said["due"] == {"name": "Due by 2026-12-23", "amount": "USD 2,448.25"}
    assert said["payment"] == [
        "Bank transfer to Harbor Example Bank",
        "Routing 000000000",
        "Account 4417 1234 5678",
        f"Reference: {invoice.number}",
    ]
    assert len(said["chart"]) == 12
    assert said["chart"][0] == {"name": ["Nov", "2025"], "amount": "", "share": 0.0, "this": False}
    assert said["chart"][10:] == [
        {"name": ["Sep", ""], "amount": "2,448", "share": 1.0, "this": False},
        {"name": ["Oct", ""], "amount": "2,448", "share": 1.0, "this": True},
    ]


SET_AGAIN = """
import locale, pickle, sys, time
from pathlib import Path
from billing import pdf
locale.setlocale(locale.LC_ALL, "")
Path(sys.argv[2]).write_bytes(pdf.render(pickle.loads(Path(sys.argv[1]).read_bytes())))
"""


def set_elsewhere(paper: Paper, folder: Path, **environment: str) -> bytes:
    """In another process, whose zone and language are these."""
    (folder / "paper").write_bytes(pickle.dumps(paper))
    subprocess.run(
        [sys.executable, "-c", SET_AGAIN, str(folder / "paper"), str(folder / "pdf")],
        cwd=ROOT,
        env=os.environ | environment,
        check=True,
    )
    return (folder / "pdf").read_bytes()


@pytest.mark.parametrize("name", ["Initech", JAPANESE, ARABIC])
async def test_its_bytes_are_the_same_under_two_clocks_time_zones_and_languages(
    ledger: Ledger, tmp_path: Path, name: str
) -> None:
    invoice = await ledger.issued(await named(ledger, name))
    told = await paper(ledger, invoice)
    one = set_elsewhere(told, tmp_path, TZ="Pacific/Kiritimati", LC_ALL="C", SOURCE_DATE_EPOCH="0")
    await asyncio.sleep(1.1)  # instants in a PDF are whole seconds: the clock has another one now
    two = set_elsewhere(told, tmp_path, TZ="America/Adak", LC_ALL="C.UTF-8", LANG="ja_JP.UTF-8")
    assert one == two == pdf.render(told)
    # and the one instant that it bears is that of its issue
    assert set(re.findall(rb"\(D:[^)]*\)", one)) == {NOW.strftime("(D:%Y%m%d%H%M%SZ)").encode()}
    assert set(re.findall(rb"20\d\d-\d\d-\d\dT[^<]*", one)) == {NOW.isoformat().encode()}


@pytest.mark.parametrize(
    ("name", "font"),
    [
        ("Initech", b"NotoSans-"), (JAPANESE, b"NotoSansCJKjp-"), (ARABIC, b"NotoSansArabic-"),
        ("Ελληνική Εταιρεία", b"NotoSans-"), ("חברה בע״מ", b"NotoSansHebrew-"), ("บริษัท ตัวอย่าง", b"NotoSansThai-"),
        ("उदाहरण कंपनी", b"NotoSansDevanagari-"), ("한국 회사", b"NotoSansCJKjp-"),
    ],
)  # fmt: skip
async def test_a_name_in_any_script_is_set_in_our_own_fonts(ledger: Ledger, name: str, font: bytes) -> None:
    told = await paper(ledger, await ledger.issued(await named(ledger, name)))
    assert orjson.loads(told.row.billed_to)["name"] == name
    made = pdf.render(told)
    assert font in made
    # an archive's PDF has every letter in a font that it carries, or it could not be one
    assert re.search(rb"<pdfaid:part>2</pdfaid:part>", made)


async def test_chinese_and_japanese_write_one_character_in_their_own_ways(ledger: Ledger) -> None:
    told = await paper(ledger, await ledger.issued(await named(ledger, "骨社")))
    fonts = {}
    for place in ("JP", "CN", "TW", "HK", "KR", "DE"):
        made = pdf.render(replace(told, row=replace(told.row, tax_jurisdiction=place)))
        fonts[place] = {name.decode() for name in re.findall(rb"\+NotoSansCJK([a-z]+)-", made)}
    assert fonts == {"JP": {"jp"}, "CN": {"sc"}, "TW": {"tc"}, "HK": {"hk"}, "KR": {"kr"}, "DE": {"jp"}}


async def test_a_name_from_right_to_left_keeps_its_brackets() -> None:
    assert pdf.shown(ARABIC) == f"\u2068{ARABIC}\u2069"
    assert pdf.shown(JAPANESE) == JAPANESE


@pytest.mark.parametrize("name", ["Tibet ཀ", "\ue000", "a\x01b", "\u202e", "𓀀", "x" * 200, "a\nb"])
async def test_no_name_keeps_an_invoice_from_being_set(ledger: Ledger, name: str) -> None:
    told = await paper(ledger, await ledger.issued(await named(ledger, name)))
    made = pdf.render(told)
    assert made.startswith(b"%PDF-1.7")
    assert made == pdf.render(told)


async def test_what_happens_after_its_issue_changes_nothing_of_it(ledger: Ledger, house: Tenant) -> None:
    customer_id = await named(ledger, "Initech", used=(SEPTEMBER, OCTOBER))
    september = await ledger.issued(customer_id, SEPTEMBER, now=NOW)
    october = await ledger.issued(customer_id, OCTOBER, now=NOW + timedelta(hours=1))
    before = pdf.render(await paper(ledger, october))
    later = NOW + timedelta(days=2)
    async with house.session() as session:
        await invoicing.cancel(session, september.id, reason="Wrong usage.", now=later)
        await invoicing.credit(session, october.id, amount=Decimal(5), reason="An outage.", now=later)
        await invoicing.record_payment(
            session, october.id, amount=Decimal(7), method="card", reference=None, received_at=None, now=later
        )
        await session.execute(
            "update customers set name = 'Penetrode', billing_email = 'c@d.example' where id = $1", customer_id
        )
    await ledger.use(customer_id, SEPTEMBER, account_count=99)
    again = await ledger.issued(customer_id, SEPTEMBER, now=later)
    assert again.id != september.id
    assert again.total_amount != september.total_amount
    assert pdf.render(await paper(ledger, october)) == before
    # while that one shows no October: it was issued after it, and looks back from September
    assert [bar["this"] for bar in pdf.content(await paper(ledger, again))["chart"]] == [False] * 11 + [True]


async def test_whom_an_invoice_names_is_never_changed_whoever_asks(ledger: Ledger) -> None:
    invoice = await ledger.issued(await ledger.customer())
    change = """update invoices set billed_to = '{"name": "Somebody else"}' where id = $1"""
    with pytest.raises(asyncpg.PostgresError, match=r"^an invoice keeps whom it names$"):
        await ledger.admin.execute(change, invoice.id)
    with pytest.raises(asyncpg.PostgresError, match=r"^an invoice keeps whom it names$"):
        await ledger.admin.execute("update invoices set billed_to = null where id = $1", invoice.id)


async def test_the_companys_details_are_never_changed_whoever_asks(ledger: Ledger) -> None:
    for change in ("update company_details set name = 'Moon'", "delete from company_details"):
        with pytest.raises(asyncpg.PostgresError, match=r"^company_details is never changed, only added to$"):
            await ledger.admin.execute(change)


async def test_an_earlier_month_that_was_cancelled_before_is_not_in_the_chart(ledger: Ledger, house: Tenant) -> None:
    customer_id = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    september = await ledger.issued(customer_id, SEPTEMBER, now=NOW)
    async with house.session() as session:
        await invoicing.cancel(session, september.id, reason="Wrong usage.", now=NOW + timedelta(hours=1))
    october = await ledger.issued(customer_id, OCTOBER, now=NOW + timedelta(hours=2))
    told = await paper(ledger, october)
    assert told.totals == {OCTOBER: Decimal("2448.25")}


async def test_credit_that_it_took_up_is_taken_off(ledger: Ledger, house: Tenant) -> None:
    customer_id = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    september = await ledger.issued(customer_id, SEPTEMBER, now=NOW)
    async with house.session() as session:
        await invoicing.record_payment(
            session, september.id, amount=september.total_amount, method="card", reference=None, received_at=None,
            now=NOW + timedelta(hours=1),
        )  # fmt: skip
        await invoicing.credit(
            session, september.id, amount=Decimal("448.25"), reason="An outage.", now=NOW + timedelta(hours=2)
        )
    october = await ledger.issued(customer_id, OCTOBER, now=NOW + timedelta(hours=3))
    said = pdf.content(await paper(ledger, october))
    assert said["sums"][2:] == [
        ("Total", "2,448.25", True), ("Credit from earlier invoices", "−448.25", False),
    ]  # fmt: skip
    assert said["due"] == {"name": f"Due by {october.due_on}", "amount": "USD 2,000.00"}


async def test_a_long_one_goes_on_with_its_heading_on_every_page(ledger: Ledger) -> None:
    told = await paper(ledger, await ledger.issued(await ledger.customer()))
    line = told.lines[1]
    assert pages(pdf.render(told)) == 1
    assert pages(pdf.render(replace(told, lines=[line] * 90))) == 4


def pages(made: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", made))


async def test_a_million_is_shown_in_thousands_above_its_bar(ledger: Ledger) -> None:
    told = await paper(ledger, await ledger.issued(await ledger.customer()))
    large = replace(told, totals={SEPTEMBER: Decimal("1234567.89"), OCTOBER: Decimal("2448.25")})
    assert [bar["amount"] for bar in pdf.content(large)["chart"][10:]] == ["1,235 k", "2 k"]


async def test_a_draft_has_none(ledger: Ledger) -> None:
    draft = await ledger.draft(await ledger.customer())
    with pytest.raises(NotFound):
        await paper(ledger, draft)


async def test_without_the_companys_own_details_there_is_none(ledger: Ledger) -> None:
    told = await paper(ledger, await ledger.issued(await ledger.customer()))
    with pytest.raises(NoCompanyDetails, match=r"^The company's own details are not stored yet\.$"):
        pdf.render(replace(told, row=replace(told.row, company=None)))


async def test_the_companys_details_are_those_of_the_day_of_issue(ledger: Ledger) -> None:
    moved = NOW.date() + timedelta(days=400)
    await ledger.admin.execute(
        """
        insert into company_details (effective_from, name, address, tax_id, email, payment)
        values ($1, 'Landlord Moon Base', '{Mare Crisium}', 'none', 'moon@landlord.example', '{By hand}')
            on conflict do nothing
        """,
        moved,
    )
    names = []
    for days in (399, 400):
        issued = await ledger.issued(await ledger.customer(), now=NOW + timedelta(days=days))
        names.append(pdf.content(await paper(ledger, issued))["company"]["name"])
    assert names == ["Landlord Cloud, Inc.", "Landlord Moon Base"]


@pytest.mark.parametrize(
    ("number", "places", "text"),
    [("12345.678", 0, "12,345.678"), ("25.000000000", 2, "25.00"), ("1000000", 0, "1,000,000"), ("0.5", 2, "0.50"),
     ("1E+3", 2, "1,000.00"), ("0.000000001", 2, "0.000000001")],
)  # fmt: skip
def test_figures_of_bands_are_exact(number: str, places: int, text: str) -> None:
    assert pdf.plain(Decimal(number), places=places) == text


@pytest.mark.parametrize("package", ["manimgx-fonts", "manimgx-fonts-cjk"])
def test_the_licence_of_the_fonts_lies_beside_them(package: str) -> None:
    texts: Sequence[str] = [path.read_text() for path in files(package) or [] if path.name == "LICENSE"]
    assert ["SIL OPEN FONT LICENSE Version 1.1" in text for text in texts] == [True]


def test_neither_typst_nor_boto3_is_imported_with_the_api() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, app; print(sorted({'typst', 'boto3', 'botocore'} & set(sys.modules)))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "[]\n"
