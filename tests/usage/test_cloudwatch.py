"""CloudWatch as the meter: what is asked, what its answers come to, and which of them cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest

from app import utc_now
from billing import cloudwatch
from billing.cloudwatch import BadAnswer, CloudWatch, NotAllowed, Reading, Unreachable
from billing.periods import Month
from billing.rating import Usage
from local.aws import Emulator
from schema.ids import typeid
from tests.aws import aws  # noqa: F401
from tests.usage.meter import Meter

OCTOBER = Month(2026, 10)
FIRST = datetime(2026, 10, 1, tzinfo=UTC)


def cus(customer_id: UUID) -> str:
    return typeid("cus", customer_id)


def read(meter: Meter, customer_id: UUID, **how: Any) -> Reading:
    answer = CloudWatch(meter.url, **how).read(OCTOBER, [customer_id])[customer_id]
    assert isinstance(answer, Reading), answer
    return answer


def refused(meter: Meter, customer_id: UUID) -> str:
    answer = CloudWatch(meter.url).read(OCTOBER, [customer_id])[customer_id]
    assert isinstance(answer, BadAnswer)
    return str(answer)


# ---------------------------------------------------------------- the emulator's


def put(customer_id: UUID, name: str, *points: tuple[datetime, float], namespace: str = "Landlord") -> None:
    boto3.client("cloudwatch").put_metric_data(
        Namespace=namespace,
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "CustomerId", "Value": cus(customer_id)}],
                "Timestamp": at,
                "Value": value,
            }
            for at, value in points
        ],
    )


def test_gauges_are_read_by_their_peak_and_counters_by_their_sum_day_by_day(aws: Emulator) -> None:  # noqa: F811
    """Of days of this month that are not two weeks old: the emulator forgets the others."""
    customer_id, other = uuid4(), uuid4()
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    month = Month.of(today.date())
    days = [day for day in (today - timedelta(days=1), today) if Month.of(day.date()) == month]
    for day in days:
        last = day.replace(hour=23, minute=59, second=59)
        put(customer_id, "AccountCount", (day, 12), (last, 14), (last, 9))
        put(customer_id, "CloudtrailEvents", (day, 1_000_000), (last, 234_567))
        put(customer_id, "LogStorageGb", (day, 0.1), (last, 0.25))
        put(customer_id, "DataTransferGb", (day, 0.1), (day, 0.2))
        put(customer_id, "OuCount", (day, 99), namespace="Somebody/Else")
    answers = CloudWatch(aws.url).read(month, [customer_id, other])
    reading, nothing = answers[customer_id], answers[other]
    assert isinstance(reading, Reading)
    assert isinstance(nothing, Reading)
    assert reading.daily["account_count"] == {day.date(): 14 for day in days}
    assert reading.daily["cloudtrail_events"] == {day.date(): 1_234_567 for day in days}
    assert reading.daily["ou_count"] == {}
    assert reading.numbers() == Usage(
        account_count=14,
        cloudtrail_events=1_234_567 * len(days),
        log_storage_gb=Decimal("0.25"),
        # as CloudWatch adds doubles, put right at the sixth place
        data_transfer_gb=Decimal("0.3") * len(days),
    )
    assert (reading.is_empty, nothing.is_empty) == (False, True)
    assert reading.source == {
        "service": "cloudwatch",
        "region": "eu-central-1",
        "namespace": "Landlord",
        "dimension": {"CustomerId": cus(customer_id)},
        "period": 86_400,
        "statistics": dict(cloudwatch.STATISTICS),
    }


# ---------------------------------------------------------------- what is asked


def test_at_most_500_metrics_are_asked_at_once_and_each_of_them_once(meter: Meter) -> None:
    everyone = [uuid4() for _ in range(130)]
    for customer_id in everyone:
        meter.publish(cus(customer_id), FIRST, AccountCount=customer_id.int % 97)
    answers = CloudWatch(meter.url).read(OCTOBER, everyone)
    assert [len(request["MetricDataQueries"]) for request in meter.asked] == [496, 496, 48]
    asked = [
        (query["MetricStat"]["Metric"]["Dimensions"][0]["Value"], query["MetricStat"]["Metric"]["MetricName"])
        for request in meter.asked
        for query in request["MetricDataQueries"]
    ]
    assert sorted(asked) == sorted(
        (cus(customer_id), cloudwatch.public(metric)) for customer_id in everyone for metric in cloudwatch.STATISTICS
    )
    found = {id: answer.numbers().account_count for id, answer in answers.items() if isinstance(answer, Reading)}
    assert found == {customer_id: customer_id.int % 97 for customer_id in everyone}


def test_a_month_is_asked_for_in_utc_days_from_its_first_to_the_next_months(meter: Meter) -> None:
    customer_id = uuid4()
    for day, accounts in ((FIRST - timedelta(days=1), 7), (FIRST, 1), (FIRST + timedelta(days=30), 2),
                          (FIRST + timedelta(days=31), 9)):  # fmt: skip
        meter.publish(cus(customer_id), day, AccountCount=accounts)
    assert read(meter, customer_id).daily["account_count"] == {date(2026, 10, 1): 1, date(2026, 10, 31): 2}
    [request] = meter.asked
    assert (request["StartTime"], request["EndTime"]) == (FIRST, datetime(2026, 11, 1, tzinfo=UTC))
    stats = {query["MetricStat"]["Stat"] for query in request["MetricDataQueries"]}
    assert {query["MetricStat"]["Period"] for query in request["MetricDataQueries"]} == {86_400}
    assert stats == {"Maximum", "Sum"}


def test_the_document_names_what_is_asked() -> None:
    told = (Path(__file__).parents[2] / "docs" / "usage.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (peak|sum) \|", told, re.MULTILINE)
    assert {name: {"peak": "Maximum", "sum": "Sum"}[figure] for name, figure in rows} == {
        cloudwatch.public(metric): statistic for metric, statistic in cloudwatch.STATISTICS.items()
    }
    assert f"namespace `{cloudwatch.NAMESPACE}`" in told
    assert f"dimension `{cloudwatch.DIMENSION}`" in told


# ---------------------------------------------------------------- pages, and a service that has no time


def test_all_pages_are_followed(meter: Meter) -> None:
    everyone = [uuid4() for _ in range(5)]
    for customer_id in everyone:
        meter.publish(cus(customer_id), FIRST, CloudtrailEvents=7)
    meter.page = 3
    answers = CloudWatch(meter.url).read(OCTOBER, everyone)
    assert [answer.numbers().cloudtrail_events for answer in answers.values() if isinstance(answer, Reading)] == [7] * 5
    assert [request.get("NextToken") for request in meter.asked] == [None, *map(str, range(3, 40, 3))]


def test_one_metric_may_be_spread_over_pages(meter: Meter) -> None:
    customer_id = uuid4()
    for day in range(3):
        meter.publish(cus(customer_id), FIRST + timedelta(days=day), CloudtrailEvents=5)
    whole = meter.answer

    def in_parts(request: Any) -> dict[str, Any]:
        """A day of each metric on a page."""
        place = int(request.get("NextToken", "0"))
        results = whole({name: value for name, value in request.items() if name != "NextToken"})["MetricDataResults"]
        for result in results:
            for name in ("Timestamps", "Values"):
                result[name] = result[name][place : place + 1]
            result["StatusCode"] = "Complete" if place == 2 else "PartialData"
        return {"MetricDataResults": results} | ({} if place == 2 else {"NextToken": str(place + 1)})

    meter.answer = in_parts  # type: ignore[method-assign]
    assert read(meter, customer_id).numbers().cloudtrail_events == 15


@pytest.mark.parametrize("refusal", [(400, "Throttling"), (503, "ServiceUnavailable")])
def test_a_call_that_is_throttled_is_tried_again(meter: Meter, refusal: tuple[int, str]) -> None:
    customer_id = uuid4()
    meter.publish(cus(customer_id), FIRST, AccountCount=3)
    meter.refusals = [refusal, refusal]
    assert read(meter, customer_id).numbers().account_count == 3
    assert (meter.refused, len(meter.asked)) == (2, 1)


def test_who_is_throttled_again_and_again_gives_up_for_now(meter: Meter) -> None:
    meter.always = (400, "Throttling")
    with pytest.raises(Unreachable, match="CloudWatch answers Throttling"):
        CloudWatch(meter.url, attempts=3).read(OCTOBER, [uuid4()])
    assert meter.refused == 3


def test_a_server_that_is_not_there_may_be_there_later(meter: Meter) -> None:
    with pytest.raises(Unreachable):
        CloudWatch("http://127.0.0.1:9", attempts=2).read(OCTOBER, [uuid4()])


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidParameterValue", "UnrecognizedClientException"])
def test_what_is_refused_for_good_is_not_tried_again(meter: Meter, code: str) -> None:
    meter.always = (403, code)
    with pytest.raises(NotAllowed, match=f"CloudWatch answers {code}: {code}, as was asked for"):
        CloudWatch(meter.url).read(OCTOBER, [uuid4()])
    assert meter.refused == 1


# ---------------------------------------------------------------- what answers come to


def test_a_metric_without_data_is_a_zero_among_others_that_have_some(meter: Meter) -> None:
    customer_id = uuid4()
    meter.publish(cus(customer_id), FIRST, NatBytesProcessed=0)
    reading = read(meter, customer_id)
    assert (reading.is_empty, reading.numbers()) == (False, Usage())


def test_sums_are_exact_in_decimals_and_gigabytes_have_six_places(meter: Meter) -> None:
    customer_id = uuid4()
    for day in range(31):
        at = FIRST + timedelta(days=day)
        meter.publish(cus(customer_id), at, DataTransferGb=0.1, NatBytesProcessed=2.0**50, LogStorageGb=1.0000005)
    numbers = read(meter, customer_id).numbers()
    assert numbers == Usage(
        data_transfer_gb=Decimal("3.1"), nat_bytes_processed=31 * 2**50, log_storage_gb=Decimal("1.000001")
    )


def _said(**changed: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The answer for accounts, changed so; all else stays."""
    return lambda result: result | changed if result["Label"] == "AccountCount" else result


