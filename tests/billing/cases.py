"""Cases to bill, drawn from a `Random`: the same seed gives the same case, and hypothesis can stand in for the seed.

Price lists, tax rates, customers, usage and earlier invoices are all drawn. Draws lean to where mistakes show: on an
edge and a hair beside it, at half a cent, in February, on a month's first and last day, past what can be cut.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.billing.reference import (
    Band,
    BilledMonth,
    Case,
    Customer,
    Discount,
    MetricPrice,
    PriceList,
    TaxRate,
    TierPrice,
    priced,
    usage_less_discount,
)

TIERS = ("STANDARD", "FINTECH", "HEALTHCARE", "GOV_FEDERAL")
UNPRICED = ("OU_COUNT", "SCP_COUNT")
FRACTIONAL = ("LOG_STORAGE_GB", "DATA_TRANSFER_GB")
# where a month's usage of a metric ends: what the database takes
LARGEST = {
    "ACCOUNT_COUNT": Decimal(2**31 - 1),
    "CLOUDTRAIL_EVENTS": Decimal(10**15 - 1),
    "CONFIG_EVALUATIONS": Decimal(10**15 - 1),
    "LOG_STORAGE_GB": Decimal("999999999999.999999"),
    "NAT_BYTES_PROCESSED": Decimal(10**18 - 1),
    "DATA_TRANSFER_GB": Decimal("999999999999.999999"),
}
PRICED = tuple(LARGEST)
# up to here a metric's charges, with everything else that is drawn, stay within what an invoice can hold
CEILING = Decimal(10**10)
STATUSES = ("DRAFT", "ISSUED", "OVERDUE", "PAID", "CANCELLED")
JURISDICTIONS = ("US-NY", "GB", "DE")

DAY = timedelta(days=1)
CENT = Decimal("0.01")
LARGEST_AMOUNT = Decimal("999999999999.99")
HAIR = Decimal("0.000001")


def case(random: Random, given: PriceList | None = None) -> Case:
    """Any case; one in ten has a single flaw: no price list, no tax rate, no billable day, or amounts without end."""
    flaw = random.choice([*[""] * 36, "no price list", "no tax rate", "closed before", "endless"])
    month = a_month(random)
    prices = price_lists(random, month, given)
    in_force = max((one for one in prices if one.effective_from <= month), key=lambda one: one.effective_from)
    who = customer(random, month)
    tier = tier_on_last_billable_day(who, month)
    ceiling = None if flaw == "endless" else CEILING
    drawn = usage(random, in_force.tiers[tier], ceiling)
    billed, newest = history(random, month, prices)
    if random.random() < 0.35:
        sharpened = at_discount_edge(random, in_force, tier, drawn)
        prices = tuple(sharpened if one is in_force else one for one in prices)
    taxes = tax_rates(random, month, who)
    match flaw:
        case "no price list":
            prices = tuple(one for one in prices if one.effective_from > month)
        case "no tax rate":
            who = replace(who, tax_status="TAXABLE")
            taxes = tuple(one for one in taxes if one.effective_from >= next_month(month))
        case "closed before":
            who = closed_before(random, who, month)
    return Case(month, prices, taxes, who, drawn, billed, newest)


def a_month(random: Random) -> date:
    """One of ten years' months, two in five a February (in 2024, 2028 and 2032 with 29 days)."""
    return date(random.randint(2024, 2033), 2 if random.random() < 0.4 else random.randint(1, 12), 1)


