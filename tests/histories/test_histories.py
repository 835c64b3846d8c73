"""Random histories of one customer over the real database: whatever is done, in whatever order, no cent goes astray.

A state machine draws acts and lets both do them, ours and the books of `tests.billing.accounts`, which know BILLING.md
and nothing of ours. After each act everything that stands must be the same, and what must always hold is looked at.
`make histories` runs a thousand of them and more; `make test` a few.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from billing import corrections, invoicing, preview
from billing import customers as customer_rules
from billing import usage as recording
from billing.periods import Month
from billing.recompute import recompute
from db import invoices
from db.enums import TaxStatus, Tier
from db.errors import IllegalState, Invalid
from db.invoices import InvoiceRow
from db.session import Session
from tests.billing import accounts, reference
from tests.billing.accounts import Account, RefusedError, StoppedError
from tests.billing.cases import PRICED, TIERS, UNPRICED
from tests.billing.ours import cents, invoice_of, usage_of
from tests.billing.reference import Customer
from tests.histories import books
from tests.histories.conftest import House
from tests.ledger import NOW

T = TypeVar("T")

# The price list changes in between, and every one of them is over.
MONTHS = accounts.months(date(2025, 2, 1), 5)
FIRST, LAST = MONTHS[0], accounts.last_day(MONTHS[-1])
LATER = Month(2025, 12)

METRICS = (*PRICED, *UNPRICED)

months = st.sampled_from(MONTHS)
days = st.integers(0, (LAST - FIRST).days).map(lambda days: FIRST + timedelta(days=days))
tiers = st.sampled_from(TIERS)
jurisdictions = st.sampled_from(["DE", "US-WA", "FR", "AT", "ZZ"])
tax_statuses = st.sampled_from(["TAXABLE", "TAXABLE", "EXEMPT", "REVERSE_CHARGE"])


def usage(accounts: list[int], events: list[int], gigabytes: list[str]) -> st.SearchStrategy[dict[str, Decimal]]:
    drawn = {metric: st.just(Decimal(0)) for metric in METRICS}
    drawn |= {
        "ACCOUNT_COUNT": st.sampled_from(accounts).map(Decimal),
        "OU_COUNT": st.sampled_from([0, 3]).map(Decimal),
        "CLOUDTRAIL_EVENTS": st.sampled_from(events).map(Decimal),
        "LOG_STORAGE_GB": st.sampled_from(gigabytes).map(Decimal),
    }
    return st.fixed_dictionaries(drawn)


usual_uses = usage([12, 9, 40], [0, 12_345_678], ["0", "99.999999"])
uses = usage([110, 0, 12, 1000, 2500, 5], [0, 12_345_678, 700_000_001], ["0", "12345.678901"])
places = st.integers(0, 20)
# Of what is due or may be credited: nothing, one cent, half, all, one cent too much.
parts = st.sampled_from(["nothing", "a cent", "half", "all", "all", "too much"])


def part_of(whole: int, part: str) -> int:
    return {"nothing": 0, "a cent": 1, "half": whole // 2, "all": whole, "too much": whole + 1}[part]


class History(RuleBasedStateMachine):
    """One customer. The test sets `house`, and `seen`, which counts the histories that had something in them."""

    house: ClassVar[House]
    seen: ClassVar[Counter[str]]
    account: Account
    customer_id: UUID
    rows: Sequence[InvoiceRow]

    def wait(self, asked: Coroutine[Any, Any, T]) -> T:
        return self.house.runner.run(asked)

    def both(self, ours: Callable[[Session], Awaitable[object]], theirs: Callable[[], None]) -> None:
        """One act, done by both or refused by both."""

        async def act() -> bool:
            try:
                async with self.house.ledger.house.session() as session:
                    await ours(session)
            except (IllegalState, Invalid):
                return False
            return True

        try:
            theirs()
        except RefusedError:
            assert self.wait(act()) is False
        else:
            assert self.wait(act()) is True

    # ---------------------------------------------------------------- acts

    @initialize(
        active_from=st.sampled_from([date(2024, 6, 1), FIRST, date(2025, 2, 14), date(2025, 3, 31)]),
        changes=st.lists(st.tuples(days, tiers), max_size=2, unique_by=lambda change: change[0]),
        tier=tiers,
        jurisdiction=jurisdictions,
        tax_status=tax_statuses,
        used=st.lists(usual_uses, min_size=len(MONTHS), max_size=len(MONTHS)),
        billed=st.sampled_from([3, 2, 4, 1, 5, 0]),
    )
    def begin(
        self,
        active_from: date,
        changes: list[tuple[date, str]],
        tier: str,
        jurisdiction: str,
        tax_status: str,
        used: list[dict[str, Decimal]],
        billed: int,
    ) -> None:
        """A customer with usage in each month, the first of which are billed."""
        customer = Customer(active_from, None, ((active_from, tier),), jurisdiction, tax_status)
        self.account = Account(self.house.book, customer)
        self.rows = []
        self.frozen: dict[int, object] = {}
        made = self.house.ledger.customer(
            tier=Tier[tier],
            jurisdiction=jurisdiction,
            tax_status=TaxStatus[tax_status],
            active_from=active_from,
            used=(),
        )
        self.customer_id = self.wait(made)
        for day, other in sorted(changes):
            self.change_tier(day, other)
        for month, usage in zip(MONTHS, used, strict=True):
            self.record(month, usage)
        for month in MONTHS[:billed]:
            self.run(month, issue=True)

    @rule(month=months, usage=uses)
    def record(self, month: date, usage: dict[str, Decimal]) -> None:
        async def ours(session: Session) -> object:
            return await recording.record(
                session, self.customer_id, Month.of(month), usage_of(usage), expected_revision=None, now=NOW
            )

        self.both(ours, lambda: self.account.record(month, usage))

    @precondition(lambda self: self.account.standing())
    @rule(place=places, usage=uses)
    def correct(self, place: int, usage: dict[str, Decimal]) -> None:
        """A month that was billed before."""
        standing = self.account.standing()
        self.record(standing[place % len(standing)].month, usage)

    @precondition(lambda self: self.account.standing())
    @rule(place=places, usage=uses, issue=st.booleans())
    def correct_and_bill(self, place: int, usage: dict[str, Decimal], issue: bool) -> None:
        self.correct(place, usage)
        self.bill_on(issue)

    @rule(issue=st.booleans())
    def bill_on(self, issue: bool) -> None:
        """The first month that has no invoice yet, or a draft."""
        open_months = [month for month in MONTHS if month not in {one.month for one in self.account.standing()}]
        if open_months:
            self.run(open_months[0], issue)

    @rule(month=months, issue=st.booleans())
    def run(self, month: date, issue: bool) -> None:
        wanted = {"invoices_created": 0, "invoices_recomputed": 0, "invoices_skipped": 0, "customers_failed": 0}
        codes = {}
        try:
            wanted["invoices_" + self.account.run(month, issue=issue)] = 1
        except StoppedError as stopped:
            wanted["customers_failed"] = 1
            codes[self.customer_id] = stopped.code
        ledger = self.house.ledger
        done = self.wait(ledger.bill(self.customer_id, month=Month.of(month), issue=issue))
        assert {name: getattr(done, name) for name in wanted} == wanted
        assert self.wait(ledger.failures(done.id)) == codes

    @rule(issue=st.booleans())
    def run_every_month(self, issue: bool) -> None:
        for month in MONTHS:
            self.run(month, issue)

    @precondition(lambda self: self.rows)
    @rule(place=places)
    def issue(self, place: int) -> None:
        row, invoice = self.chosen(place)
        self.both(
            lambda session: invoicing.issue(session, row.id, now=NOW),
            lambda: self.account.issue(invoice),
        )

    @precondition(lambda self: self.rows)
    @rule(place=places)
    def cancel(self, place: int) -> None:
        row, invoice = self.chosen(place)
        self.both(
            lambda session: invoicing.cancel(session, row.id, reason="a history", now=NOW),
            lambda: self.account.cancel(invoice),
        )

    @precondition(lambda self: self.rows)
    @rule(place=places)
    def cancel_and_bill_again(self, place: int) -> None:
        self.cancel(place)
        self.run(self.chosen(place)[1].month, issue=True)

    @precondition(lambda self: self.rows)
    @rule(place=places, part=parts)
    def pay(self, place: int, part: str) -> None:
        row, invoice = self.chosen(place)
        amount = part_of(invoice.due, part)

        async def ours(session: Session) -> object:
            return await invoicing.record_payment(
                session, row.id, amount=Decimal(amount) / 100, method="card", reference=None, received_at=None, now=NOW
            )

        self.both(ours, lambda: self.account.pay(invoice, amount))

    @precondition(lambda self: self.rows)
    @rule(place=places, part=parts)
    def credit(self, place: int, part: str) -> None:
        row, invoice = self.chosen(place)
        amount = part_of(invoice.creditable, part)
        self.both(
            lambda session: invoicing.credit(
                session, row.id, amount=Decimal(amount) / 100, reason="a history", now=NOW
            ),
            lambda: self.account.credit(invoice, amount),
        )

    @precondition(lambda self: self.rows)
    @rule(place=places, part=parts)
    def pay_and_credit(self, place: int, part: str) -> None:
        self.pay(place, "all")
        self.look_again()
        self.credit(place, part)

    @rule(day=days, tier=tiers)
    def change_tier(self, day: date, tier: str) -> None:
        self.both(
            lambda session: customer_rules.change_tier(
                session, self.customer_id, Tier[tier], effective_on=day, now=NOW
            ),
            lambda: self.account.change_tier(tier, day),
        )

    @rule(day=days)
    def close(self, day: date) -> None:
        self.both(
            lambda session: customer_rules.close(session, self.customer_id, reason="a history", closed_on=day, now=NOW),
            lambda: self.account.close(day),
        )

    @precondition(lambda self: self.account.standing())
    @rule(days=st.sampled_from([0, 0, 0, 1, 30]))
    def close_after_what_is_billed(self, days: int) -> None:
        last = max(one.month for one in self.account.standing())
        self.close(accounts.next_month(last) + timedelta(days=days))

    @rule(jurisdiction=jurisdictions, tax_status=tax_statuses)
    def tax(self, jurisdiction: str, tax_status: str) -> None:
        changes = {"tax_jurisdiction": jurisdiction, "tax_status": TaxStatus[tax_status]}
        customer = replace(self.account.customer, jurisdiction=jurisdiction, tax_status=tax_status)
        self.both(
            lambda session: customer_rules.update(session, self.customer_id, changes, now=NOW),
            lambda: setattr(self.account, "customer", customer),
        )

    @rule(month=months)
    def look_ahead(self, month: date) -> None:
        """A preview says what the next invoice would."""

        async def ours() -> reference.Invoice | None:
            async with self.house.ledger.house.session() as session:
                rating = await preview.preview(session, self.customer_id, Month.of(month), tier=None, usage=None)
            return None if rating is None else invoice_of(rating)

        try:
            wanted = self.account.bill(month).said
        except StoppedError as stopped:
            if stopped.code == "NOT_BILLABLE":
                assert self.wait(ours()) is None
        else:
            assert self.wait(ours()) == wanted

    def chosen(self, place: int) -> tuple[InvoiceRow, accounts.Invoice]:
        at = place % len(self.rows)
        return self.rows[at], self.account.invoices[at]

    # ---------------------------------------------------------------- what must hold after each

    @invariant()
    def everything_stands_as_the_rules_say(self) -> None:
        self.look_again()

    def look_again(self) -> None:
        self.wait(self._look())

    async def _look(self) -> None:
        ledger, account = self.house.ledger, self.account
        stored = (await books.stored(ledger.admin, [self.customer_id]))[self.customer_id]
        assert stored == books.expected(account)
        async with ledger.house.session() as session:
            page = await invoices.page(session, first=100, after=None, today=NOW.date(), customer_id=self.customer_id)
            self.rows = page.rows[::-1]
            again = await recompute(session, self.rows)
            owed = (await corrections.due(session, [self.customer_id], LATER)).get(self.customer_id, ())
            (balance,) = await invoices.balances(session, [self.customer_id])
        self._charged_is_what_it_should_be(stored, {one.month.first: cents(one.newest - one.charged) for one in owed})
        self._no_credit_is_lost(stored, cents(balance.balance))
        assert all(invoice.subtotal >= 0 for invoice in stored.invoices)
        assert again == {row.id: () for row in self.rows}
        assert [{action.name for action in invoicing.available_actions(row)} for row in self.rows] == [
            one.actions for one in account.invoices
        ]
        assert [cents(invoicing.amount_due(row)) for row in self.rows] == [one.due for one in account.invoices]
        for place, invoice in enumerate(stored.invoices):
            if invoice.number is not None:
                assert self.frozen.setdefault(place, invoice.frozen) == invoice.frozen
        numbers = sorted(invoice.number for invoice in stored.invoices if invoice.number is not None)
        assert numbers == list(range(1, len(numbers) + 1))

    def _charged_is_what_it_should_be(self, stored: books.Books, waits: dict[date, int]) -> None:
        """What was charged for a month, with what waits, is its newest usage priced once, whatever happened."""
        standing = [one for one in stored.invoices if one.status in ("ISSUED", "PAID")]
        assert set(waits) <= {one.month for one in standing}
        for invoice in standing:
            if not invoice.revision:
                continue
            charged = invoice.usage - invoice.discount
            charged += sum(line.cents for one in standing for line in one.lines if line.subject == invoice.month)
            prices = reference.price_list_on(self.house.book.price_lists, invoice.month)
            once = reference.usage_less_discount(prices, invoice.tier, self.account.newest(invoice.month))
            assert charged + waits.get(invoice.month, 0) == once

    def _no_credit_is_lost(self, stored: books.Books, balance: int) -> None:
        """What came in, as money or as credit, is all accounted for: settled, or still the customer's."""
        standing = [one for one in stored.invoices if one.status in ("ISSUED", "PAID")]
        used = {note.number: 0 for note in stored.notes}
        for invoice in standing:
            for number, amount in invoice.applied:
                used[number] += amount
        assert all(0 <= used[note.number] <= note.credit <= note.cents for note in stored.notes)
        credit_left = sum(note.credit - used[note.number] for note in stored.notes)
        came_in = sum(one.paid + one.credited for one in standing)
        assert sum(one.total for one in standing) - came_in == balance == self.account.balance()
        due = sum(
            max(0, one.total - one.paid - one.credited - sum(amount for _, amount in one.applied)) for one in standing
        )
        assert due - credit_left == balance

    def teardown(self) -> None:
        if hasattr(self, "account"):
            self.seen.update(traits(self.account))


