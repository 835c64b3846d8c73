"""Who is in the demo data: invented companies in every tier, and the staff that looks after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from db.company import CompanyRow
from db.enums import TaxStatus, Tier
from local.demo.moments import When

INES, TOMASZ, PRIYA = "Ines Calloway", "Tomasz Wrona", "Priya Raman"
STAFF = (INES, TOMASZ, PRIYA)
COLLECTOR = "usage collector"  # the house's own program

HOUSE = CompanyRow(
    effective_from=date(2020, 1, 1),
    name="Landlord Cloud, Inc.",
    address=["500 Harbor Steps, Suite 1200", "Seattle, WA 98101", "United States"],
    tax_id="EIN 91-0000000",
    email="billing@landlord.example",
    payment=["Bank transfer to Harbor Example Bank", "Routing 000000000", "Account 4417 1234 5678"],
)

_FIRST_DAY = When(12, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Use in a company's first whole month, and by how many thousandths of that it grows every month."""

    accounts: int
    events: int  # CloudTrail, in millions
    evaluations: int  # Config, in thousands
    logs: int  # GB
    nat: int  # GB
    transfer: int  # GB
    growth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """What is special about a company in some month is found under that month's `ago`: see `When`.

    `slug` names it for good: ids, the invoice prefix and addresses come from it.
    """

    slug: str
    name: str
    contact: str
    tier: Tier
    framework: str
    region: str
    jurisdiction: str
    load: Load
    tax_status: TaxStatus = TaxStatus.TAXABLE
    taxable_until: When | None = None  # when an operator set `tax_status`, if not at the beginning
    since: When = _FIRST_DAY
    then: tuple[When, Tier] | None = None  # the one change of tier
    closed: When | None = None
    suspended: When | None = None
    pays_after: int = 14  # days from the issue of an invoice, and up to six more
    method: str = "bank transfer"
    unpaid: frozenset[int] = frozenset()
    in_two_payments: frozenset[int] = frozenset()
    first_half_only: frozenset[int] = frozenset()
    forgotten: Mapping[int, When] = field(default_factory=dict)  # months whose use was recorded only then
    corrected: Mapping[int, tuple[When, int]] = field(default_factory=dict)  # when, and to how many thousandths
    cancelled: Mapping[int, tuple[When, str]] = field(default_factory=dict)  # months whose first invoice was, and why
    credited: Mapping[int, tuple[When, str, str]] = field(default_factory=dict)  # when, how much, and why


# The one whose key is in demo-keys.json: its year has something of everything.
SHOWCASE = Company(
    slug="halyard-finch",
    name="Halyard & Finch Payments",
    contact="Mara Lindqvist",
    tier=Tier.STANDARD,
    framework="SOC2",
    region="us-east-1",
    jurisdiction="US-NY",
    load=Load(accounts=44, events=164, evaluations=2_300, logs=3_100, nat=30_000, transfer=12_600, growth=31),
    then=(When(7, 16), Tier.FINTECH),
    pays_after=12,
    method="ACH",
    unpaid=frozenset({1}),
    in_two_payments=frozenset({9}),
    corrected={5: (When(4, 9, 14, 30), 1_084)},
    credited={3: (When(2, 14, 13, 5), "412.38", "Replication between your own regions was metered as transfer out.")},
)

