"""The invoice as PDF: what was true when it was issued, set by Typst, the same bytes wherever this release sets it.

`read` asks the database, `render` takes 20 to 70 ms of a CPU: call it in a thread, and never inside a transaction.
Typst and its fonts are imported there alone, since the API starts without them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import orjson

from billing.invoicing import bands_of
from billing.money import ZERO
from billing.periods import Month
from billing.rating import LineBand
from db import documents, invoices
from db.documents import PaperRow
from db.enums import LineKind
from db.errors import NotFound
from db.invoices import LineRow
from db.session import Session

if TYPE_CHECKING:
    import typst

MONTHS_SHOWN = 12

_TEMPLATE = Path(__file__).parent / "templates" / "invoice.typ"
# Noto, as its makers publish it: Latin, Greek, Cyrillic and twenty scripts more; then Chinese, Japanese and Korean.
_FONT_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
_SCRIPTS = (
    "Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi", "Hebrew", "Kannada",
    "Khmer", "Lao", "Malayalam", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thai", "Symbols",
)  # fmt: skip
# One character is written differently in each of these places; elsewhere as in Japan.
_IDEOGRAPHS = {"CN": "SC", "TW": "TC", "HK": "HK", "KR": "KR"}

# not strftime's, which speaks the machine's language
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECTIONS = {
    LineKind.BASE: "Base price",
    LineKind.USAGE: "Usage",
    LineKind.DISCOUNT: "Volume discount",
    LineKind.ADJUSTMENT: "Corrections of earlier months",
}


class NoCompanyDetails(Exception):
    """Nobody has said yet who bills: without that there is no invoice on paper."""

    def __init__(self) -> None:
        super().__init__("The company's own details are not stored yet.")


@dataclass(frozen=True, slots=True)
class Paper:
    """All that one invoice's PDF is made from. `totals` has the months that were billed, this one's included."""

    row: PaperRow
    lines: Sequence[LineRow]
    totals: Mapping[Month, Decimal]

    @property
    def file_name(self) -> str:
        return f"{self.row.number}.pdf"


# What makes a PDF of it: `render`, or what keeps the first that was made. It blocks, and raises what `render` does.
Press = Callable[[Paper], bytes]


async def read(session: Session, customer_id: UUID, invoice_id: UUID) -> Paper:
    """Raises NotFound where the session sees no such invoice, or one without a number."""
    row = await documents.paper(session, customer_id, invoice_id)
    if row is None:
        raise NotFound("invoice", invoice_id)
    lines = await invoices.lines_by_invoices(session, [(customer_id, invoice_id)])
    since = Month.of(row.month).shift(1 - MONTHS_SHOWN).first
    totals = await documents.totals_until(session, row, since=since)
    return Paper(row, lines, {Month.of(total.month): total.total_amount for total in totals})


def render(paper: Paper) -> bytes:
    """A PDF/A-2b; a plain PDF where a letter is in none of the fonts, with a box in its place.

    Raises NoCompanyDetails, and ModuleNotFoundError where Typst is not installed.
    """
    import typst

    said = {"invoice": orjson.dumps(content(paper)).decode()}

    def made(standard: Literal["a-2b", "1.7"]) -> bytes:
        return typst.compile(
            _TEMPLATE.read_bytes(),
            font_paths=_fonts(),
            sys_inputs=said,
            pdf_standards=standard,
            timestamp=int(paper.row.issued_at.timestamp()),
        )

    try:
        return made("a-2b")
    except typst.TypstError:
        return made("1.7")


@cache
def _fonts() -> typst.Fonts:
    """Those of the packages alone: this machine's own would make other bytes on another machine."""
    import typst

    folders = [str(files(package)) for package in _FONT_PACKAGES]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


# ---------------------------------------------------------------- what stands on it


def content(paper: Paper) -> dict[str, Any]:
    """Every text of the page, ready to set; the template has the layout. Raises NoCompanyDetails."""
    row = paper.row
    if row.company is None:
        raise NoCompanyDetails
    company, billed_to = orjson.loads(row.company), orjson.loads(row.billed_to)
    due = row.total_amount - row.credit_applied
    return {
        "title": f"Invoice {row.number}",
        "number": row.number,
        "currency": row.currency,
        "fonts": _families(row.tax_jurisdiction),
        "company": {
            "name": shown(company["name"]),
            "address": [shown(line) for line in company["address"]],
            "details": [shown(company["tax_id"]), company["email"]],
            "footer": " · ".join(shown(text) for text in (company["name"], company["tax_id"], company["email"])),
        },
        "billed_to": {"name": shown(billed_to["name"]), "details": list(_details(billed_to))},
        "facts": [
            ["Number", row.number],
            ["Month", str(Month.of(row.month))],
            ["Issued", row.issued_at.strftime("%Y-%m-%d")],
            ["Due", row.due_on.isoformat()],
        ],
        "sections": list(_sections(paper.lines)),
        "sums": list(_sums(row, paper.lines)),
        "due": {"name": f"Due by {row.due_on}" if due else "Nothing is due", "amount": f"{row.currency} {money(due)}"},
        "payment": _payment(row, company["payment"]) if due else ["There is nothing to pay on this invoice."],
        "chart": list(_chart(paper)),
    }


