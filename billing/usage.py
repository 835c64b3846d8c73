"""Metered use as it is recorded: whole months, revision by revision."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.periods import Month, billable_days
from billing.rating import Usage
from db import customers, usage
from db.customers import CustomerRow
from db.errors import Conflict, Invalid
from db.session import Session
from db.usage import Source, UsageRow

MOST_MONTHS = 36
USUAL_MONTHS = 12

_MOST_COUNT = 2**31
_MOST_EVENTS = 10**15
_MOST_BYTES = 10**18
_MOST_GB = Decimal(10) ** 12
_SMALLEST_GB = Decimal("0.000001")


def usage_of(row: UsageRow) -> Usage:
    """What rating takes."""
    return Usage(**{field.name: getattr(row, field.name) for field in fields(Usage)})


def span(first: Month | None, last: Month | None, *, now: datetime) -> tuple[Month, Month]:
    """The months that are meant, both included: without `last` up to this month, without `first` twelve of them.

    Raises Invalid for more than 36, or where the first comes after the last.
    """
    end = Month.of(now.date()) if last is None else last
    if first is None:
        start = end.shift(1 - USUAL_MONTHS) if end.year > 1 else Month(1, 1)
    else:
        start = first
    if last is not None and start > last:
        raise Invalid(f"{start} comes after {last}: name the earlier month first.", field=("from",))
    if (end.year - start.year) * 12 + end.number - start.number >= MOST_MONTHS:
        raise Invalid(f"At most {MOST_MONTHS} months can be asked for at once.", field=("from",))
    return start, end


def check(numbers: Usage, *, field: Sequence[str]) -> None:
    """Raises Invalid for the first number out of range, at its own name below `field`."""
    for name, refuse in _REFUSALS.items():
        if problem := refuse(getattr(numbers, name)):
            raise Invalid(problem, field=(*field, _public(name)))


async def record(
    session: Session,
    customer_id: UUID,
    month: Month,
    numbers: Usage,
    *,
    expected_revision: int | None,
    now: datetime,
    source: Source = "api",
) -> UsageRow:
    """The month's newest revision, which has these numbers; the one that is there where it has them already.

    Raises NotFound; Invalid for numbers out of range, a later month than this, or one without a billable day;
    Conflict where the newest revision (0: none yet) is not the expected one.
    """
    check(numbers, field=("input", "usage"))
    if month > Month.of(now.date()):
        raise Invalid(f"{month} has not begun yet.", field=("input", "month"))
    # held, so that two who record the same month come one after the other
    customer = await customers.lock(session, customer_id)
    if billable_days(month, active_from=customer.active_from, closed_on=customer.closed_on) is None:
        raise Invalid(f"{month} has no billable day: {_service(customer)}.", field=("input", "month"))
    newest = await usage.newest(session, customer_id, month.first)
    revision = 0 if newest is None else newest.revision
    if expected_revision is not None and expected_revision != revision:
        raise Conflict(
            f"The newest revision of {month} is {revision}, not {expected_revision}: look at it, then record again.",
            field=("input", "expectedRevision"),
        )
    row = revised(newest, customer_id, month, numbers, now=now)
    if row is None:
        assert newest is not None  # which has these numbers
        return newest
    await usage.insert(session, [row], source=source)
    return row


def revised(
    newest: UsageRow | None, customer_id: UUID, month: Month, numbers: Usage, *, now: datetime
) -> UsageRow | None:
    """The revision after the newest one, which is None while there is none; None where the numbers are the same."""
    if newest is not None and usage_of(newest) == numbers:
        return None
    return UsageRow(
        customer_id=customer_id,
        month=month.first,
        revision=1 if newest is None else newest.revision + 1,
        recorded_at=now,
        **{field.name: getattr(numbers, field.name) for field in fields(Usage)},
    )


def _service(customer: CustomerRow) -> str:
    ended = "" if customer.closed_on is None else f" and ended before {customer.closed_on}"
    return f"this customer's service began on {customer.active_from}{ended}"


def _below(bound: int) -> Callable[[Any], str | None]:
    return lambda number: None if 0 <= number < bound else f"A number from 0 to {bound - 1:,} is expected."


def _gigabytes(number: Any) -> str | None:
    if not 0 <= number < _MOST_GB:
        return f"A number from 0 to less than {_MOST_GB:,} is expected."
    return None if number == number.quantize(_SMALLEST_GB) else "At most six decimal places are expected."


def _public(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


_REFUSALS: Mapping[str, Callable[[Any], str | None]] = {
    "account_count": _below(_MOST_COUNT),
    "ou_count": _below(_MOST_COUNT),
    "scp_count": _below(_MOST_COUNT),
    "cloudtrail_events": _below(_MOST_EVENTS),
    "config_evaluations": _below(_MOST_EVENTS),
    "log_storage_gb": _gigabytes,
    "nat_bytes_processed": _below(_MOST_BYTES),
    "data_transfer_gb": _gigabytes,
}