COMPANIES = (
    SHOWCASE,
    Company(
        slug="hinageshi",
        name="ひなげし電算株式会社",
        contact="小野寺 澪",
        tier=Tier.FINTECH,
        framework="ISO27001",
        region="ap-northeast-1",
        jurisdiction="JP",
        load=Load(accounts=71, events=410, evaluations=2_600, logs=4_800, nat=12_400, transfer=9_700, growth=18),
        pays_after=19,
    ),
    Company(
        slug="sundus",
        name="شركة واحة السندس للحلول السحابية",
        contact="ليلى الحمادي",
        tier=Tier.STANDARD,
        framework="CIS",
        region="me-central-1",
        jurisdiction="AE",
        tax_status=TaxStatus.REVERSE_CHARGE,
        load=Load(accounts=16, events=24, evaluations=310, logs=640, nat=2_100, transfer=1_300, growth=44),
        pays_after=9,
    ),
    Company(
        slug="gruenspecht",
        name="Grünspecht Netzbetrieb GmbH",
        contact="Annegret Vollrath",
        tier=Tier.STANDARD,
        framework="CIS",
        region="eu-central-1",
        jurisdiction="DE",
        load=Load(accounts=22, events=58, evaluations=720, logs=1_250, nat=5_600, transfer=3_900, growth=12),
        pays_after=20,
        method="SEPA transfer",
        corrected={8: (When(7, 11, 9, 45), 930)},
    ),
    Company(
        slug="ondevert",
        name="Laboratoires Ondévert",
        contact="Clémence Aubrac",
        tier=Tier.HEALTHCARE,
        framework="HIPAA",
        region="eu-west-3",
        jurisdiction="FR",
        load=Load(accounts=124, events=690, evaluations=5_100, logs=9_600, nat=21_000, transfer=17_400, growth=9),
        pays_after=17,
        method="SEPA transfer",
    ),
    Company(
        slug="thistledown",
        name="Thistledown Health Trust",
        contact="Oluwaseun Adeyemi",
        tier=Tier.HEALTHCARE,
        framework="ISO27001",
        region="eu-west-2",
        jurisdiction="GB",
        tax_status=TaxStatus.EXEMPT,
        load=Load(accounts=96, events=380, evaluations=3_300, logs=7_200, nat=9_800, transfer=6_100, growth=7),
        pays_after=20,
        forgotten={4: When(3, 3, 16, 20)},
    ),
    Company(
        slug="larkspur",
        name="Larkspur Robotics",
        contact="Theo Marchetti",
        tier=Tier.STANDARD,
        framework="SOC2",
        region="us-west-1",
        jurisdiction="US-CA",
        load=Load(accounts=13, events=19, evaluations=240, logs=420, nat=1_800, transfer=2_700, growth=52),
        then=(When(-1, 1), Tier.FINTECH),
        pays_after=6,
        method="card",
    ),
    Company(
        slug="saltmarsh",
        name="Saltmarsh Outfitters",
        contact="June Okafor",
        tier=Tier.STANDARD,
        framework="PCI-DSS",
        region="us-west-2",
        jurisdiction="US-WA",
        load=Load(accounts=9, events=4, evaluations=44, logs=85, nat=92, transfer=310, growth=3),
        pays_after=3,
        method="card",
    ),
    Company(
        slug="mesquite-ridge",
        name="Mesquite Ridge Community Bank",
        contact="Rosalind Teague",
        tier=Tier.FINTECH,
        framework="PCI-DSS",
        region="us-east-2",
        jurisdiction="US-TX",
        load=Load(accounts=58, events=140, evaluations=980, logs=2_200, nat=4_400, transfer=2_600, growth=6),
        pays_after=15,
        method="ACH",
        first_half_only=frozenset({3}),
    ),
    Company(
        slug="tidewater",
        name="Federal Tidewater Survey",
        contact="Harlan Whitcombe",
        tier=Tier.GOV_FEDERAL,
        framework="FEDRAMP",
        region="us-gov-east-1",
        jurisdiction="US-DE",
        tax_status=TaxStatus.EXEMPT,
        load=Load(accounts=310, events=1_900, evaluations=12_400, logs=31_000, nat=48_000, transfer=36_500, growth=5),
        pays_after=20,
        method="wire",
    ),
    Company(
        slug="inland-charts",
        name="Bureau of Inland Charts",
        contact="Delphine Roark",
        tier=Tier.GOV_FEDERAL,
        framework="FEDRAMP",
        region="us-gov-west-1",
        jurisdiction="US-NY",
        tax_status=TaxStatus.EXEMPT,
        load=Load(accounts=204, events=820, evaluations=6_700, logs=15_500, nat=19_000, transfer=12_300, growth=2),
        pays_after=18,
        method="wire",
    ),
    Company(
        slug="copperleaf",
        name="Copperleaf Biometrics",
        contact="Anselm Ngata",
        tier=Tier.HEALTHCARE,
        framework="HIPAA",
        region="us-west-2",
        jurisdiction="US-WA",
        load=Load(accounts=88, events=260, evaluations=2_400, logs=5_400, nat=8_700, transfer=5_200, growth=26),
        since=When(6, 17),
        pays_after=11,
    ),
    Company(
        slug="driftless",
        name="Driftless Games",
        contact="Wren Halvorsen",
        tier=Tier.STANDARD,
        framework="CIS",
        region="us-east-2",
        jurisdiction="US-TX",
        load=Load(accounts=11, events=31, evaluations=180, logs=390, nat=3_300, transfer=8_900, growth=-38),
        closed=When(3, 12),
        pays_after=13,
        method="card",
    ),
    Company(
        slug="ostrich-vale",
        name="Ostrich & Vale Lending",
        contact="Gideon Sharpe",
        tier=Tier.FINTECH,
        framework="SOC2",
        region="eu-west-2",
        jurisdiction="GB",
        load=Load(accounts=62, events=115, evaluations=860, logs=1_700, nat=3_900, transfer=2_200, growth=-4),
        suspended=When(2, 20, 9, 0),
        pays_after=20,
        unpaid=frozenset({5, 4, 3, 2, 1}),
    ),
    Company(
        slug="foxglove",
        name="Foxglove Analytics",
        contact="Imogen Castellane",
        tier=Tier.STANDARD,
        framework="SOC2",
        region="us-east-1",
        jurisdiction="US-DE",
        load=Load(accounts=27, events=96, evaluations=1_400, logs=2_900, nat=6_200, transfer=7_800, growth=22),
        then=(When(9, 1), Tier.HEALTHCARE),
        pays_after=10,
        corrected={6: (When(5, 6, 16, 0), 710)},
        cancelled={6: (When(5, 6, 15, 20), "The use of a neighbouring organization was read into this month.")},
    ),
    Company(
        slug="polder-kade",
        name="Polder & Kade Logistiek B.V.",
        contact="Sanne Verhulst",
        tier=Tier.STANDARD,
        framework="ISO27001",
        region="eu-west-1",
        jurisdiction="NL",
        tax_status=TaxStatus.REVERSE_CHARGE,
        taxable_until=When(11, 2, 9, 40),
        load=Load(accounts=19, events=37, evaluations=520, logs=980, nat=4_100, transfer=3_300, growth=15),
        pays_after=16,
        method="SEPA transfer",
        unpaid=frozenset({3}),
    ),
)

# Billing runs that an operator started after the one of the first of the month, by the month that they billed.
RUNS_AGAIN: Mapping[int, When] = {12: When(11, 2, 10, 15), 6: When(5, 7, 9, 30), 4: When(3, 4, 8, 50)}