def money(amount: Decimal) -> str:
    """`1,234.50`, and a true minus sign where it is below zero."""
    return f"{amount:,.2f}".replace("-", "\N{MINUS SIGN}")


def shown(text: str) -> str:
    """A text of any script amid ours: one that is written from right to left keeps its brackets and figures to itself."""
    if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text):
        return f"\N{FIRST STRONG ISOLATE}{text}\N{POP DIRECTIONAL ISOLATE}"
    return text


def _families(jurisdiction: str) -> list[str]:
    ideographs = _IDEOGRAPHS.get(jurisdiction[:2], "JP")
    return ["Noto Sans", *(f"Noto Sans {script}" for script in _SCRIPTS), f"Noto Sans CJK {ideographs}", "Noto Emoji"]


def _details(billed_to: dict[str, str | None]) -> Iterator[str]:
    yield shown(str(billed_to["email"]))
    if billed_to["aws_org_id"] is not None:
        yield f"AWS organization {billed_to['aws_org_id']}"
    if billed_to["aws_account_id"] is not None:
        yield f"AWS account {billed_to['aws_account_id']}"


def _sections(lines: Sequence[LineRow]) -> Iterator[dict[str, Any]]:
    """The lines before tax, by kind, in their order; a kind of several lines says what they come to."""
    for kind, found in groupby(lines, key=lambda line: LineKind(line.kind)):
        if kind is LineKind.TAX:
            continue
        these = list(found)
        yield {
            "title": _SECTIONS[kind],
            "sum": money(sum((line.amount for line in these), ZERO)) if len(these) > 1 else "",
            "lines": [
                {
                    "text": line.description,
                    "bands": [_band(band) for band in bands_of(line.bands)],
                    "amount": money(line.amount),
                }
                for line in these
            ],
        }


def _band(band: LineBand) -> str:
    price = plain(band.price_per_unit, places=2)
    per = "each" if band.unit == 1 else f"per {plain(band.unit)}"
    return f"{plain(band.quantity)} at {price} {per} = {plain(band.amount, places=2)}"


def plain(number: Decimal, *, places: int = 0) -> str:
    """`12,345.678`: exact, and with at least so many places."""
    whole, _, rest = f"{number:,f}".partition(".")
    rest = rest.rstrip("0").ljust(places, "0")
    return f"{whole}.{rest}" if rest else whole


def _sums(row: PaperRow, lines: Sequence[LineRow]) -> Iterator[tuple[str, str, bool]]:
    """Each with whether it stands out."""
    yield "Subtotal", money(row.subtotal), False
    for line in lines:
        if line.kind == LineKind.TAX:
            yield line.description, money(line.amount), False
    yield "Total", money(row.total_amount), True
    if row.credit_applied:
        yield "Credit from earlier invoices", money(-row.credit_applied), False


def _payment(row: PaperRow, payment: Sequence[str]) -> list[str]:
    return [*(shown(line) for line in payment), f"Reference: {row.number}"]


def _short(total: Decimal, highest: Decimal) -> str:
    """Above a bar is room for six figures."""
    return f"{total:,.0f}" if highest < 10**6 else f"{total / 1000:,.0f} k"


def _chart(paper: Paper) -> Iterator[dict[str, Any]]:
    """A bar a month, as a share of the highest; a month without an invoice has none."""
    highest = max(paper.totals.values(), default=ZERO)
    this = Month.of(paper.row.month)
    for ago in range(MONTHS_SHOWN - 1, -1, -1):
        month = this.shift(-ago)
        total = paper.totals.get(month)
        yield {
            "name": [
                _MONTHS[month.number - 1],
                str(month.year) if ago == MONTHS_SHOWN - 1 or month.number == 1 else "",
            ],
            "amount": "" if total is None else _short(total, highest),
            "share": 0.0 if not total else round(float(total / highest), 4),
            "this": month == this,
        }