CANNOT_BE: list[tuple[Any, str]] = [
    (_said(Values=[-1.0]), "AccountCount is -1.0 on 2026-10-01: a number from 0 to less than 10^18 is expected."),
    (_said(Values=[float("nan")]), "AccountCount is NaN on 2026-10-01: a number from 0 to less than 10^18 is expected."),
    (_said(Values=[float("inf")]),
     "AccountCount is Infinity on 2026-10-01: a number from 0 to less than 10^18 is expected."),
    (_said(Values=[1e300]), "AccountCount is 1E+300 on 2026-10-01: a number from 0 to less than 10^18 is expected."),
    (_said(Values=[12.5]), "AccountCount is 12.5 on 2026-10-01: a whole number is expected."),
    (_said(Timestamps=[FIRST - timedelta(days=1)]), "CloudWatch says AccountCount of 2026-09-30, which was not asked."),
    (_said(Timestamps=[FIRST, FIRST], Values=[1.0, 2.0]),
     "CloudWatch says AccountCount of 2026-10-01 twice, and not the same."),
    (_said(StatusCode="InternalError"), "CloudWatch did not answer for AccountCount wholly: read it again."),
    (_said(StatusCode="PartialData"), "CloudWatch did not answer for AccountCount wholly: read it again."),
    (_said(StatusCode="Forbidden"), "CloudWatch did not answer for AccountCount wholly: read it again."),
    (lambda result: None if result["Label"] == "AccountCount" else result,
     "CloudWatch did not answer for AccountCount wholly: read it again."),
]  # fmt: skip


@pytest.mark.parametrize(("tamper", "why"), CANNOT_BE, ids=range(len(CANNOT_BE)))
def test_an_answer_that_cannot_be_is_that_customers_alone(meter: Meter, tamper: Any, why: str) -> None:
    customer_id, other = uuid4(), uuid4()
    for one in (customer_id, other):
        meter.publish(cus(one), FIRST, AccountCount=1)
    first: list[str] = []

    def of_one(result: dict[str, Any]) -> Any:
        first.append(result["Id"])
        return tamper(result) if result["Id"].startswith("c0_") else result

    meter.tamper = of_one
    answers = CloudWatch(meter.url).read(OCTOBER, [customer_id, other])
    assert str(answers[customer_id]) == why
    assert isinstance(answers[customer_id], BadAnswer)
    theirs = answers[other]
    assert isinstance(theirs, Reading)
    assert theirs.numbers() == Usage(account_count=1)
    assert len(first) == 16
