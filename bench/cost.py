"""`python -m bench.cost`: what a customer costs a month on AWS, by tier and by how many there are, as the table in docs/operations.md.

What a request takes was measured (`make runtime`, and the sizes of real answers, log lines and audit events); what a customer of a tier
asks in a month is assumed, and stands below. Prices stand in prices.json, with their date and source.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Final

PRICES: Final = json.loads((Path(__file__).parent / "prices.json").read_text())
USD: Final = {name: Decimal(price) for name, price in PRICES["usd"].items()}

# What the owner expects a customer to cost, USD a month.
EXPECTED: Final = (Decimal("15.50"), Decimal("21.00"))
CUSTOMERS: Final = (10, 25, 50, 200, 1000)

_HOURS = 730
_MILLION = Decimal(1_000_000)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Request:
    """`core_ms` of a whole core, which 1,769 MB are; `database_ms` of a core of the database's; bytes of the answer, and of what the
    request leaves in the log and in the audit trail, indexes included."""

    core_ms: Decimal
    database_ms: Decimal
    answer: int
    logged: int
    kept: int


# x86_64, behind API Gateway's event, without the wait for the database: `make runtime`. The database's part is from the same queries
# on one connection.
SMALL: Final = Request(Decimal("2.1"), Decimal("0.5"), 400, 1_000, 900)
DASHBOARD: Final = Request(Decimal("4.4"), Decimal("2.0"), 31_000, 1_000, 900)
START_MS: Final = Decimal(640)
_WAIT_MS = Decimal(4)  # for the database: Lambda's time runs on, whatever the core does
_STARTS = Decimal("0.01")  # of all requests, where traffic is thin
_MEMORY_GB = Decimal(1769) / 1024
_AUTHORIZER_MS, _AUTHORIZER_GB = Decimal(15), Decimal("0.5")
# A unit of Aurora's has about a quarter of a core.
_CORES_OF_UNIT = Decimal("0.25")


@dataclass(frozen=True, slots=True)
class Use:
    """What a customer of a tier does in a month: requests of both kinds, and letters sent to it."""

    small: int
    dashboards: int
    letters: int


# Assumed: people who look a few times a day, and front ends and scripts that ask in between.
USES: Final[Mapping[str, Use]] = {
    "STANDARD": Use(small=5_000, dashboards=500, letters=3),
    "FINTECH": Use(small=20_000, dashboards=2_000, letters=5),
    "HEALTHCARE": Use(small=20_000, dashboards=2_000, letters=5),
    "GOV_FEDERAL": Use(small=60_000, dashboards=5_000, letters=8),
}
ALARMS: Final = 21  # infra/alarms.yml
_METRICS = 8 * 31  # read for a customer's bill
_METRICS_OF_OURS = 60  # telemetry.py: seven a function that answers, one an operation and result, one a job and outcome
_MONTHS_KEPT = 13  # of the audit trail, before it is archived
_PAPER = 39_000  # bytes of an invoice's PDF; one a month, whatever is asked
_PAPERS_KEPT = 7 * 12  # paid for in a month, after seven years; below 128 KB S3 leaves them in its first class
_FETCHES = 10  # of a paper: looked for before it is made, and fetched by people afterwards


def fixed() -> dict[str, Decimal]:
    """What a month costs before anybody asks anything, by what for."""
    return {
        "Aurora, writer and reader, half a unit each": 2 * Decimal("0.5") * USD["aurora_unit_hour"] * _HOURS,
        "the proxy, which is billed for eight units at least": 8 * USD["proxy_unit_hour"] * _HOURS,
        "four endpoints in two zones": 4 * 2 * USD["endpoint_hour"] * _HOURS,
        "schedules: mail, shares and ends, 60,000 calls": 60_000 * Decimal("0.5") * USD["lambda_gb_second"],
        "keys, secrets, alarms": 2 * USD["key_month"] + 9 * USD["secret_month"] + ALARMS * USD["alarm_month"],
        "metrics of our own": _METRICS_OF_OURS * USD["metric_month"],
    }


def variable(use: Use) -> dict[str, Decimal]:
    """What one customer's use adds, by what for."""
    kinds = ((SMALL, use.small), (DASHBOARD, use.dashboards))
    requests = Decimal(use.small + use.dashboards)
    seconds = sum((count * (kind.core_ms + _WAIT_MS) for kind, count in kinds), requests * _STARTS * START_MS) / 1000
    database = sum((count * kind.database_ms for kind, count in kinds), Decimal(0)) / 1000
    gb = Decimal(10**9)
    kept = sum(count * kind.kept for kind, count in kinds) / gb
    return {
        "functions": (seconds * _MEMORY_GB + requests * _AUTHORIZER_MS / 1000 * _AUTHORIZER_GB)
        * USD["lambda_gb_second"]
        + 2 * requests / _MILLION * USD["lambda_million_requests"],
        "gateway": requests / _MILLION * USD["gateway_million_requests"],
        "database": database / _CORES_OF_UNIT / 3600 * USD["aurora_unit_hour"]
        + kept * _MONTHS_KEPT * USD["aurora_gb_month"]
        + 10 * requests / _MILLION * USD["aurora_million_io"],
        "tables": requests / _MILLION * (2 * USD["dynamodb_million_reads"] + USD["dynamodb_million_writes"]),
        "logs, traces, transfer": sum(count * kind.logged for kind, count in kinds) * 3 / gb * USD["log_gb"]
        + requests * Decimal("0.05") / _MILLION * USD["trace_million"]
        + sum(count * kind.answer for kind, count in kinds) / gb * USD["transfer_gb"],
        "mail and metrics": use.letters * USD["mail"] + _METRICS * USD["metric_read"],
        "papers": (USD["s3_million_writes"] + _FETCHES * USD["s3_million_reads"]) / _MILLION
        + _PAPERS_KEPT * _PAPER / gb * USD["s3_gb_month"],
    }


