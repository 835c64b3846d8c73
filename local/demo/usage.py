"""What the companies of the demo data use: figures that grow and waver from month to month, always the same way."""

from __future__ import annotations

from decimal import Decimal

from billing.periods import Month
from billing.rating import Usage
from local.demo.moments import number
from local.demo.people import Company

_MILLION = 10**6
_GB = 10**9


def used(company: Company, month: Month, *, ago: int, days: int) -> Usage:
    """In so many days of the month, which lies `ago` months before the planting.

    Gauges hold the peak, counters the sum of the days.
    """
    load = company.load
    trend = 1000 + load.growth * (company.since.ago - ago)

    def counted(name: str, whole: int) -> int:
        """`whole` in the first whole month, then with the trend, give or take two per cent."""
        wavering = trend * 10**9 + number(f"{company.slug}/{name}/{ago}", 4 * 10**10) - 2 * 10**10
        return whole * wavering * days // (10**12 * month.days)

    accounts = load.accounts * trend // 1000
    return Usage(
        account_count=accounts,
        ou_count=4 + accounts // 7,
        scp_count=6 + accounts // 5,
        cloudtrail_events=counted("events", load.events * _MILLION),
        config_evaluations=counted("evaluations", load.evaluations * 1000),
        log_storage_gb=Decimal(load.logs * trend + number(f"{company.slug}/logs/{ago}", 1000)).scaleb(-3),
        nat_bytes_processed=counted("nat", load.nat * _GB),
        data_transfer_gb=Decimal(counted("transfer", load.transfer * 1000)).scaleb(-3),
    )


def corrected(usage: Usage, thousandths: int) -> Usage:
    """With so much of what was counted; the gauges stay."""
    return Usage(
        account_count=usage.account_count,
        ou_count=usage.ou_count,
        scp_count=usage.scp_count,
        cloudtrail_events=usage.cloudtrail_events * thousandths // 1000,
        config_evaluations=usage.config_evaluations * thousandths // 1000,
        log_storage_gb=usage.log_storage_gb,
        nat_bytes_processed=usage.nat_bytes_processed * thousandths // 1000,
        data_transfer_gb=(usage.data_transfer_gb * thousandths / 1000).quantize(Decimal("0.001")),
    )
