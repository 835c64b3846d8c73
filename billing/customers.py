"""Customers as the rules have them: made, changed, moved between tiers, suspended and closed.

A day here is one in UTC, and today is the day of `now`. Months with an issued, overdue or paid invoice do not move any
more: no tier changes and no closing reaches back into them. Source: BILLING.md, "What an invoice says".
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from billing import events
from billing.events import Event, EventType
from billing.periods import Month, TierPeriod, history
from db import customers, invoices
from db.customers import CustomerRow, CustomerStatus, Profile
from db.enums import TaxStatus, Tier
from db.errors import IllegalState, Invalid, NotFound
from db.session import Session
from db.typeids import typeid

LONGEST_REASON = 500
MOST_NAMED = 1000

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_AWS_ORG = re.compile(r"o-[a-z0-9]{10,32}")
_AWS_ACCOUNT = re.compile(r"[0-9]{12}")
_JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_YEARS = range(1970, 3000)

_Field = Sequence[str]


def status_on(customer: CustomerRow, day: date) -> CustomerStatus:
    if customer.closed_on is not None and customer.closed_on <= day:
        return CustomerStatus.CLOSED
    return CustomerStatus.ACTIVE if customer.suspended_at is None else CustomerStatus.SUSPENDED


def tier_periods(customer: CustomerRow) -> tuple[TierPeriod, ...]:
    """Oldest first; neighbours differ. The last one lasts on, beyond the closing day too."""
    return history(customer.tiers)


def tier_on(customer: CustomerRow, day: date) -> Tier:
    """Before its first day, the tier that it begins with."""
    begun = [tier for start, tier in customer.tiers if start <= day]
    return begun[-1] if begun else customer.tiers[0][1]


async def named(session: Session, customer_ids: Sequence[UUID] | None, *, left_out: str) -> list[UUID] | None:
    """The customers that work in the background is asked for, each once and in order; None, which is everyone, stays.

    `left_out` says what leaving the list out is for. Raises Invalid for none or too many, NotFound for an unknown one.
    """
    if customer_ids is None:
        return None
    field = ("input", "customerIds")
    each = sorted(set(customer_ids))
    if not each:
        raise Invalid(f"Name a customer, or leave the list out {left_out}.", field=field)
    if len(each) > MOST_NAMED:
        raise Invalid(f"At most {MOST_NAMED} customers can be named.", field=field)
    if unknown := await customers.unknown(session, each):
        raise NotFound("customer", unknown[0], field=field)
    return each


async def create(
    session: Session, profile: Mapping[str, Any], *, tier: Tier, active_from: date | None, now: datetime
) -> CustomerRow:
    """`profile` has the names of `Profile`, with JSON as values; bills go to `email` where `billing_email` is None.

    Starts today where `active_from` is None. Raises Invalid.
    """
    asked = dict(profile)
    if asked.get("billing_email") is None:
        asked["billing_email"] = asked["email"]
    for name in ("tags", "custom_config"):
        if asked.get(name) is None:
            asked[name] = {}
    first_day = now.date() if active_from is None else _day(active_from, "activeFrom")
    return await customers.insert(session, Profile(**_checked(asked)), tier=tier, active_from=first_day, at=now)


async def update(session: Session, id: UUID, changes: Mapping[str, Any], *, now: datetime) -> CustomerRow:
    """`changes` has those of the names of `Profile` that change. None clears, where there may be nothing.

    Raises NotFound, or Invalid with nothing changed.
    """
    checked = _checked(changes)
    customer = await customers.lock(session, id)
    if not checked:
        return customer
    profile = Profile(**{name: getattr(customer, name) for name in Profile.__slots__})
    await customers.update(session, id, replace(profile, **checked), at=now)
    return await customers.get(session, id)


async def change_tier(
    session: Session, id: UUID, tier: Tier, *, effective_on: date | None, now: datetime
) -> CustomerRow:
    """From `effective_on` (None: today) on, instead of all that was planned from that day on.

    Nothing changes where the customer has that tier on that day already. Raises NotFound; Invalid before the
    customer's first day; IllegalState for a closed customer, or a day that an invoice rests on.
    """
    day = now.date() if effective_on is None else _day(effective_on, "effectiveOn")
    customer = await _lock_with_invoices(session, id)
    _refuse_closed(customer, "change the tier of", on=max(day, now.date()))
    if day < customer.active_from:
        raise Invalid(
            f"This customer starts on {customer.active_from}: its tier can change on that day or later.",
            field=("input", "effectiveOn"),
        )
    if tier_on(customer, day) is tier:
        return customer
    await _refuse_billed(session, customer, day, "change the tier of")
    kept = [(start, before) for start, before in customer.tiers if start < day]
    # the same tier on both sides of the day: what was planned is gone, and the period before just goes on
    added = [] if kept and kept[-1][1] is tier else [(day, tier)]
    await customers.replace_tiers(session, id, added, since=day, at=now)
    said = {"id": typeid("cus", id), "tier": tier.name, "effectiveOn": day.isoformat()}
    await events.announce(session, [Event(id, EventType.TIER_CHANGED, said)], at=now)
    return await customers.get(session, id)


async def suspend(session: Session, id: UUID, *, reason: str, now: datetime) -> CustomerRow:
    """Raises NotFound, Invalid, or IllegalState for one that is closed or suspended already."""
    why = _reason(reason)
    customer = await customers.lock(session, id)
    _refuse_closed(customer, "suspend", on=now.date())
    if customer.suspended_at is not None:
        raise IllegalState(customer, "suspend", "This customer is suspended already.")
    await customers.suspend(session, id, reason=why, at=now)
    return await customers.get(session, id)


async def reinstate(session: Session, id: UUID, *, reason: str, now: datetime) -> CustomerRow:
    """Raises NotFound, Invalid, or IllegalState for one that is closed or not suspended."""
    _reason(reason)
    customer = await customers.lock(session, id)
    _refuse_closed(customer, "reinstate", on=now.date())
    if customer.suspended_at is None:
        raise IllegalState(customer, "reinstate", "This customer is not suspended.")
    await customers.reinstate(session, id, at=now)
    return await customers.get(session, id)


async def close(session: Session, id: UUID, *, reason: str, closed_on: date | None, now: datetime) -> CustomerRow:
    """For good, from `closed_on` (None: today) on; tiers planned for then are forgotten.

    Raises NotFound; Invalid before the customer's first day; IllegalState for one that has a closing day already, or
    a day that an invoice rests on.
    """
    why = _reason(reason)
    day = now.date() if closed_on is None else _day(closed_on, "closedOn")
    customer = await _lock_with_invoices(session, id)
    if customer.closed_on is not None:
        raise IllegalState(
            customer, "close", f"The closing day of this customer is {customer.closed_on}, and closing is for good."
        )
    if day < customer.active_from:
        raise Invalid(
            f"This customer starts on {customer.active_from}: it can close on that day or later.",
            field=("input", "closedOn"),
        )
    await _refuse_billed(session, customer, day, "close")
    # a customer keeps the tier that it began with, even if it closes on its first day
    since = max(day, customer.active_from + timedelta(days=1))
    if any(start >= since for start, _ in customer.tiers):
        await customers.replace_tiers(session, id, [], since=since, at=now)
    await customers.close(session, id, closed_on=day, reason=why, at=now)
    return await customers.get(session, id)


async def _lock_with_invoices(session: Session, id: UUID) -> CustomerRow:
    """The customer as it stands; none of its invoices is issued meanwhile. Raises NotFound.

    Issue takes the counter row first, so it is taken first here too.
    """
    await customers.get(session, id)
    await invoices.lock_counters(session, [id])
    return await customers.lock(session, id)


def _refuse_closed(customer: CustomerRow, action: str, *, on: date) -> None:
    if customer.closed_on is not None and customer.closed_on <= on:
        raise IllegalState(customer, action, f"This customer is closed from {customer.closed_on} on.")


async def _refuse_billed(session: Session, customer: CustomerRow, day: date, action: str) -> None:
    billed = await customers.last_billed_month(session, customer.id)
    if billed is not None and day < Month.of(billed).next().first:
        raise IllegalState(
            customer,
            action,
            f"{Month.of(billed)} has an invoice that is issued or paid: the first day that can still change is"
            f" {Month.of(billed).next().first}.",
        )


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """As they are stored. Raises Invalid at the first that cannot be."""
    return {name: _CHECKS[name](value, ("input", _public(name))) for name, value in values.items()}


def _public(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _reason(text: str) -> str:
    return _line(LONGEST_REASON)(text, ("input", "reason"))


def _day(day: date, name: str) -> date:
    if day.year not in _YEARS:
        raise Invalid(f"A day in the years {_YEARS[0]} to {_YEARS[-1]} is expected.", field=("input", name))
    return day


def _given(value: Any, field: _Field) -> Any:
    if value is None:
        raise Invalid("This cannot be null: leave it out to keep it as it is.", field=field)
    return value


def _line(longest: int) -> Callable[[Any, _Field], str]:
    def check(value: Any, field: _Field) -> str:
        text = str(_given(value, field)).strip()
        if not 1 <= len(text) <= longest:
            raise Invalid(f"A text of 1 to {longest} characters is expected.", field=field)
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
            raise Invalid("A text in one line is expected, without control characters.", field=field)
        return text

    return check


def _email(value: Any, field: _Field) -> str:
    text = _line(254)(value, field)
    if _EMAIL.fullmatch(text) is None:
        raise Invalid("An e-mail address has one @, something on both sides of it, and no spaces.", field=field)
    return text


def _form(pattern: re.Pattern[str], sentence: str) -> Callable[[Any, _Field], str]:
    def check(value: Any, field: _Field) -> str:
        if pattern.fullmatch(_given(value, field)) is None:
            raise Invalid(sentence, field=field)
        return str(value)

    return check


def _or_nothing(check: Callable[[Any, _Field], str]) -> Callable[[Any, _Field], str | None]:
    return lambda value, field: None if value is None else check(value, field)


def _json(value: Any, field: _Field) -> str:
    return json.dumps(_given(value, field), ensure_ascii=False, allow_nan=False)


_CHECKS: Mapping[str, Callable[[Any, _Field], Any]] = {
    "name": _line(200),
    "framework": _line(50),
    "aws_org_id": _or_nothing(
        _form(_AWS_ORG, "An AWS organization ID is `o-` and 10 to 32 small letters and digits, such as o-a1b2c3d4e5.")
    ),
    "aws_account_id": _or_nothing(_form(_AWS_ACCOUNT, "An AWS account ID has exactly 12 digits.")),
    "email": _email,
    "billing_email": _email,
    "mfa_enforced": _given,
    "encryption_required": _given,
    "tags": _json,
    "custom_config": _json,
    "tax_jurisdiction": _form(
        _JURISDICTION, "A jurisdiction is an ISO 3166 code, with the state where one taxes by itself: DE, US-WA."
    ),
    "tax_status": lambda value, field: TaxStatus(_given(value, field)),
}
