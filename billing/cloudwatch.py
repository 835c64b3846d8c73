"""Amazon CloudWatch as the meter: what each customer's landing zone used in a month, day by day.

Collectors in the landing zones publish to the namespace `Landlord`, one metric for each that we meter, with the one
dimension `CustomerId`, the customer's ID here (`cus_...`). That ID and not the AWS organization's: every customer has
one from its first day, no two share it, and it never changes, whereas an organization may be missing, or be put right
later, and then its use would be another's bill. Source: docs/usage.md, which says the same to those who publish.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Any, Final, TypeAlias
from uuid import UUID

from billing.periods import Month
from billing.rating import Usage
from db.clients import opened
from db.typeids import typeid

NAMESPACE: Final = "Landlord"
DIMENSION: Final = "CustomerId"
DAY: Final = 86_400  # seconds: the period, which CloudWatch aligns to UTC days
MOST_METRICS = 500  # that GetMetricData takes in one call

# What a month's figure is made of: a gauge by its peak, a counter by its sum.
STATISTICS: Final[Mapping[str, str]] = {
    "account_count": "Maximum",
    "ou_count": "Maximum",
    "scp_count": "Maximum",
    "cloudtrail_events": "Sum",
    "config_evaluations": "Sum",
    "log_storage_gb": "Maximum",
    "nat_bytes_processed": "Sum",
    "data_transfer_gb": "Sum",
}
CUSTOMERS_A_CALL: Final = MOST_METRICS // len(STATISTICS)
_GIGABYTES = {field.name for field in fields(Usage) if field.name.endswith("_gb")}
_SMALLEST_GB = Decimal("0.000001")

_MOST = Decimal(10) ** 18  # nothing that is metered reaches it in a day
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
# What botocore says of an error that it would have tried again: it is of the moment.
_TRIED = {"MaxAttemptsReached", "RetryQuotaReached"}


class Unreachable(Exception):
    """CloudWatch does not answer now, or too much is asked of it: later it may."""


class NotAllowed(Exception):
    """CloudWatch answers nothing that we ask, whoever it is about; the message is for an operator."""


class BadAnswer(Exception):
    """What CloudWatch says of one customer cannot be; the message is for an operator."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One customer's month: by the name of the metric, then by day, days without a data point left out.

    `source` says what was asked, and where.
    """

    source: Mapping[str, Any]
    daily: Mapping[str, Mapping[date, Decimal]]

    @property
    def is_empty(self) -> bool:
        """Whether CloudWatch has nothing at all of this customer; one metric without data is a 0 among the others."""
        return not any(self.daily.values())

    def numbers(self) -> Usage:
        """The month's figures, not looked at yet: see `billing.usage.check`. GB to six places, rounded half-up."""
        return Usage(**{name: _figure(name, self.daily[name]) for name in STATISTICS})


Answer: TypeAlias = Reading | BadAnswer


