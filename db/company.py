"""Who bills: the house's own details, each in force from its day until the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from db.session import Session, columns


@dataclass(frozen=True, slots=True)
class CompanyRow:
    """`address` and `payment`, which says how to pay, are lines. Mail comes from `email`."""

    effective_from: date
    name: str
    address: list[str]
    tax_id: str
    email: str
    payment: list[str]


_COMPANY = columns(CompanyRow)


async def on(session: Session, day: date) -> CompanyRow | None:
    """Those in force on `day`; None before the first."""
    return await session.first(
        CompanyRow,
        f"select {_COMPANY} from company_details where effective_from <= $1 order by effective_from desc limit 1",
        day,
    )


async def add(session: Session, row: CompanyRow, *, at: datetime) -> bool:
    """Never changed afterwards, only followed by another; False, and nothing is done, where that day has its own."""
    added = await session.execute(
        f"""
        insert into company_details ({_COMPANY}, created_at) values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
        """,
        row.effective_from,
        row.name,
        row.address,
        row.tax_id,
        row.email,
        row.payment,
        at,
    )
    return added == 1
