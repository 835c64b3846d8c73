"""Customers with their tiers: every question about who is served, from which day on, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from db.ended import EpochRaised
from db.enums import Tier
from db.errors import NotFound
from db.page import COUNT_LIMIT, Page
from db.session import Asked, Session, columns


class CustomerStatus(StrEnum):
    """Never stored: what the day makes of `closed_on` and `suspended_at`."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """`tags` and `custom_config` are JSON texts; `begun` says of each tier "2026-11-01 standard", oldest first.

    One text each, since another look at the history costs as much as all the rest of a row.
    """

    id: UUID
    name: str
    framework: str
    aws_org_id: str | None
    aws_account_id: str | None
    email: str
    billing_email: str
    mfa_enforced: bool
    encryption_required: bool
    tags: str = field(metadata={"sql": "customers.tags::text"})
    custom_config: str = field(metadata={"sql": "customers.custom_config::text"})
    tax_jurisdiction: str
    tax_status: str
    invoice_prefix: str
    active_from: date
    closed_on: date | None
    suspended_at: datetime | None
    epoch: int
    created_at: datetime
    updated_at: datetime
    begun: list[str] = field(
        metadata={
            "sql": """array(
                select to_char(h.starts_on, 'YYYY-MM-DD ') || h.tier
                  from tier_history h where h.customer_id = customers.id order by h.starts_on
            )"""
        }
    )

    @property
    def tiers(self) -> list[tuple[date, Tier]]:
        """Each with the day that it begins on, oldest first."""
        return [(date.fromisoformat(one[:10]), Tier(one[11:])) for one in self.begun]


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """From `active_from` (inclusive) to `closed_on` (exclusive)."""

    id: UUID
    active_from: date
    closed_on: date | None


@dataclass(frozen=True, slots=True)
class Profile:
    """What of a customer is simply set: by its making, and by an update. `tags` and `custom_config` are JSON texts."""

    name: str
    framework: str
    aws_org_id: str | None
    aws_account_id: str | None
    email: str
    billing_email: str
    mfa_enforced: bool
    encryption_required: bool
    tags: str
    custom_config: str
    tax_jurisdiction: str
    tax_status: str


_CUSTOMER = columns(CustomerRow, "customers.")

# $1 is the day that counts as today, $2 to $4 the filter. Before its first day a customer has its first tier.
# The collation knows the case of letters beyond ASCII whatever the database's own does.
_WANTED = """
       ($2::text is null or $2 = coalesce(
           (select h.tier from tier_history h
             where h.customer_id = customers.id and h.starts_on <= $1 order by h.starts_on desc limit 1),
           (select h.tier from tier_history h where h.customer_id = customers.id order by h.starts_on limit 1)
       ))
   and ($3::text is null or $3 = case
           when customers.closed_on <= $1 then 'closed'
           when customers.suspended_at is not null then 'suspended'
           else 'active'
       end)
   and ($4::text is null or customers.name collate pg_c_utf8 ilike $4 or customers.email collate pg_c_utf8 ilike $4)
"""

# Above every id: a first page begins there.
_AFTER_ALL = UUID(int=2**128 - 1)


async def by_ids(session: Session, ids: Sequence[UUID], *, row: Asked[CustomerRow] = CustomerRow) -> list[CustomerRow]:
    """Those of these customers that there are for this session."""
    return await session.shown(row, "select {row} from customers where id = any($1)", "customers.", ids)


async def unknown(session: Session, ids: Sequence[UUID]) -> list[UUID]:
    """Those of these ids that are no customer's."""
    return await session.values(
        """
        select asked.id
          from unnest($1::uuid[]) as asked (id)
         where not exists (select from customers c where c.id = asked.id)
        """,
        ids,
    )


async def get(session: Session, id: UUID) -> CustomerRow:
    """Raises NotFound."""
    return await session.one(CustomerRow, f"select {_CUSTOMER} from customers where id = $1", id, what="customer")


async def page(
    session: Session,
    *,
    today: date,
    first: int,
    after: UUID | None,
    tier: Tier | None = None,
    status: CustomerStatus | None = None,
    search: str | None = None,
) -> Page[CustomerRow]:
    """Newest first: those of this tier and status on the day `today`, with `search` in their name or e-mail."""
    wanted = (today, tier, status, None if search is None else f"%{_literally(search)}%")
    rows = await session.all(
        CustomerRow,
        f"select {_CUSTOMER} from customers where {_WANTED} and customers.id < $5 order by customers.id desc limit $6",
        *wanted,
        after or _AFTER_ALL,
        first + 1,
    )

    async def count() -> int:
        return int(
            await session.value(
                f"select count(*) from (select from customers where {_WANTED} limit {COUNT_LIMIT}) as counted", *wanted
            )
        )

    return Page.cut(rows, first=first, after_given=after is not None, count=count)


