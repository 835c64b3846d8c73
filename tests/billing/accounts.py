"""One customer's books, kept by BILLING.md and the reference alone: what each act leaves behind, in whole cents.

Like the reference it imports nothing of ours. An act that the rules refuse raises `RefusedError` and changes nothing; what
stops an invoice in a run is a `StoppedError` with the code that the run names.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from tests.billing import reference
from tests.billing.reference import BilledMonth, Case, Customer, PriceList, TaxRate

Usage = Mapping[str, Decimal]


class RefusedError(Exception):
    """ILLEGAL_STATE or INVALID."""


class StoppedError(Exception):
    """What a run says of a customer whose month it cannot bill."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Book:
    """What all customers share."""

    price_lists: tuple[PriceList, ...]
    tax_rates: tuple[TaxRate, ...]


@dataclass(eq=False)
class Invoice:
    """`adjusted` is for each month with an adjustment line its usage's revision and what had been charged."""

    month: date
    said: reference.Invoice
    prices: PriceList
    revision: int
    adjusted: Mapping[date, tuple[int, int]]
    status: str = "DRAFT"
    number: int | None = None
    paid: int = 0
    credited: int = 0
    applied: dict[int, int] = field(default_factory=dict)  # by credit note's number

    @property
    def whole_month(self) -> bool:
        return sum(line.quantity or 0 for line in self.said.lines if line.kind == "BASE") == days_in(self.month)

    @property
    def due(self) -> int:
        if self.status in ("DRAFT", "CANCELLED"):
            return 0
        return max(0, self.said.total - sum(self.applied.values()) - self.credited - self.paid)

    @property
    def creditable(self) -> int:
        return self.said.total - self.credited if self.status == "PAID" else self.due

    @property
    def actions(self) -> set[str]:
        found = set()
        if self.status == "DRAFT":
            found |= {"ISSUE", "CANCEL"}
        if self.status == "ISSUED":
            found |= {"RECORD_PAYMENT"} | ({"CANCEL"} if self.paid == self.credited == 0 else set())
        return found | ({"ISSUE_CREDIT_NOTE"} if self.creditable else set())


@dataclass(frozen=True)
class Note:
    number: int
    invoice: Invoice
    cents: int
    credit: int


