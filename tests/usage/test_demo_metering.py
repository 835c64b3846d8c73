"""What `make run` puts into its emulator's CloudWatch is what the demo's companies used this month."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import asyncpg
import pytest

from app import utc_now
from billing.cloudwatch import CloudWatch, Reading
from billing.periods import Month
from local import database, postgres
from local.aws import Emulator
from local.demo import books, metering
from local.demo.usage import used
from tests.aws import aws  # noqa: F401


async def test_it_comes_to_what_they_used_until_today(
    admin: asyncpg.Connection,
    cluster: postgres.Cluster,
    aws: Emulator,  # noqa: F811
) -> None:
    now = utc_now()
    month = Month.of(now.date())
    known = [
        (
            company,
            await admin.fetchval(
                """
                insert into customers (
                    name, email, billing_email, tax_jurisdiction, tax_status, active_from, invoice_prefix
                )
                values ($1, 'it@example.com', 'it@example.com', $2, 'exempt', $3, $4) returning id
                """,
                company.name,
                company.jurisdiction,
                month.shift(-company.since.ago).first,
                books.invoice_prefix(company),
            ),
        )
        for company in metering.METERED
    ]
    await metering.publish(database.admin_url(cluster.superuser_url), now=now)
    answers = CloudWatch(aws.url).read(month, [customer_id for _, customer_id in known])
    for company, customer_id in known:
        reading = answers[customer_id]
        assert isinstance(reading, Reading)
        assert reading.numbers() == used(company, month, ago=0, days=now.day)


@pytest.mark.parametrize(("day", "published"), [(1, 1), (5, 5), (13, 13), (14, 13), (30, 13)])
def test_every_day_that_the_emulator_takes_has_its_part(day: int, published: int) -> None:
    company, month = metering.METERED[0], Month(2026, 11)
    points = metering._points(
        company,
        customer_id=UUID(int=7),
        since=month.shift(-company.since.ago),
        today=date(2026, 11, day),
    )
    events = [point for point in points if point["MetricName"] == "CloudtrailEvents"]
    assert [point["Timestamp"].day for point in events] == list(range(day - published + 1, day + 1))
    assert all(point["Value"] > 0 for point in events)
    assert sum(point["Value"] for point in events) == used(company, month, ago=0, days=day).cloudtrail_events
