"""Sessions that were ended before their time. One that lives stands nowhere but in its token."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from db.ended import SessionEnded
from db.session import Session


async def end(session: Session, jti: UUID, *, customer_id: UUID | None, expires_at: datetime) -> bool:
    """False where it was ended before, by an operation at the same time or this one itself.

    `customer_id` None is an operator's; `expires_at` is the token's, after which nobody needs to remember.
    """
    added = await session.execute(
        """
        insert into ended_sessions (jti, customer_id, expires_at)
        values ($1, $2, $3)
        on conflict (jti) do nothing
        """,
        jti,
        customer_id,
        expires_at,
    )
    if added == 1:
        session.ended.append(SessionEnded(jti, expires_at))
    return added == 1


async def clear(session: Session, *, before: datetime, most: int) -> int:
    """Remove sessions that were ended and expired before that instant, the oldest first; how many."""
    removed: int = await session.value("select app.clear_ended_sessions($1, $2)", before, most)
    return removed
