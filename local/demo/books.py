"""The demo data's year of business, billed month by month as a run would have done it: pure, nothing is stored here.

Amounts come from `billing.rating` alone; adjustments follow rule 5 of BILLING.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import orjson

from billing import inputs, rating
from billing.corrections import Correction
from billing.failures import BillingFailure
from billing.inputs import Bill, Inputs
from billing.money import ZERO, to_cents
from billing.periods import Month, billable_days
from billing.prices import StoredRateCard
from billing.rate_card import TaxRates, in_force
from billing.rating import Usage
from billing.usage import usage_of
from db.billing_runs import Outcome, Result, RunRow
from db.customers import CustomerRow
from db.enums import TaxStatus, Tier
from db.usage import UsageRow
from local.demo.moments import MONTHS, Calendar, When, characters, id_of, instant, number
from local.demo.people import COMPANIES, INES, RUNS_AGAIN, Company
from local.demo.usage import corrected, used

# of invoice prefixes: what cannot be taken for something else
_UNAMBIGUOUS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_SMALL = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Payment:
    id: UUID
    amount: Decimal
    method: str
    reference: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class CreditNote:
    id: UUID
    number: str
    amount: Decimal
    reason: str
    issued_at: datetime


@dataclass(slots=True)
class Invoice:
    id: UUID
    company: Company
    bill: Bill
    number: str
    issued_at: datetime
    cancelled: tuple[datetime, str] | None = None
    payments: list[Payment] = field(default_factory=list)
    credit_note: CreditNote | None = None

    @property
    def customer_id(self) -> UUID:
        return self.bill.customer_id

    @property
    def month(self) -> Month:
        return self.bill.rating.month

    @property
    def total(self) -> Decimal:
        return self.bill.rating.total_amount

    @property
    def due(self) -> Decimal:
        """Of an invoice that is not cancelled."""
        credited = self.credit_note.amount if self.credit_note else ZERO
        return self.total - credited - sum((payment.amount for payment in self.payments), ZERO)


@dataclass(slots=True)
class Run:
    """`results` has an entry for each customer; `invoices` are those that it made, all of them issued."""

    row: RunRow
    started_by: str
    results: list[Result]
    invoices: list[Invoice]


@dataclass(slots=True)
class Account:
    """One company's books. `usage` has every revision of each month, the newest last."""

    company: Company
    customer: CustomerRow
    usage: dict[Month, list[UsageRow]]
    invoices: list[Invoice] = field(default_factory=list)

    def living(self, month: Month) -> Invoice | None:
        return next((one for one in self.invoices if one.month == month and one.cancelled is None), None)

    def charged(self, month: Month) -> Decimal:
        """For that month's usage, by its own invoice and by every adjustment since."""
        total = ZERO
        for invoice in self.invoices:
            if invoice.cancelled is None:
                if invoice.month == month:
                    total += invoice.bill.rating.usage_charges - invoice.bill.rating.volume_discount
                total += sum((line.amount for line in invoice.bill.rating.lines if line.adjusted_month == month), ZERO)
        return total

    def recorded(self, month: Month, at: datetime) -> UsageRow | None:
        """The newest revision of the month that was there at that instant."""
        known = [row for row in self.usage.get(month, ()) if row.recorded_at <= at]
        return known[-1] if known else None


@dataclass(slots=True)
class Books:
    accounts: dict[str, Account]
    runs: list[Run]  # in the order in which they ran

    @property
    def invoices(self) -> Iterator[Invoice]:
        for run in self.runs:
            yield from run.invoices

    def of(self, company: Company) -> Account:
        return self.accounts[company.slug]


@dataclass(frozen=True, slots=True)
class Prices:
    """All that stands in the database."""

    cards: Mapping[UUID, StoredRateCard]
    tax_rates: TaxRates

    def on(self, day: date) -> StoredRateCard | None:
        return in_force(self.cards.values(), day)


def invoice_prefix(company: Company) -> str:
    return characters(f"{company.slug}/prefix", _UNAMBIGUOUS, 6)


def founded(calendar: Calendar, company: Company) -> datetime:
    """When the company was entered: some days before its first one."""
    days = 3 + number(f"{company.slug}/founded", 9)
    first = instant(calendar.day(company.since), time(8, 10))
    return first - timedelta(days=days) + timedelta(minutes=number(f"{company.slug}/minute", 480))