def snapshots() -> str:
    """What SnapStart of `api` would cost and save in a month, as docs/operations.md has it."""
    lines = ["| SnapStart of `api`, a month | USD |", "| --- | --- |"]
    kept = _MEMORY_GB * _HOURS * 3600 * USD["snapshot_gb_second"]
    lines.append(f"| one version kept; two while a release rolls out | {_cents(kept)} |")
    starts = 200 * _STARTS * (USES["STANDARD"].small + USES["STANDARD"].dashboards)
    restored = starts * _MEMORY_GB * USD["snapshot_gb_restored"]
    saved = starts * START_MS / 1000 * _MEMORY_GB * USD["lambda_gb_second"]
    lines.append(f"| {starts:,.0f} starts restored, of 200 STANDARD customers | {_cents(restored)} |")
    lines.append(f"| what those starts cost without it | {_cents(saved)} |")
    return "\n".join(lines)


def table() -> str:
    """As docs/operations.md has it: USD a month for one customer, where all are of the tier."""
    base = sum(fixed().values(), Decimal(0))
    lines = [
        "| tier | requests a month | its own use | " + " | ".join(f"with {count:,}" for count in CUSTOMERS) + " |",
        "| --- | --- | --- | " + " | ".join("---" for _ in CUSTOMERS) + " |",
    ]
    for tier, use in USES.items():
        own = sum(variable(use).values(), Decimal(0))
        each = [_cents(base / count + own) for count in CUSTOMERS]
        lines.append(
            f"| {tier} | {use.small + use.dashboards:,} | {_cents(own)} | "
            + " | ".join(str(price) for price in each)
            + " |"
        )
    return "\n".join(lines)


def parts() -> str:
    """What there is to pay before anybody asks anything."""
    lines = ["| before anybody asks anything | USD a month |", "| --- | --- |"]
    lines += [f"| {name} | {_cents(price)} |" for name, price in fixed().items()]
    return "\n".join([*lines, f"| together | {_cents(sum(fixed().values(), Decimal(0)))} |"])


def enough() -> dict[str, int]:
    """From how many customers of a tier on one costs no more than EXPECTED says at most."""
    base = sum(fixed().values(), Decimal(0))
    own = {tier: sum(variable(use).values(), Decimal(0)) for tier, use in USES.items()}
    return {tier: int((base / (EXPECTED[1] - price)).to_integral_value(ROUND_UP)) for tier, price in own.items()}


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_UP)


if __name__ == "__main__":
    sys.stdout.write(f"{parts()}\n\n{table()}\n\n{snapshots()}\n\n{enough()}\n")
