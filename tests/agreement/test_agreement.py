"""Rating, preview, run and recomputation agree to the cent on random customers, and with the independent implementation.

A few customers in `make test`, two thousand in `make agreement`: with tiers that change, months that begin and end
late, corrections of months long billed, discounts and taxes. Each is billed for four months, through the API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any, TypeVar
from uuid import UUID

import pytest

from billing import customers as customer_rules
from billing import failures
from billing import usage as recording
from billing.periods import Month
from db.enums import TaxStatus, Tier
from schema.ids import typeid
from tests.agreement import said
from tests.agreement.conftest import House
from tests.billing import accounts, cases, reference
from tests.billing.accounts import Account, StoppedError
from tests.billing.ours import rated, usage_of
from tests.billing.reference import Customer
from tests.ledger import NOW

T = TypeVar("T")

# Each under another price list.
MONTHS = accounts.months(date(2025, 1, 1), 4)
DAYS = [MONTHS[0] + timedelta(days=days) for days in range((accounts.last_day(MONTHS[-1]) - MONTHS[0]).days + 1)]
ASKED_AT_ONCE = 10

RUN = """
mutation ($input: RunBillingInput!) { runBilling(input: $input) { billingRun { id } errors { code } } }
"""
ENDED = """
query ($id: ID!, $after: String) { billingRun(id: $id) {
    status customersTotal invoicesCreated invoicesRecomputed invoicesSkipped invoicesIssued totalAmount
    failures(first: 100, after: $after) { nodes { code customer { id } } pageInfo { hasNextPage endCursor } }
} }
"""
INVOICES = f"""
query ($month: Month!, $after: String) {{
    invoices(first: 50, after: $after, filter: {{from: $month, to: $month, status: [DRAFT, ISSUED, OVERDUE, PAID]}}) {{
        nodes {{
            id status customer {{ id }} recomputation {{ where stored computed }} {said.AMOUNTS}
        }}
        pageInfo {{ hasNextPage endCursor }}
    }}
}}
"""


# ---------------------------------------------------------------- customers


def a_customer(random: Random) -> Customer:
    """Who begins before or within these months, changes its tier up to three times, and may end."""
    begins = random.choice([date(2024, 6, 1), date(2024, 6, 1), *random.sample(DAYS[:-1], 2)])
    later = [day for day in DAYS if day > begins]
    changes = [(begins, random.choice(cases.TIERS))]
    changes += [
        (day, random.choice(cases.TIERS)) for day in sorted(random.sample(later, min(len(later), random.randint(0, 3))))
    ]
    ends = random.choice([None, None, None, random.choice(later)])
    return Customer(
        begins,
        ends,
        tuple(change for change in changes if ends is None or change[0] < ends),
        random.choice([*cases.JURISDICTIONS, "FR", "AT", "ZZ"]),
        random.choice(["TAXABLE", "TAXABLE", "TAXABLE", "EXEMPT", "REVERSE_CHARGE"]),
    )


def some_use(random: Random, account: Account, month: date) -> dict[str, Any]:
    """Near the edges of what the month is priced by."""
    prices = reference.price_list_on(account.book.price_lists, month)
    return cases.usage(random, prices.tiers[cases.tier_on_last_billable_day(account.customer, month)])


async def settle_in(house: House, random: Random) -> tuple[UUID, Account]:
    """A new customer with usage in nearly every month, in the database and in the reference's books."""
    customer = a_customer(random)
    account = Account(house.book, customer)
    profile = {
        "name": "Initech", "framework": "CIS", "aws_org_id": None, "aws_account_id": None, "email": "a@b.example",
        "billing_email": None, "mfa_enforced": True, "encryption_required": True, "tags": None, "custom_config": None,
        "tax_jurisdiction": customer.jurisdiction, "tax_status": TaxStatus[customer.tax_status],
    }  # fmt: skip
    (begins, tier), *changes = customer.tier_changes
    async with house.ledger.house.session() as session:
        made = await customer_rules.create(session, profile, tier=Tier[tier], active_from=begins, now=NOW)
        for day, other in changes:
            await customer_rules.change_tier(session, made.id, Tier[other], effective_on=day, now=NOW)
        if customer.closed_on is not None:
            await customer_rules.close(session, made.id, reason="leaves", closed_on=customer.closed_on, now=NOW)
        for month in MONTHS:
            if accounts.is_billable(customer, month) and random.random() < 0.97:
                use = some_use(random, account, month)
                account.record(month, use)
                await recording.record(
                    session, made.id, Month.of(month), usage_of(use), expected_revision=None, now=NOW
                )
    return made.id, account