def keep(calendar: Calendar, prices: Prices) -> Books:
    """The books of all companies as they stand at the planting."""
    books = Books({company.slug: _account(calendar, company) for company in COMPANIES}, [])
    for ago in range(MONTHS, 0, -1):
        month = calendar.month(ago)
        starts = [(instant(calendar.month(ago - 1).first), "schedule")]
        if ago in RUNS_AGAIN:
            starts.append((calendar.at(RUNS_AGAIN[ago]), INES))
        for at, started_by in starts:
            run = _run(calendar, list(books.accounts.values()), month, prices, at, started_by)
            books.runs.append(run)
            _cancel(calendar, run, ago)
    for account in books.accounts.values():
        _settle(calendar, account)
    return books


# ---------------------------------------------------------------- who, and how much of it


def _account(calendar: Calendar, company: Company) -> Account:
    customer = _customer(calendar, company)
    usage: dict[Month, list[UsageRow]] = {}
    for ago in range(company.since.ago, -1, -1):
        month = calendar.month(ago)
        billable = billable_days(month, active_from=customer.active_from, closed_on=customer.closed_on)
        if billable is not None:
            usage[month] = _usage(calendar, company, customer.id, month, ago, billable.count)
    return Account(company, customer, usage)


def _customer(calendar: Calendar, company: Company) -> CustomerRow:
    made_at = founded(calendar, company)
    tiers: list[tuple[date, Tier]] = [(calendar.day(company.since), company.tier)]
    changes = [made_at]
    if company.then is not None:
        when, tier = company.then
        tiers.append((calendar.day(when), tier))
        changes.append(entered(calendar, when))
    if company.closed is not None:
        changes.append(entered(calendar, company.closed))
    for event in (company.taxable_until, company.suspended):
        if event is not None:
            changes.append(calendar.at(event))
    domain = f"{company.slug}.example"
    return CustomerRow(
        id=id_of(made_at, f"customer/{company.slug}"),
        name=company.name,
        framework=company.framework,
        aws_org_id="o-" + characters(f"{company.slug}/org", _SMALL, 10),
        aws_account_id=f"{number(f'{company.slug}/account', 10**12):012}",
        email=f"cloud@{domain}",
        billing_email=f"invoices@{domain}",
        mfa_enforced=True,
        encryption_required=True,
        tags=orjson.dumps({"region": company.region, "since": f"{calendar.day(company.since):%Y-%m}"}).decode(),
        custom_config="{}",
        tax_jurisdiction=company.jurisdiction,
        tax_status=company.tax_status,
        invoice_prefix=invoice_prefix(company),
        active_from=calendar.day(company.since),
        closed_on=None if company.closed is None else calendar.day(company.closed),
        suspended_at=None if company.suspended is None else calendar.at(company.suspended),
        epoch=1 + sum(event is not None for event in (company.closed, company.suspended)),
        created_at=made_at,
        updated_at=max(changes),
        begun=[f"{start} {tier}" for start, tier in tiers],
    )


def entered(calendar: Calendar, when: When) -> datetime:
    """When something was entered that holds from a day on: on the day before, or in good time where it is to come."""
    if when.ago < 0:
        return calendar.at(When(1, 24, 10, 30))
    return instant(calendar.day(when) - timedelta(days=1), time(10, 30))


def _usage(
    calendar: Calendar, company: Company, customer_id: UUID, month: Month, ago: int, days: int
) -> list[UsageRow]:
    if ago == 0:
        # up to the last midnight
        so_far = used(company, month, ago=0, days=calendar.now.day - 1)
        return [_revision(customer_id, month, 1, so_far, instant(calendar.now.date()))]
    first = used(company, month, ago=ago, days=days)
    at = instant(month.next().first) - timedelta(minutes=10)
    if ago in company.forgotten:
        at = calendar.at(company.forgotten[ago])
    rows = [_revision(customer_id, month, 1, first, at)]
    if ago in company.corrected:
        when, thousandths = company.corrected[ago]
        rows.append(_revision(customer_id, month, 2, corrected(first, thousandths), calendar.at(when)))
    return rows


def _revision(customer_id: UUID, month: Month, revision: int, usage: Usage, at: datetime) -> UsageRow:
    numbers = {one.name: getattr(usage, one.name) for one in fields(Usage)}
    return UsageRow(customer_id=customer_id, month=month.first, revision=revision, recorded_at=at, **numbers)


# ---------------------------------------------------------------- billing