def next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def previous_month(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


# ---- price lists


def price_lists(random: Random, month: date, given: PriceList | None) -> tuple[PriceList, ...]:
    """Up to four lists in any order; one at least is in force on the month's first day."""
    beginnings = {month - timedelta(days=random.choice([0, 1, random.randint(2, 400)]))}
    for _ in range(random.choice([0, 0, 0, 1, 3])):
        beginnings.add(month + timedelta(days=random.choice([-365, -32, -31, -1, 0, 1, 14, 27, 31])))
    lists = [price_list(random, beginning) for beginning in sorted(beginnings)]
    if given is not None:
        lists = [replace(given, effective_from=one.effective_from) for one in lists]
    random.shuffle(lists)
    return tuple(lists)


def price_list(random: Random, effective_from: date) -> PriceList:
    bands = [[metric_price(random, metric) for metric in PRICED] for _ in range(2)]
    tiers = {tier: tier_price(random, random.choice(bands)) for tier in TIERS}
    return PriceList(effective_from, tiers, discounts(random))


def tier_price(random: Random, bands: Sequence[MetricPrice]) -> TierPrice:
    """These metrics in an order of the tier's own, with allowances of its own."""
    metrics = random.sample(bands, len(bands))
    return TierPrice(money(random), tuple(replace(price, included=allowance(random, price.unit)) for price in metrics))


def money(random: Random) -> Decimal:
    """An amount to cents, often an odd number of them: half a month of that ends on half a cent."""
    cents = random.choice(
        [0, 1, random.randint(1, 999), random.randint(0, 10**6) * 2 + 1, random.randint(0, 25000) * 100, 10**13 + 1]
    )
    return cents * CENT


def metric_price(random: Random, metric: str) -> MetricPrice:
    unit = Decimal(1).scaleb(random.choice([-2, -1, 0, 0, 0, 1, 3, 6, 9]))
    edges: set[Decimal] = set()
    for _ in range(random.choice([0, 1, 2, 4])):
        edges.add(at_most_six_places(random.choice([Decimal(random.randint(1, 2000)), HAIR, 10 * unit]) * step(random)))
    prices = [unit_price(random) for _ in range(len(edges) + 1)]
    bands = [Band(edge, price) for edge, price in zip([*sorted(edges), None], prices, strict=True)]
    return MetricPrice(metric, Decimal(0), unit, tuple(bands))


def allowance(random: Random, unit: Decimal) -> Decimal:
    return random.choice([Decimal(0), Decimal(random.randint(1, 1000)), 5 * unit, Decimal("0.5"), HAIR])


def step(random: Random) -> Decimal:
    return Decimal(random.choice(["1", "7", "1000", "250000", "1.5", "2.000001"]))


def unit_price(random: Random) -> Decimal:
    """Up to nine places, free and very dear ones among them."""
    common = random.choice(["0", "0.005", "0.015", "0.1", "25", "0.000000001", "999999.999999999", ""])
    return Decimal(common) if common else Decimal(random.randint(1, 10**10)).scaleb(-random.randint(0, 9))


def at_most_six_places(quantity: Decimal) -> Decimal:
    return max(HAIR, quantity.quantize(HAIR)) if quantity else quantity


def discounts(random: Random) -> tuple[Discount, ...]:
    """Up to four in any order; a higher one may well give less than a lower."""
    overs = {random.choice([Decimal(0), CENT, Decimal(500), Decimal(5000), money(random)]) for _ in range(4)}
    kept = random.sample(sorted(overs), random.randint(0, len(overs)))
    return tuple(Discount(over, discount_rate(random)) for over in kept)


def discount_rate(random: Random) -> Decimal:
    return Decimal(random.choice(["0.05", "0.5", "0.125", "1", "0.000001", "0.333333", "0.025"]))


def at_discount_edge(random: Random, prices: PriceList, tier: str, used: Mapping[str, Decimal]) -> PriceList:
    """The same list with a discount just at, below or above what this usage costs."""
    charges = sum(line.cents for line in priced(prices.tiers[tier], used)) * CENT
    over = min(max(Decimal(0), charges + random.choice([-CENT, Decimal(0), CENT])), LARGEST_AMOUNT)
    others = [discount for discount in prices.discounts if discount.over != over]
    return replace(prices, discounts=(Discount(over, discount_rate(random)), *others))


def price_list_in(file: Path) -> PriceList:
    """A price list as it is published, read without any of our own code."""
    text = json.loads(file.read_text())
    tiers = {
        tier["tier"]: TierPrice(
            Decimal(tier["basePrice"]),
            tuple(
                MetricPrice(
                    price["metric"],
                    Decimal(price["included"]),
                    Decimal(price["unit"]),
                    tuple(
                        Band(band["upTo"] and Decimal(band["upTo"]), Decimal(band["pricePerUnit"]))
                        for band in price["bands"]
                    ),
                )
                for price in tier["metrics"]
            ),
        )
        for tier in text["tiers"]
    }
    given = tuple(Discount(Decimal(discount["over"]), Decimal(discount["rate"])) for discount in text["discounts"])
    return PriceList(date.fromisoformat(text["effectiveFrom"]), tiers, given)


def tax_rates_in(file: Path) -> list[TaxRate]:
    return [
        TaxRate(rate["jurisdiction"], Decimal(rate["rate"]), date.fromisoformat(rate["effectiveFrom"]))
        for rate in json.loads(file.read_text())["taxRates"]
    ]


# ---- customers


def customer(random: Random, month: date) -> Customer:
    """Begins and ends before, in or after the month, with at least one billable day in it and up to five tiers.

    A change may name the tier that the customer has already, and then changes nothing.
    """
    first, last = month, next_month(month) - timedelta(days=1)
    active_from = random.choice([first - timedelta(days=random.randint(1, 500)), first, day_in(random, month), last])
    earliest_end = max(active_from, first) + timedelta(days=1)
    closed_on = random.choice(
        [None, None, earliest_end, max(earliest_end, day_in(random, month)), last + timedelta(days=1), last + 40 * DAY]
    )
    changes = [(active_from, random.choice(TIERS))]
    days = {day_in(random, month) for _ in range(random.choice([0, 0, 1, 2, 4]))}
    days |= {random.choice([first - 40 * DAY, first, last, last + DAY]) for _ in range(random.choice([0, 1]))}
    for day in sorted(days):
        if day > active_from:
            changes.append((day, random.choice(TIERS)))
    return Customer(
        active_from,
        closed_on,
        tuple(changes),
        jurisdiction=random.choice(JURISDICTIONS),
        tax_status=random.choice(["TAXABLE", "TAXABLE", "TAXABLE", "EXEMPT", "REVERSE_CHARGE"]),
    )


def day_in(random: Random, month: date) -> date:
    return month + timedelta(days=random.randrange((next_month(month) - month).days))


def closed_before(random: Random, who: Customer, month: date) -> Customer:
    """The same customer gone before the month began; only earlier months can still be owed."""
    closed_on = month - random.choice([0, 0, 1, 31, 100]) * DAY
    active_from = closed_on - random.choice([1, 30, 400]) * DAY
    first_tier, *later = (tier for _, tier in who.tier_changes)
    changes = ((closed_on - random.randint(-2, 2) * DAY, tier) for tier in later[:1])
    return replace(
        who,
        active_from=active_from,
        closed_on=closed_on,
        tier_changes=((active_from, first_tier), *(change for change in changes if change[0] > active_from)),
    )


def tier_on_last_billable_day(who: Customer, month: date) -> str:
    """What the generator needs to draw usage near this tier's edges."""
    end = next_month(month) if who.closed_on is None else min(who.closed_on, next_month(month))
    return [tier for day, tier in who.tier_changes if day < end][-1]


def tax_rates(random: Random, month: date, who: Customer) -> tuple[TaxRate, ...]:
    """A history for each jurisdiction, with changes around the month's last day."""
    last = next_month(month) - DAY
    rates: list[TaxRate] = []
    for jurisdiction in JURISDICTIONS:
        days = {last + random.choice([-400, -31, -30, -1, 0, 1]) * DAY for _ in range(random.randint(0, 3))}
        if jurisdiction == who.jurisdiction and who.tax_status == "TAXABLE":
            days.add(last - random.choice([0, 1, 500]) * DAY)
        rates += [TaxRate(jurisdiction, tax_rate(random), day) for day in sorted(days)]
    random.shuffle(rates)
    return tuple(rates)


def tax_rate(random: Random) -> Decimal:
    return Decimal(random.choice(["0", "0.2", "0.19", "0.08875", "0.1035", "0.5", "0.000001", "1"]))


# ---- usage


def usage(random: Random, tier: TierPrice, ceiling: Decimal | None = CEILING) -> dict[str, Decimal]:
    """A quantity for every metric, priced or not; no metric costs more than `ceiling`."""
    drawn = {metric: Decimal(random.choice([0, 3, 10**6])) for metric in UNPRICED}
    for price in tier.metrics:
        drawn[price.metric] = Decimal(0) if random.random() < 0.3 else quantity(random, price, ceiling)
    return drawn


def quantity(random: Random, price: MetricPrice, ceiling: Decimal | None) -> Decimal:
    """None, within the allowance, at an edge and beside it, or anything up to what can be stored and paid."""
    edges = [band.up_to for band in price.bands if band.up_to is not None]
    smallest = HAIR if price.metric in FRACTIONAL else Decimal(1)
    largest = LARGEST[price.metric]
    dearest = max(band.price for band in price.bands)
    if ceiling is not None and largest * dearest > ceiling * price.unit:
        largest = ceiling * price.unit / dearest // smallest * smallest
    near = price.included + random.choice([Decimal(0), *edges, *edges])
    drawn = random.choice(
        [
            Decimal(0),
            near,
            near + smallest,
            near - smallest,
            near + price.unit * random.randint(1, 1000),
            Decimal(random.randint(0, 10**6)) * HAIR,
            Decimal(random.randint(0, 3000)),
            Decimal(random.randint(0, int(largest))),
            largest,
        ]
    )
    return min(max(drawn // smallest * smallest, Decimal(0)), largest)


# ---- what was billed before


def history(
    random: Random, month: date, prices: Sequence[PriceList]
) -> tuple[tuple[BilledMonth, ...], dict[date, dict[str, Decimal]]]:
    """Invoices of up to four months before (and one after: a month billed again late), with what is known by now."""
    if random.random() < 0.5:
        return (), {}
    months = [month]
    for _ in range(random.choice([1, 1, 2, 4])):
        months.insert(0, previous_month(months[0]))
    months.append(next_month(month))
    del months[-2]  # the month that is being billed

    billed: list[BilledMonth] = []
    newest: dict[date, dict[str, Decimal]] = {}
    for index, earlier in enumerate(months):
        named, tier = random.choice(prices), random.choice(TIERS)
        newest[earlier] = usage(random, named.tiers[tier])
        if random.random() < 0.1:
            continue
        adjusted = {
            before: random.choice([-1, 1]) * random.choice([0, 1, random.randint(0, 10**6)])
            for before in months[:index]
            if random.random() < 0.4
        }
        due = usage_less_discount(named, tier, newest[earlier])
        charged = max(0, due + random.choice([0, 0, -1, 1, random.randint(-(10**6), 10**6), 10**12, -(10**12)]))
        billed.append(BilledMonth(earlier, random.choice(STATUSES), named, tier, charged, adjusted))
        if billed[-1].status == "CANCELLED" and random.random() < 0.5:
            billed.append(replace(billed[-1], status="ISSUED", usage_less_discount=charged // 2, adjustments={}))
    return tuple(billed), newest