# ---------------------------------------------------------------- the five


def expected(account: Account, month: date) -> reference.Invoice | str | None:
    """By the independent implementation; a failure's code, or None where there is nothing to bill."""
    if is_nothing(account, month):
        return None
    try:
        return reference.invoice(account.case(month))
    except reference.NoTaxRateError:
        return "NO_TAX_RATE"


def by_rating(account: Account, month: date) -> reference.Invoice | str | None:
    if is_nothing(account, month):
        return None
    try:
        return rated(account.case(month))
    except failures.BillingFailure as failure:
        return failure.code


def is_nothing(account: Account, month: date) -> bool:
    """Whether there is neither a day to bill nor anything that waits."""
    return not accounts.is_billable(account.customer, month) and sum(account.waiting(month).values()) <= 0


async def previews(house: House, ids: Sequence[str], month: date) -> dict[str, reference.Invoice | str | None]:
    """What the API says that the month costs so far."""
    found: dict[str, reference.Invoice | str | None] = {}
    for some in in_parts(ids, ASKED_AT_ONCE):
        fields = " ".join(
            f'p{place}: invoicePreview(customerId: "{id}", month: "{Month.of(month)}") {{ {said.AMOUNTS} }}'
            for place, id in enumerate(some)
        )
        answer = (await house.ledger.house.post(f"{{ {fields} }}")).json()
        codes = {error["path"][0]: error["extensions"]["code"] for error in answer.get("errors", [])}
        for place, id in enumerate(some):
            one = answer["data"][f"p{place}"]
            found[id] = codes.get(f"p{place}") if one is None else said.invoice(one)
    return found


async def bill(house: House, month: date, *, issue: bool) -> dict[str, Any]:
    """A run of everyone, started and read through the API; its failures by customer."""
    api = house.ledger.house.api
    started = (await api(RUN, input={"month": str(Month.of(month)), "issue": issue}))["runBilling"]
    assert started["errors"] == []
    await house.ledger.work()
    codes: dict[str, str] = {}
    after = None
    while True:
        run: dict[str, Any] = (await api(ENDED, id=started["billingRun"]["id"], after=after))["billingRun"]
        page = run["failures"]
        codes |= {one["customer"]["id"]: one["code"] for one in page["nodes"]}
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return run | {"failures": codes}


async def invoices(house: House, month: date) -> dict[str, dict[str, Any]]:
    """Every invoice of the month that is not cancelled, by customer."""
    found: dict[str, dict[str, Any]] = {}
    after = None
    while True:
        page = (await house.ledger.house.api(INVOICES, month=str(Month.of(month)), after=after))["invoices"]
        for one in page["nodes"]:
            assert found.setdefault(one["customer"]["id"], one) is one
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return found


def ran(books: Mapping[str, Account], month: date, *, issue: bool) -> tuple[Counter[str], dict[str, str]]:
    """The same run in the reference's books: its counts, and its failures by customer."""
    counts: Counter[str] = Counter()
    codes: dict[str, str] = {}
    for id, account in books.items():
        if is_nothing(account, month):
            continue
        counts["total"] += 1
        try:
            counts[account.run(month, issue=issue)] += 1
        except StoppedError as stopped:
            codes[id] = stopped.code
    return counts, codes


# ---------------------------------------------------------------- the test

SEEN = {
    "adjusted up", "adjusted down", "cut at nothing", "adjustments alone", "discounted", "several bands", "several tiers",
    "begun late", "ended early", "untaxed", "NO_TAX_RATE", "NO_USAGE", "SANITY_BOUND",
}  # fmt: skip