def _run(
    calendar: Calendar,
    accounts: Sequence[Account],
    month: Month,
    prices: Prices,
    at: datetime,
    started_by: str,
) -> Run:
    """Everyone who is billable is billed, and the invoice issued, with what was known at that instant."""
    results: list[Result] = []
    made: list[Invoice] = []
    for account in sorted(accounts, key=lambda account: account.customer.id):
        customer = account.customer
        if billable_days(month, active_from=customer.active_from, closed_on=customer.closed_on) is None:
            continue
        if account.living(month) is not None:
            results.append(Result(customer.id, Outcome.SKIPPED))
            continue
        try:
            invoice = _bill(calendar, account, month, prices, at)
        except BillingFailure as failure:
            results.append(Result(customer.id, Outcome.FAILED, code=failure.code, reason=str(failure)))
        else:
            account.invoices.append(invoice)
            made.append(invoice)
            results.append(Result(customer.id, Outcome.CREATED, issued=True, amount=invoice.total))
    failed = sum(result.outcome is Outcome.FAILED for result in results)
    row = RunRow(
        id=id_of(at, f"run/{calendar.ago(month)}/{started_by}"),
        month=month.first,
        status="completed_with_failures" if failed else "completed",
        dry_run=False,
        issue=True,
        customers_total=len(results),
        invoices_created=len(made),
        invoices_recomputed=0,
        invoices_skipped=sum(result.outcome is Outcome.SKIPPED for result in results),
        invoices_issued=len(made),
        customers_failed=failed,
        total_amount=sum((invoice.total for invoice in made), ZERO),
        billed_at=at,
        created_at=at,
        started_at=min(calendar.now, at + timedelta(milliseconds=180)),
        finished_at=min(calendar.now, at + timedelta(milliseconds=180 + 35 * len(results))),
    )
    return Run(row, started_by, results, made)


def _bill(calendar: Calendar, account: Account, month: Month, prices: Prices, at: datetime) -> Invoice:
    """Raises the BillingFailure that stops it."""
    company, customer = account.company, account.customer
    if company.taxable_until is not None and at < calendar.at(company.taxable_until):
        customer = replace(customer, tax_status=TaxStatus.TAXABLE)
    usage = account.recorded(month, at)
    known = Inputs(
        month=month,
        card=prices.on(month.first),
        tax_rates=prices.tax_rates,
        customers={customer.id: customer},
        usage={} if usage is None else {customer.id: usage},
        corrections={customer.id: _corrections(account, month, at)},
    )
    bill = inputs.bill(known, customer.id)
    count = len(account.invoices) + 1
    return Invoice(
        id=id_of(at, f"invoice/{company.slug}/{calendar.ago(month)}/{count}"),
        company=company,
        bill=bill,
        number=f"{customer.invoice_prefix}-{count:04}",
        issued_at=at,
    )


def _corrections(account: Account, month: Month, at: datetime) -> list[Correction]:
    """Of the earlier months whose newest usage comes to something else than what was charged for them."""
    found: list[Correction] = []
    for invoice in account.invoices:
        usage = account.recorded(invoice.month, at)
        if invoice.cancelled is not None or invoice.month >= month or usage is None:
            continue
        basis = invoice.bill.basis
        newest = rating.usage_charge(basis.card.card, basis.tier, usage_of(usage)).net
        charged = account.charged(invoice.month)
        if newest != charged:
            found.append(Correction(invoice.month, newest, charged, invoice.id, usage.revision))
    return found


def _cancel(calendar: Calendar, run: Run, ago: int) -> None:
    for invoice in run.invoices:
        if ago in invoice.company.cancelled:
            when, reason = invoice.company.cancelled[ago]
            if run.row.billed_at < calendar.at(when):
                invoice.cancelled = calendar.at(when), reason


# ---------------------------------------------------------------- money


def _settle(calendar: Calendar, account: Account) -> None:
    """What has come in by now."""
    company = account.company
    for invoice in account.invoices:
        if invoice.cancelled is not None:
            continue
        ago = calendar.ago(invoice.month)
        name = f"{company.slug}/{ago}"
        if ago in company.credited:
            when, credited, reason = company.credited[ago]
            at = calendar.at(when)
            number_of_note = f"{account.customer.invoice_prefix}-CN-0001"
            invoice.credit_note = CreditNote(id_of(at, f"credit/{name}"), number_of_note, Decimal(credited), reason, at)
        if ago in company.unpaid:
            continue
        days = company.pays_after + number(f"{name}/days", 7)
        at = invoice.issued_at + timedelta(days=days, minutes=480 + number(f"{name}/minute", 500))
        half = to_cents(invoice.due / 2)
        if ago in company.first_half_only:
            parts = [(at, half)]
        elif ago in company.in_two_payments:
            parts = [(at, half), (at + timedelta(days=3, minutes=47), invoice.due - half)]
        else:
            parts = [(at, invoice.due)]
        for place, (received_at, amount) in enumerate(parts, 1):
            if calendar.happened(received_at):
                reference = f"{invoice.number} / {number(f'{name}/{place}/reference', 10**8):08}"
                id = id_of(received_at, f"payment/{name}/{place}")
                invoice.payments.append(Payment(id, amount, company.method, reference, received_at))