class CloudWatch:
    """`endpoint_url` is another address than Amazon's own: the emulator's. Nothing is opened before the first question.

    `attempts` are made of a call that is throttled, at a rate that adapts.
    """

    def __init__(self, endpoint_url: str | None = None, *, attempts: int = 6) -> None:
        self._endpoint_url = endpoint_url
        self._attempts = attempts

    def read(self, month: Month, customer_ids: Sequence[UUID]) -> dict[UUID, Answer]:
        """What each of these customers used in the month. Blocks: call it in a thread.

        Raises Unreachable or NotAllowed; a customer of whom CloudWatch says what cannot be has that as its answer.
        """
        answers: dict[UUID, Answer] = {}
        for start in range(0, len(customer_ids), CUSTOMERS_A_CALL):
            answers |= self._read(month, customer_ids[start : start + CUSTOMERS_A_CALL])
        return answers

    def _read(self, month: Month, customer_ids: Sequence[UUID]) -> Iterator[tuple[UUID, Answer]]:
        asked = {
            f"c{place}_{metric}": (customer_id, metric)
            for place, customer_id in enumerate(customer_ids)
            for metric in STATISTICS
        }
        queries = [
            {
                "Id": id,
                "MetricStat": {
                    "Metric": {
                        "Namespace": NAMESPACE,
                        "MetricName": public(metric),
                        "Dimensions": [{"Name": DIMENSION, "Value": typeid("cus", customer_id)}],
                    },
                    "Period": DAY,
                    "Stat": STATISTICS[metric],
                },
            }
            for id, (customer_id, metric) in asked.items()
        ]
        found: dict[str, list[dict[str, Any]]] = {id: [] for id in asked}
        for result in self._results(month, queries):
            if result["Id"] in found:
                found[result["Id"]].append(result)
        for place, customer_id in enumerate(customer_ids):
            try:
                daily = {metric: _days(metric, month, found[f"c{place}_{metric}"]) for metric in STATISTICS}
            except BadAnswer as problem:
                yield customer_id, problem
            else:
                yield customer_id, Reading(self._source(customer_id), daily)

    def _results(self, month: Month, queries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """All pages."""
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError, PaginationError
        from botocore.parsers import ResponseParserError

        pages = self._client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries,
            StartTime=_midnight(month.first),
            EndTime=_midnight(month.next().first),
            ScanBy="TimestampAscending",
        )
        try:
            return [result for page in pages for result in page["MetricDataResults"]]
        except ClientError as error:
            said = error.response
            told = f"CloudWatch answers {said['Error'].get('Code')}: {said['Error'].get('Message')}"[:500]
            if _TRIED & said["ResponseMetadata"].keys():
                raise Unreachable(told) from error
            raise NotAllowed(told) from error
        except (ConnectionError, HTTPClientError, PaginationError, ResponseParserError) as error:
            raise Unreachable(f"CloudWatch cannot be reached: {type(error).__name__}") from error
        except BotoCoreError as error:
            raise NotAllowed(f"CloudWatch cannot be asked: {error}"[:500]) from error

    def _source(self, customer_id: UUID) -> dict[str, Any]:
        return {
            "service": "cloudwatch",
            "region": self._client.meta.region_name,
            "namespace": NAMESPACE,
            "dimension": {DIMENSION: typeid("cus", customer_id)},
            "period": DAY,
            "statistics": dict(STATISTICS),
        }

    @opened
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        retries = {"mode": "adaptive", "total_max_attempts": self._attempts}
        config = Config(connect_timeout=5, read_timeout=30, retries=retries)
        return boto3.client("cloudwatch", endpoint_url=self._endpoint_url, config=config)


def public(metric: str) -> str:
    """As it is published: `account_count` is `AccountCount`."""
    return "".join(word.capitalize() for word in metric.split("_"))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _days(metric: str, month: Month, results: Sequence[Mapping[str, Any]]) -> dict[date, Decimal]:
    """The values of one metric by day, from all pages. Raises BadAnswer."""
    name = public(metric)
    if not results or results[-1].get("StatusCode") != "Complete":
        raise BadAnswer(f"CloudWatch did not answer for {name} wholly: read it again.")
    values: dict[date, Decimal] = {}
    for result in results:
        for instant, value in zip(result.get("Timestamps", []), result.get("Values", []), strict=True):
            day = instant.astimezone(UTC).date()
            # CloudWatch says doubles; the shortest text of one is the number that was published
            number = Decimal(repr(value))
            if day not in month.span:
                raise BadAnswer(f"CloudWatch says {name} of {day}, which was not asked.")
            if not (number.is_finite() and 0 <= number < _MOST):
                raise BadAnswer(f"{name} is {number} on {day}: a number from 0 to less than 10^18 is expected.")
            if values.setdefault(day, number) != number:
                raise BadAnswer(f"CloudWatch says {name} of {day} twice, and not the same.")
            if metric not in _GIGABYTES and number != number.to_integral_value():
                raise BadAnswer(f"{name} is {number} on {day}: a whole number is expected.")
    return values


def _figure(metric: str, daily: Mapping[date, Decimal]) -> Any:
    values = daily.values()
    with localcontext(_EXACT):
        figure = sum(values, Decimal(0)) if STATISTICS[metric] == "Sum" else max(values, default=Decimal(0))
        return figure.quantize(_SMALLEST_GB) if metric in _GIGABYTES else int(figure)