async def test_all_five_agree_to_the_cent(agreement_house: House, request: pytest.FixtureRequest) -> None:
    house, count = agreement_house, int(request.config.getoption("--customers"))
    random = Random(count)
    made = [await settle_in(house, random) for _ in range(count)]
    uuids: dict[str, UUID] = {typeid("cus", id): id for id, _ in made}
    books: dict[str, Account] = {typeid("cus", id): account for id, account in made}
    seen: Counter[str] = Counter()
    for month in MONTHS:
        wanted = {id: expected(account, month) for id, account in books.items()}
        assert {id: by_rating(account, month) for id, account in books.items()} == wanted
        assert await previews(house, list(books), month) == wanted
        for issue in (False, True):
            run = await bill(house, month, issue=issue)
            counts, codes = ran(books, month, issue=issue)
            assert run["failures"] == codes
            assert [run[name] for name in ("customersTotal", "invoicesCreated", "invoicesRecomputed")] == [
                counts[name] for name in ("total", "created", "recomputed")
            ]
            stored = await invoices(house, month)
            standing = {id: account.living(month) for id, account in books.items()}
            assert {id: said.invoice(one) for id, one in stored.items()} == {
                id: one.said for id, one in standing.items() if one is not None
            }
            assert {id: said.invoice(one) for id, one in stored.items()} == {id: wanted[id] for id in stored}
            assert {id: one["recomputation"] for id, one in stored.items()} == {id: [] for id in stored}
            issued = {id for id, one in stored.items() if one["status"] != "DRAFT"}
            assert issued == {id for id, one in standing.items() if one is not None and one.status != "DRAFT"}
        seen.update(codes.values())
        for id in stored:
            seen.update(traits(books[id], month))
        await correct(house, random, {id: books[id] for id in stored}, uuids, month)
    if count >= 1000:
        assert {name for name in SEEN if seen[name] < 5} == set()
    assert {name for name in SEEN if seen[name]} >= {"adjusted up", "adjusted down", "several tiers", "untaxed"}


async def correct(
    house: House, random: Random, books: Mapping[str, Account], uuids: Mapping[str, UUID], month: date
) -> None:
    """For four customers in ten a month billed by now turns out to have had another usage."""
    for id, account in books.items():
        billed = [one.month for one in account.standing() if one.revision]
        if billed and random.random() < 0.4:
            earlier = random.choice(billed)
            use = some_use(random, account, earlier)
            if random.random() < 0.3:
                use = dict.fromkeys(use, use["OU_COUNT"] * 0)
            account.record(earlier, use)
            async with house.ledger.house.session() as session:
                await recording.record(
                    session, uuids[id], Month.of(earlier), usage_of(use), expected_revision=None, now=NOW
                )


def traits(account: Account, month: date) -> Iterator[str]:
    standing = account.living(month)
    assert standing is not None
    invoice, customer = standing.said, account.customer
    lines = {kind: [line for line in invoice.lines if line.kind == kind] for kind in ("BASE", "USAGE", "ADJUSTMENT")}
    held = {
        "adjusted up": any(line.cents > 0 for line in lines["ADJUSTMENT"]),
        "adjusted down": any(line.cents < 0 for line in lines["ADJUSTMENT"]),
        "cut at nothing": invoice.subtotal == 0 and invoice.adjustments < 0,
        "adjustments alone": not lines["BASE"],
        "discounted": invoice.discount > 0,
        "several bands": any(len(line.stretches) > 1 for line in lines["USAGE"]),
        "several tiers": len(lines["BASE"]) > 1,
        "begun late": customer.active_from > month,
        "ended early": customer.closed_on is not None and month < customer.closed_on < accounts.next_month(month),
        "untaxed": customer.tax_status != "TAXABLE",
    }
    return (name for name, holds in held.items() if holds)


def in_parts(all: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (all[start : start + size] for start in range(0, len(all), size))
