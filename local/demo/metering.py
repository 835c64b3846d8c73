"""What two of the demo's companies publish to CloudWatch in the current month, as their collectors would.

The emulator forgets with every start, and what is older than two weeks: the first day that it still takes holds all
that was counted before. So the month's sums are right on the day of the start, whichever it is.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from billing.cloudwatch import DIMENSION, NAMESPACE, STATISTICS, public
from billing.periods import Month
from db.typeids import typeid
from local.demo import books
from local.demo.people import COMPANIES, Company
from local.demo.usage import used

METERED = COMPANIES[:2]
_KEPT = timedelta(days=12)


async def publish(admin_url: str, *, now: datetime) -> None:
    """Where `Emulator.environment` is in force."""
    import boto3

    connection = await asyncpg.connect(admin_url, server_settings={"search_path": "landlord"})
    try:
        rows = await connection.fetch("select id, active_from, invoice_prefix from customers")
    finally:
        await connection.close()
    customers = {row["invoice_prefix"]: row for row in rows}
    cloudwatch = boto3.client("cloudwatch")
    for company in METERED:
        if (customer := customers.get(books.invoice_prefix(company))) is not None:
            points = _points(company, customer["id"], Month.of(customer["active_from"]), now.astimezone(UTC).date())
            cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=points)


def _points(company: Company, customer_id: UUID, since: Month, today: date) -> list[dict[str, Any]]:
    month = Month.of(today)
    ago = company.since.ago - (month.year - since.year) * 12 - (month.number - since.number)
    first = max(today - _KEPT, month.first)
    before = dict.fromkeys(STATISTICS, 0)
    points = []
    for number in range(first.day, today.day + 1):
        so_far = asdict(used(company, month, ago=ago, days=number))
        for metric, statistic in STATISTICS.items():
            value = so_far[metric] - before[metric] if statistic == "Sum" else so_far[metric]
            points.append(
                {
                    "MetricName": public(metric),
                    "Dimensions": [{"Name": DIMENSION, "Value": typeid("cus", customer_id)}],
                    "Timestamp": datetime.combine(month.first.replace(day=number), time(), UTC),
                    "Value": float(value),
                }
            )
        before = so_far
    return points
