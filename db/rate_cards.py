"""Price lists: which is in force on a day, and what stands in each; never changed, only followed by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from db.session import Session, columns

# Any number: it only has to be the same wherever a price list is added, or months are billed.
LOCK = 5_236_417_003


@dataclass(frozen=True, slots=True)
class RateCardRow:
    id: UUID
    name: str
    currency: str
    effective_from: date


@dataclass(frozen=True, slots=True)
class TierRow:
    """What one tier costs and grants under one price list."""

    rate_card_id: UUID
    tier: str
    base_price: Decimal
    max_accounts: int
    max_regions: int
    sso_users_limit: int
    custom_scps: bool
    priority_support: bool
    compliance_reports: bool
    cost_analytics: bool
    multi_region: bool
    break_glass_role: bool


@dataclass(frozen=True, slots=True)
class MetricPriceRow:
    """Two lists of one length: band by band the upper edge, None on the last one, and the price of a unit."""

    rate_card_id: UUID
    tier: str
    metric: str
    included: Decimal
    unit: Decimal
    band_up_to: list[Decimal | None]
    band_price: list[Decimal]


@dataclass(frozen=True, slots=True)
class DiscountRow:
    rate_card_id: UUID
    over: Decimal
    rate: Decimal


@dataclass(frozen=True, slots=True)
class TierOnDayRow:
    """A tier as the price list in force on `day` has it."""

    day: date
    tier: str
    base_price: Decimal
    max_accounts: int
    max_regions: int
    sso_users_limit: int
    custom_scps: bool
    priority_support: bool
    compliance_reports: bool
    cost_analytics: bool
    multi_region: bool
    break_glass_role: bool


_RATE_CARD = columns(RateCardRow)


async def on(session: Session, day: date) -> RateCardRow | None:
    """The one in force on `day`; None before the first."""
    return await session.first(
        RateCardRow,
        f"select {_RATE_CARD} from rate_cards where effective_from <= $1 order by effective_from desc limit 1",
        day,
    )


async def every(session: Session) -> list[RateCardRow]:
    """All of them, the earliest first."""
    return await session.all(RateCardRow, f"select {_RATE_CARD} from rate_cards order by effective_from")


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[RateCardRow]:
    return await session.all(RateCardRow, f"select {_RATE_CARD} from rate_cards where id = any($1)", ids)


async def tiers_by_cards(session: Session, rate_card_ids: Sequence[UUID]) -> list[TierRow]:
    """In the price list's own order."""
    return await session.all(
        TierRow,
        f"""
        select {columns(TierRow)} from tier_features
         where rate_card_id = any($1)
         order by rate_card_id, position
        """,
        rate_card_ids,
    )


async def metric_prices_by_cards(session: Session, rate_card_ids: Sequence[UUID]) -> list[MetricPriceRow]:
    """In the price list's own order within each tier."""
    return await session.all(
        MetricPriceRow,
        f"""
        select {columns(MetricPriceRow)} from rate_card_prices
         where rate_card_id = any($1)
         order by rate_card_id, tier, position
        """,
        rate_card_ids,
    )


async def discounts_by_cards(session: Session, rate_card_ids: Sequence[UUID]) -> list[DiscountRow]:
    """The lowest `over` first."""
    return await session.all(
        DiscountRow,
        f"""
        select {columns(DiscountRow)} from volume_discounts
         where rate_card_id = any($1)
         order by rate_card_id, over
        """,
        rate_card_ids,
    )


async def tiers_on(session: Session, days: Sequence[date]) -> list[TierOnDayRow]:
    """Every tier as the price lists in force on these days have it, in their order; none for a day before the first."""
    return await session.all(
        TierOnDayRow,
        f"""
        select {columns(TierOnDayRow)}
          from unnest($1::date[]) as asked (day)
         cross join lateral (
                   select id from rate_cards where effective_from <= asked.day order by effective_from desc limit 1
               ) as card
          join tier_features on tier_features.rate_card_id = card.id
         order by day, position
        """,
        days,
    )


async def lock(session: Session) -> None:
    """Nobody else adds a price list or tax rate until this transaction ends, and nobody issues an invoice.

    `invoices.lock_counters` shares it with its like.
    """
    await session.execute("select pg_advisory_xact_lock($1)", LOCK)


async def insert(
    session: Session, *, name: str, currency: str, effective_from: date, at: datetime, id: UUID | None = None
) -> UUID:
    """The id is drawn by the database unless one is given."""
    made: UUID = await session.value(
        """
        insert into rate_cards (name, currency, effective_from, created_at, id)
        values ($1, $2, $3, $4, coalesce($5, app.new_id()))
        returning id
        """,
        name,
        currency,
        effective_from,
        at,
        id,
    )
    return made


async def insert_tiers(session: Session, rate_card_id: UUID, rows: str, *, at: datetime) -> None:
    """`rows` is a JSON array of objects with the names of `tier_features`, in the order that they keep."""
    await session.execute(
        """
        insert into tier_features (
            rate_card_id, tier, position, base_price, max_accounts, max_regions, sso_users_limit, custom_scps,
            priority_support, compliance_reports, cost_analytics, multi_region, break_glass_role, created_at
        )
        select $1, added.*, $3
          from jsonb_to_recordset($2::text::jsonb) as added (
                   tier text, position int, base_price numeric, max_accounts int, max_regions int, sso_users_limit int,
                   custom_scps boolean, priority_support boolean, compliance_reports boolean, cost_analytics boolean,
                   multi_region boolean, break_glass_role boolean
               )
        """,
        rate_card_id,
        rows,
        at,
    )


async def insert_metric_prices(session: Session, rate_card_id: UUID, rows: str, *, at: datetime) -> None:
    """`rows` is a JSON array of objects with the names of `rate_card_prices`; decimals are texts."""
    await session.execute(
        """
        insert into rate_card_prices (
            rate_card_id, tier, metric, position, included, unit, band_up_to, band_price, created_at
        )
        select $1, added.*, $3
          from jsonb_to_recordset($2::text::jsonb) as added (
                   tier text, metric text, position int, included numeric, unit numeric, band_up_to numeric[],
                   band_price numeric[]
               )
        """,
        rate_card_id,
        rows,
        at,
    )


async def insert_discounts(
    session: Session, rate_card_id: UUID, rows: Sequence[tuple[Decimal, Decimal]], *, at: datetime
) -> None:
    """Each is what usage charges must exceed, and the rate that counts then."""
    await session.execute(
        """
        insert into volume_discounts (rate_card_id, over, rate, created_at)
        select $1, added.*, $4 from unnest($2::numeric[], $3::numeric[]) as added
        """,
        rate_card_id,
        [over for over, _ in rows],
        [rate for _, rate in rows],
        at,
    )
