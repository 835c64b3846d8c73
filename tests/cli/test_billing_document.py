"""docs/billing.md is true: its example is what billing makes of it, twice, and its commands answer as it shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from billing import customers as customer_rules
from billing import price_list, rating
from billing.periods import Days, Month, TierDays
from db.billing_runs import BillingFailureCode
from db.enums import TaxStatus, Tier
from schema.ids import typeid
from tests.billing import cases, ours, reference
from tests.billing.reference import BilledMonth, Case, Customer, TaxRate
from tests.cli.conftest import Shell
from tests.invoices.states import credit, pay
from tests.ledger import NOW, USED, Ledger

DOCUMENT = (Path(__file__).parents[2] / "docs" / "billing.md").read_text()
SEPTEMBER, OCTOBER = Month(2025, 9), Month(2025, 10)
MOVE = date(2025, 10, 11)
PREFIX, RUN = "K7M2QX", "run_01k9xq8m4jeyarw2c3v5t6b7d8"


def table(head: str) -> list[list[str]]:
    """The rows of the table that begins with this head; what stands for emphasis or code is left out."""
    rows = DOCUMENT.split(f"| {head} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`*") for cell in row.strip("|").split("|")] for row in rows]


def exactly(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


USAGE = {metric: exactly(used) for metric, used, _, _ in table("metric | used | included | over")}
LINES = table("line | calculation | amount")
SEPTEMBERS = {"ACCOUNT_COUNT": Decimal(14), "CLOUDTRAIL_EVENTS": Decimal(USED["cloudtrail_events"])}


# ---------------------------------------------------------------- the example


def rated() -> rating.Rating:
    card = price_list.read(price_list.FIRST_PRICE_LIST).card
    was, is_now = (
        rating.usage_charge(card, Tier.STANDARD, ours.usage_of({**SEPTEMBERS, "ACCOUNT_COUNT": Decimal(count)}))
        for count in (USED["account_count"], 14)
    )
    assert f"{was.net}" == "57.35"
    return rating.rate(
        card,
        [
            TierDays(Tier.STANDARD, Days(OCTOBER.first, MOVE)),
            TierDays(Tier.FINTECH, Days(MOVE, OCTOBER.next().first)),
        ],
        OCTOBER,
        ours.usage_of(USAGE),
        rating.Tax("DE", TaxStatus.TAXABLE, Decimal("0.19")),
        [rating.Adjustment(SEPTEMBER, is_now.net, was.net)],
    )


def by_the_reference() -> reference.Invoice:
    file = price_list.FIRST_PRICE_LIST
    prices = cases.price_list_in(file)
    customer = Customer(date(2025, 1, 1), None, ((date(2025, 1, 1), "STANDARD"), (MOVE, "FINTECH")), "DE", "TAXABLE")
    billed = BilledMonth(SEPTEMBER.first, "PAID", prices, "STANDARD", 57_35)
    taxes = tuple(TaxRate(one.jurisdiction, one.rate, one.effective_from) for one in cases.tax_rates_in(file))
    newest = {SEPTEMBER.first: SEPTEMBERS}
    return reference.invoice(Case(OCTOBER.first, (prices,), taxes, customer, USAGE, (billed,), newest))


def test_every_amount_is_what_both_implementations_compute() -> None:
    told = [exactly(amount) for _, _, amount in LINES]
    assert [line.amount for line in rated().lines] == told[:-1]
    assert [Decimal(line.cents) / 100 for line in by_the_reference().lines] == told[:-1]
    assert rated().total_amount == told[-1] == sum(told[:-1])
    assert ours.invoice_of(rated()) == by_the_reference()


def test_every_calculation_comes_to_its_amount() -> None:
    """Worked out as it is written, and rounded half-up."""
    for name, calculation, amount in LINES[:-1]:
        added = [term.split(" ") for term in calculation.replace(" - ", " + -").replace(",", "").split(" + ")]
        found = sum((product(words) for words in added), Decimal(0))
        rounded = abs(found).quantize(Decimal("0.01"), "ROUND_HALF_UP").copy_sign(found)
        assert rounded == exactly(amount), name


def product(words: Sequence[str]) -> Decimal:
    found = Decimal(words[0])
    for operator, number in zip(words[1::2], words[2::2], strict=True):
        found = found * Decimal(number) if operator == "x" else found / Decimal(number)
    return found


def test_what_is_over_the_allowance_is_what_is_billed() -> None:
    lines = {line.metric.name: line for line in rated().lines if line.metric is not None}
    card = price_list.read(price_list.FIRST_PRICE_LIST).card
    included = {price.metric.name: price.included for price in card.of(Tier.FINTECH).metrics}
    told = table("metric | used | included | over")
    assert {metric for metric, *_ in told} == {*included, "OU_COUNT", "SCP_COUNT"}
    for metric, used, allowed, over in told:
        if metric in included:
            line = lines[metric]
            assert (line.quantity, included[metric], line.billable) == (exactly(used), exactly(allowed), exactly(over))
        else:
            assert (allowed, over, metric in lines) == ("", "", False)


def test_every_amount_in_the_prose_is_one_of_the_example() -> None:
    prose = DOCUMENT.split("- The log storage is")[1].split("## What an invoice can become")[0]
    found = rated()
    known = {abs(line.amount) for line in found.lines}
    known |= {found.tier_base_cost, found.usage_charges, found.volume_discount, found.subtotal, found.total_amount}
    known |= {
        exactly(text) for text in ("25.00", "20.00", "5,000.00", "57.35", "107.35", "7.35", "100.00", "14,066.09")
    }
    assert {exactly(text) for text in re.findall(r"(?<![\d.])\d[\d,]*\.\d\d(?!\d)", prose)} <= known
    assert found.subtotal * found.tax_rate == Decimal("2261.8132")
    assert found.usage_charges * Decimal("0.05") == Decimal("304.725")


# ---------------------------------------------------------------- the commands


@pytest.fixture
async def initech(ledger: Ledger) -> UUID:
    """As the example tells, before October is billed."""
    customer = await ledger.customer(used=())
    await ledger.use(customer, SEPTEMBER, **USED)
    september = await ledger.issued(customer, SEPTEMBER)
    await credit(ledger, await pay(ledger, september, str(september.total_amount)), "100.00", "an outage")
    await ledger.use(customer, SEPTEMBER, **USED | {"account_count": 14})
    async with ledger.house.session() as session:
        await customer_rules.change_tier(session, customer, Tier.FINTECH, effective_on=MOVE, now=NOW)
    usage = ours.usage_of(USAGE)
    await ledger.use(customer, OCTOBER, **{name: getattr(usage, name) for name in usage.__slots__})
    return customer


def shown() -> dict[str, str]:
    """Each command that the document shows, and what it answers there."""
    blocks = re.findall(r"```console\n\$ landlord (.*?)\n(.*?)```", DOCUMENT, re.DOTALL)
    return dict(blocks)


async def test_the_commands_answer_as_it_shows(shell: Shell, initech: UUID) -> None:
    """Where the document has a prefix and a run of its own, a customer here has others."""
    prefix = await shell.ledger.admin.fetchval("select invoice_prefix from customers where id = $1", initech)
    for command, told in shown().items():
        words = command.replace(PREFIX, prefix).split()
        if words[0] == "bill":  # there are more customers here than in the document
            words += ["--customer", typeid("cus", initech)]
        ran = await shell.run(*words, work=True, COLUMNS="110")
        answer = re.sub(r" +\n", "\n", re.sub(r"run_[0-9a-z]{26}", RUN, ran.out).replace(prefix, PREFIX))
        assert (ran.code, ran.err, answer) == (0, "", told), f"`{command}` answers:\n\n{answer}"
    invoice = await shell.ledger.invoice(initech, OCTOBER)
    assert str(invoice.credit_applied) == "100.00"
    assert f"leaves {invoice.total_amount - invoice.credit_applied:,} to pay" in " ".join(DOCUMENT.split())


def test_every_code_of_a_failure_has_its_row() -> None:
    assert [code for code, _ in table("code | what to do")] == [code.name for code in BillingFailureCode]


async def test_every_command_that_it_names_is_there(shell: Shell) -> None:
    named = {tuple(found.split()[:2]) for found in re.findall(r"landlord ([a-z]+(?: [a-z]+)?)", DOCUMENT)}
    named -= {words for words in named if words[0] == "bill"}
    assert len(named) >= 4
    for words in sorted(named):
        assert (await shell.here(*words, "--help")).code == 0, words