async def insert(
    session: Session, profile: Profile, *, tier: Tier, active_from: date, at: datetime, id: UUID | None = None
) -> CustomerRow:
    """A new customer with its first tier. The database draws its invoice prefix, and its id unless one is given."""
    made: UUID = await session.value(
        """
        insert into customers (
            name, framework, aws_org_id, aws_account_id, email, billing_email, mfa_enforced, encryption_required,
            tags, custom_config, tax_jurisdiction, tax_status, active_from, created_at, updated_at, id
        )
        values (
            $1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb, $10::text::jsonb, $11, $12, $13, $14, $14,
            coalesce($15, app.new_id())
        )
        returning id
        """,
        *_values(profile),
        active_from,
        at,
        id,
    )
    await replace_tiers(session, made, [(active_from, tier)], since=active_from, at=at)
    return await get(session, made)


async def lock(session: Session, id: UUID) -> CustomerRow:
    """The customer as it stands, and keeps standing until this transaction ends. Raises NotFound."""
    if await session.value("select id from customers where id = $1 for no key update", id) is None:
        raise NotFound("customer", id)
    # read anew: the locking statement's own sub-selects would be as old as its start
    return await get(session, id)


async def lock_service(session: Session, ids: Sequence[UUID]) -> list[ServiceRow]:
    """The days of these customers' service, which stand until this transaction ends; locked in the order of their ids."""
    return await session.all(
        ServiceRow,
        f"select {columns(ServiceRow)} from customers where id = any($1) order by id for no key update",
        ids,
    )


async def last_billed_month(session: Session, id: UUID) -> date | None:
    """The first day of the last month with an issued, overdue or paid invoice."""
    month: date | None = await session.value(
        "select max(month) from invoices where customer_id = $1 and status in ('issued', 'paid')", id
    )
    return month


async def update(session: Session, id: UUID, profile: Profile, *, at: datetime) -> None:
    await session.execute(
        """
        update customers
           set name = $1, framework = $2, aws_org_id = $3, aws_account_id = $4, email = $5, billing_email = $6,
               mfa_enforced = $7, encryption_required = $8, tags = $9::text::jsonb, custom_config = $10::text::jsonb,
               tax_jurisdiction = $11, tax_status = $12, updated_at = $13
         where id = $14
        """,
        *_values(profile),
        at,
        id,
    )


async def replace_tiers(
    session: Session, id: UUID, tiers: Sequence[tuple[date, Tier]], *, since: date, at: datetime
) -> None:
    """From the day `since` on these tiers begin, and no others."""
    await session.execute("delete from tier_history where customer_id = $1 and starts_on >= $2", id, since)
    await session.execute(
        """
        insert into tier_history (customer_id, starts_on, tier, created_at)
        select $1, start.starts_on, start.tier, $4 from unnest($2::date[], $3::text[]) as start (starts_on, tier)
        """,
        id,
        [start for start, _ in tiers],
        [tier for _, tier in tiers],
        at,
    )
    await session.execute("update customers set updated_at = $2 where id = $1", id, at)


async def suspend(session: Session, id: UUID, *, reason: str, at: datetime) -> None:
    """Its credentials are looked at again: the epoch goes up."""
    epoch = await session.value(
        """
        update customers
           set suspended_at = $2, suspended_reason = $3, epoch = epoch + 1, updated_at = $2
         where id = $1
        returning epoch
        """,
        id,
        at,
        reason,
    )
    session.ended.append(EpochRaised(id, epoch))


async def reinstate(session: Session, id: UUID, *, at: datetime) -> None:
    """Its credentials are looked at again: the epoch goes up."""
    epoch = await session.value(
        """
        update customers
           set suspended_at = null, suspended_reason = null, epoch = epoch + 1, updated_at = $2
         where id = $1
        returning epoch
        """,
        id,
        at,
    )
    session.ended.append(EpochRaised(id, epoch))


async def close(session: Session, id: UUID, *, closed_on: date, reason: str, at: datetime) -> None:
    """Its credentials are looked at again: the epoch goes up."""
    epoch = await session.value(
        """
        update customers
           set closed_on = $2, closed_reason = $3, epoch = epoch + 1, updated_at = $4
         where id = $1
        returning epoch
        """,
        id,
        closed_on,
        reason,
        at,
    )
    session.ended.append(EpochRaised(id, epoch))


async def raise_epoch(session: Session, id: UUID) -> int:
    """Every session and remembered key of the customer is looked at again; the new epoch. Raises NotFound."""
    epoch: int | None = await session.value("update customers set epoch = epoch + 1 where id = $1 returning epoch", id)
    if epoch is None:
        raise NotFound("customer", id)
    session.ended.append(EpochRaised(id, epoch))
    return epoch


def _values(profile: Profile) -> tuple[Any, ...]:
    return (
        profile.name,
        profile.framework,
        profile.aws_org_id,
        profile.aws_account_id,
        profile.email,
        profile.billing_email,
        profile.mfa_enforced,
        profile.encryption_required,
        profile.tags,
        profile.custom_config,
        profile.tax_jurisdiction,
        profile.tax_status,
    )


def _literally(text: str) -> str:
    """With LIKE's wildcards as plain characters."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
