"""Answers that were given under an idempotency key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db.session import Session


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """`object_id` is the TypeID of what the first answer was about."""

    fingerprint: bytes
    object_id: str


async def hold(session: Session, customer_id: UUID | None, api_key_id: UUID, mutation: str, key: str) -> bool:
    """Be the only one with this key until the transaction ends. False if another one is."""
    held: bool = await session.value(
        "select pg_try_advisory_xact_lock(hashtextextended(concat_ws('/', $1::text, $2::text, $3::text, $4::text), 0))",
        str(customer_id),
        str(api_key_id),
        mutation,
        key,
    )
    return held


async def find(session: Session, api_key_id: UUID, mutation: str, key: str, *, since: datetime) -> AnswerRow | None:
    """The first answer, if one was given since then."""
    return await session.first(
        AnswerRow,
        """
        select fingerprint, object_id
          from idempotency_keys
         where api_key_id = $1 and mutation = $2 and key = $3 and created_at >= $4
        """,
        api_key_id,
        mutation,
        key,
        since,
    )


async def keep(
    session: Session,
    customer_id: UUID | None,
    api_key_id: UUID,
    mutation: str,
    key: str,
    *,
    fingerprint: bytes,
    object_id: str,
) -> None:
    """Write the answer down, in the place of one that is too old to count."""
    await session.execute(
        "delete from idempotency_keys where api_key_id = $1 and mutation = $2 and key = $3", api_key_id, mutation, key
    )
    await session.execute(
        """
        insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)
        values ($1, $2, $3, $4, $5, $6)
        """,
        customer_id,
        api_key_id,
        mutation,
        key,
        fingerprint,
        object_id,
    )


async def clear(session: Session, *, before: datetime, most: int) -> int:
    """Remove answers that were given before that instant, the oldest first; how many."""
    removed: int = await session.value("select app.clear_idempotency_keys($1, $2)", before, most)
    return removed
