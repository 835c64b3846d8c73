"""Tax rates by jurisdiction, each from a day on; never changed, only followed by another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from db.session import Session, columns


@dataclass(frozen=True, slots=True)
class TaxRateRow:
    jurisdiction: str
    effective_from: date
    rate: Decimal


async def every(session: Session) -> list[TaxRateRow]:
    """All of them, by jurisdiction, the earliest first."""
    return await session.all(
        TaxRateRow, f"select {columns(TaxRateRow)} from tax_rates order by jurisdiction, effective_from"
    )


async def insert(session: Session, rows: Sequence[TaxRateRow], *, at: datetime) -> None:
    await session.execute(
        """
        insert into tax_rates (jurisdiction, effective_from, rate, created_at)
        select added.*, $4 from unnest($1::text[], $2::date[], $3::numeric[]) as added
        """,
        [row.jurisdiction for row in rows],
        [row.effective_from for row in rows],
        [row.rate for row in rows],
        at,
    )