@dataclass
class Account:
    """`recorded` has every revision of a month's usage, the newest last."""

    book: Book
    customer: Customer
    recorded: dict[date, list[Usage]] = field(default_factory=dict)
    invoices: list[Invoice] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    # ---- what stands

    def living(self, month: date) -> Invoice | None:
        return next((one for one in self.invoices if one.month == month and one.status != "CANCELLED"), None)

    def standing(self) -> list[Invoice]:
        return [one for one in self.invoices if one.status in ("ISSUED", "PAID")]

    def newest(self, month: date) -> Usage:
        revisions = self.recorded.get(month)
        return revisions[-1] if revisions else {}

    def credit_left(self) -> Iterator[tuple[Note, int]]:
        """Oldest first; what cancelled invoices took up is free again."""
        for note in self.notes:
            used = sum(one.applied.get(note.number, 0) for one in self.invoices if one.status != "CANCELLED")
            yield note, note.credit - used

    def balance(self) -> int:
        return sum(one.due for one in self.invoices) - sum(left for _, left in self.credit_left())

    def charged(self, month: date) -> int:
        return reference.charged_so_far(self.case(NEVER).billed, month)

    def waiting(self, month: date) -> dict[date, int]:
        """For each month before this one with a standing invoice: what it should have cost by now, less what it did."""
        return reference.waiting(self.case(month))

    # ---- what an invoice would say

    def case(self, month: date) -> Case:
        """Another invoice for `month` is instead of one that is there, so that one counts for nothing."""
        return Case(
            month,
            self.book.price_lists,
            self.book.tax_rates,
            self.customer,
            self.newest(month),
            billed=tuple(
                BilledMonth(
                    one.month,
                    one.status,
                    one.prices,
                    one.said.tier,
                    one.said.usage - one.said.discount,
                    {line.subject: line.cents for line in one.said.lines if isinstance(line.subject, date)},
                )
                for one in self.invoices
                if one.month != month
            ),
            # an invoice of adjustments alone billed no usage
            newest_usage={one.month: self.newest(one.month) if one.revision else {} for one in self.standing()},
        )

    def bill(self, month: date) -> Invoice:
        """A new draft, not in the books yet. Raises StoppedError."""
        case = self.case(month)
        billable = is_billable(self.customer, month)
        if not billable and sum(reference.waiting(case).values()) <= 0:
            raise StoppedError("NOT_BILLABLE")
        if billable and month not in self.recorded:
            raise StoppedError("NO_USAGE")
        try:
            said = reference.invoice(case)
        except reference.NoTaxRateError:
            raise StoppedError("NO_TAX_RATE") from None
        adjusted = {
            line.subject: (len(self.recorded[line.subject]), reference.charged_so_far(case.billed, line.subject))
            for line in said.lines
            if isinstance(line.subject, date)
        }
        prices = reference.price_list_on(case.price_lists, month)
        return Invoice(month, said, prices, len(self.recorded[month]) if billable else 0, adjusted)

    def doubts(self, bill: Invoice) -> bool:
        before = sorted((one for one in self.standing() if one.month < bill.month), key=lambda one: one.month)
        subtotals = [one.said.subtotal for one in before if one.whole_month][-3:]
        return len(subtotals) == 3 and bill.said.subtotal > 10 * Fraction(sum(subtotals), 3)

    # ---- acts

    def record(self, month: date, usage: Usage) -> None:
        if not is_billable(self.customer, month):
            raise RefusedError
        if self.newest(month) != usage:
            self.recorded.setdefault(month, []).append(usage)

    def run(self, month: date, *, issue: bool) -> str:
        """What the run counts this customer as. Raises StoppedError; what is doubted is drafted all the same."""
        standing = self.living(month)
        if standing is not None and standing.status != "DRAFT":
            return "skipped"
        try:
            bill = self.bill(month)
        except StoppedError as stopped:
            if stopped.code == "NOT_BILLABLE" and standing is not None:
                standing.status = "CANCELLED"
                return "recomputed"
            raise
        draft = self._redraft(standing, bill)
        if self.doubts(bill):
            raise StoppedError("SANITY_BOUND")
        if issue:
            self._issue(draft)
        return "created" if standing is None else "recomputed"

    def issue(self, invoice: Invoice) -> None:
        if invoice.status != "DRAFT":
            raise RefusedError
        try:
            bill = self.bill(invoice.month)
        except StoppedError:
            raise RefusedError from None
        self._issue(self._redraft(invoice, bill))

    def cancel(self, invoice: Invoice) -> None:
        if "CANCEL" not in invoice.actions:
            raise RefusedError
        invoice.status = "CANCELLED"

    def pay(self, invoice: Invoice, cents: int) -> None:
        if "RECORD_PAYMENT" not in invoice.actions or not 0 < cents <= invoice.due:
            raise RefusedError
        invoice.paid += cents
        self._settle(invoice)

    def credit(self, invoice: Invoice, cents: int) -> None:
        if not 0 < cents <= invoice.creditable:
            raise RefusedError
        credit = cents if invoice.status == "PAID" else 0
        self.notes.append(Note(len(self.notes) + 1, invoice, cents, credit))
        invoice.credited += cents
        self._settle(invoice)

    def change_tier(self, tier: str, day: date) -> None:
        if self.customer.closed_on is not None or day < self.customer.active_from:
            raise RefusedError
        if reference.tier_on(self.customer, day) == tier:
            return
        self._refuse_billed(day)
        kept = tuple(change for change in self.customer.tier_changes if change[0] < day)
        added = () if kept and kept[-1][1] == tier else ((day, tier),)
        self.customer = replace(self.customer, tier_changes=(*kept, *added))

    def close(self, day: date) -> None:
        if self.customer.closed_on is not None or day < self.customer.active_from:
            raise RefusedError
        self._refuse_billed(day)
        first, *later = self.customer.tier_changes
        kept = (first, *(change for change in later if change[0] < day))
        self.customer = replace(self.customer, closed_on=day, tier_changes=kept)

    def _refuse_billed(self, day: date) -> None:
        if any(day < next_month(one.month) for one in self.standing()):
            raise RefusedError

    def _redraft(self, standing: Invoice | None, bill: Invoice) -> Invoice:
        if standing is None:
            self.invoices.append(bill)
            return bill
        standing.said, standing.prices = bill.said, bill.prices
        standing.revision, standing.adjusted = bill.revision, bill.adjusted
        return standing

    def _issue(self, draft: Invoice) -> None:
        draft.number = 1 + sum(one.number is not None for one in self.invoices)
        draft.status = "ISSUED"
        for note, left in list(self.credit_left()):
            if taken := min(left, draft.due):
                draft.applied[note.number] = taken
        self._settle(draft)

    @staticmethod
    def _settle(invoice: Invoice) -> None:
        if invoice.status == "ISSUED" and not invoice.due:
            invoice.status = "PAID"


# After every month that is billed.
NEVER = date(9999, 1, 1)


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def days_in(month: date) -> int:
    return (next_month(month) - month).days


def is_billable(customer: Customer, month: date) -> bool:
    return any(reference.is_billable(customer, day) for day in reference.days_of(month))


def last_day(month: date) -> date:
    return next_month(month) - timedelta(days=1)


def months(first: date, count: int) -> Sequence[date]:
    found = [first]
    while len(found) < count:
        found.append(next_month(found[-1]))
    return found