def traits(account: Account) -> set[str]:
    """What came to pass in a history, of all that the rules speak of."""
    numbered = sorted((one for one in account.invoices if one.number), key=lambda one: one.number or 0)
    standing = account.standing()
    adjusted = [
        (one, line.subject, line.cents) for one in standing for line in one.said.lines if isinstance(line.subject, date)
    ]
    named = {one.month: one.prices for one in standing}
    found = {
        "charged later": any(cents > 0 for _, _, cents in adjusted),
        "given back later": any(cents < 0 for _, _, cents in adjusted),
        "nothing below nothing": any(one.said.adjustments < 0 and not one.said.subtotal for one in standing),
        "adjusted over and over": len(adjusted) > len({month for _, month, _ in adjusted}),
        "priced under another list": any(named.get(month, one.prices) is not one.prices for one, month, _ in adjusted),
        "adjustments alone": any(not one.revision for one in standing),
        "closed": account.customer.closed_on is not None,
        "corrected again": any(len(revisions) > 2 for revisions in account.recorded.values()),
        "out of order": [one.month for one in numbered] != sorted(one.month for one in numbered),
        "billed again": any(
            one.status == "CANCELLED" and other.status != "CANCELLED" and one.month == other.month
            for one in numbered
            for other in numbered
        ),
        "nothing left": any(one.status == "CANCELLED" and one.number is None for one in account.invoices),
        "draft left lying": any(one.status == "DRAFT" for one in account.invoices),
        "part paid": any(one.paid > 0 and one.status == "ISSUED" for one in standing),
        "credited while due": any(one.credited and one.status == "ISSUED" for one in standing),
        "credited after payment": any(note.credit for note in account.notes),
        "credit used": any(one.applied for one in standing),
        "credit of several notes": any(len(one.applied) > 1 for one in standing),
        "settled by credit": any(one.applied and one.status == "PAID" and not one.paid for one in standing),
        "credit free again": any(one.applied for one in account.invoices if one.status == "CANCELLED"),
        "more than usual": any(account.doubts(one) for one in account.invoices if one.status != "CANCELLED"),
    }
    return {trait for trait, holds in found.items() if holds}


@pytest.mark.parametrize("strand", range(2))
def test_whatever_happens_to_a_customer_the_books_are_right(
    history_house: House, strand: int, pytestconfig: pytest.Config
) -> None:
    """In two strands, so that two processes can share the work."""
    seen: Counter[str] = Counter()
    histories = pytestconfig.getoption("histories")
    run_state_machine_as_test(
        type("History", (History,), {"house": history_house, "seen": seen}),
        settings=settings(
            max_examples=(histories + 1) // 2,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
