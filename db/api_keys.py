"""API keys: public prefixes and hashes, never the keys. A key without a customer is an operator's, the house's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from db.ended import KeyEnded
from db.session import Session, columns, signed_argument

SHOWN_AFTER_ITS_END = timedelta(days=30)
MOST_ENDED = 1000  # of one holder, the newest: keys are made and revoked as fast as anybody likes

# Any number: it only has to be the same wherever the house's own keys are made.
_HOUSE_LOCK = 5_236_417_002


@dataclass(frozen=True, slots=True)
class FoundKey:
    """What signing in needs. `epoch` is the customer's; None for an operator's key, as is `customer_id`."""

    id: UUID
    customer_id: UUID | None
    name: str
    key_hash: str
    scopes: list[str]
    expires_at: datetime | None
    epoch: int | None


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """`scopes` as granted. It works until `revoked_at` or `expires_at`, whichever is first."""

    id: UUID
    customer_id: UUID | None
    name: str
    prefix: str
    scopes: list[str]
    rotated_from: UUID | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


_KEY = columns(ApiKeyRow, prefix="k.")
# $1 is now, $2 since when one that ended is shown
_WORKS = "k.revoked_at is null and (k.expires_at is null or k.expires_at > $1)"
_ENDED = f"""
    not ({_WORKS}) and (k.revoked_at is null or k.revoked_at > $2) and (k.expires_at is null or k.expires_at > $2)
    order by k.id desc limit {MOST_ENDED}
"""
_SHOWN = f"""
    (select {_KEY} from api_keys k where {{whose}} and {_WORKS})
    union all
    (select {_KEY} from api_keys k where {{whose}} and {_ENDED})
"""
# $1 is the customer, or null for the house; written so that a plan for known values can use the index
_HELD = "(k.customer_id = $1::uuid or ($1::uuid is null and k.customer_id is null))"


async def find(session: Session, token: str) -> FoundKey | None:
    """The working key of the prefix that `token` is signed for, whoever's it is: see `auth.contexts`, "lookup"."""
    with signed_argument():
        return await session.first(FoundKey, "select * from app.find_api_key($1)", token)


@dataclass(frozen=True, slots=True)
class Shown:
    """The question for the keys of customers that work at `now` or ended in the 30 days before, newest first: of the latter
    MOST_ENDED at most.

    A value, so that all who ask at one instant are answered together.
    """

    now: datetime

    async def __call__(self, session: Session, customer_ids: Sequence[UUID]) -> list[ApiKeyRow]:
        return await session.all(
            ApiKeyRow,
            f"""
            select {_KEY}
              from unnest($3::uuid[]) as parent (id)
             cross join lateral ({_SHOWN.format(whose="k.customer_id = parent.id")}) as k
             order by k.id desc
            """,
            self.now,
            self.now - SHOWN_AFTER_ITS_END,
            customer_ids,
        )


async def shown_of_house(session: Session, *, now: datetime) -> list[ApiKeyRow]:
    """As `Shown`, of the operators' own keys."""
    return await session.all(
        ApiKeyRow,
        f"select {_KEY} from ({_SHOWN.format(whose='k.customer_id is null')}) as k order by k.id desc",
        now,
        now - SHOWN_AFTER_ITS_END,
    )


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[ApiKeyRow]:
    return await session.all(ApiKeyRow, f"select {_KEY} from api_keys k where k.id = any($1)", ids)


async def lock(session: Session, id: UUID) -> ApiKeyRow:
    """The key as it stands, held until the end of the transaction. Raises NotFound."""
    return await session.one(
        ApiKeyRow, f"select {_KEY} from api_keys k where k.id = $1 for no key update", id, what="API key"
    )


async def lock_holder(session: Session, customer_id: UUID | None) -> bool:
    """No other transaction makes keys of this customer, or of the house where it is None, until this one ends.

    False where the session sees no such customer.
    """
    if customer_id is None:
        await session.execute("select pg_advisory_xact_lock($1)", _HOUSE_LOCK)
        return True
    held = await session.value("select id from customers where id = $1 for no key update", customer_id)
    return held is not None


async def count_working(session: Session, customer_id: UUID | None, *, now: datetime) -> int:
    """Of the house where `customer_id` is None."""
    number: int = await session.value(
        f"""
        select count(*)
          from api_keys k
         where {_HELD} and k.revoked_at is null and (k.expires_at is null or k.expires_at > $2)
        """,
        customer_id,
        now,
    )
    return number


async def of_house_that_end(session: Session, *, now: datetime, days: int) -> list[tuple[UUID, datetime]]:
    """As a worker: operators' keys that end within so many days and have no successor, with their ends, the first one first.

    None that was made with fewer days to live.
    """
    return await session.all(_pair, "select id, ends_at from app.house_keys_that_end($1, $2)", now, days)


async def successor(session: Session, key: ApiKeyRow) -> ApiKeyRow | None:
    """What this key was rotated to."""
    return await session.first(
        ApiKeyRow,
        f"select {_KEY} from api_keys k where {_HELD} and k.rotated_from = $2",
        key.customer_id,
        key.id,
    )


async def insert(
    session: Session,
    *,
    customer_id: UUID | None,
    name: str,
    prefix: str,
    key_hash: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    rotated_from: UUID | None = None,
) -> ApiKeyRow:
    return await session.one(
        ApiKeyRow,
        f"""
        insert into api_keys as k (customer_id, name, prefix, key_hash, scopes, expires_at, rotated_from)
        values ($1, $2, $3, $4, $5, $6, $7)
        returning {_KEY}
        """,
        customer_id,
        name,
        prefix,
        key_hash,
        scopes,
        expires_at,
        rotated_from,
        what="API key",
    )


async def expire(session: Session, id: UUID, *, at: datetime) -> None:
    """An end can be moved forward, never back: the database refuses that."""
    await session.execute("update api_keys set expires_at = $2 where id = $1", id, at)
    session.ended.append(KeyEnded(id, at))


async def revoke(session: Session, id: UUID, *, at: datetime) -> ApiKeyRow:
    row = await session.one(
        ApiKeyRow,
        f"update api_keys k set revoked_at = $2 where k.id = $1 returning {_KEY}",
        id,
        at,
        what="API key",
    )
    session.ended.append(KeyEnded(id, at))
    return row


def _pair(id: UUID, ends_at: datetime) -> tuple[UUID, datetime]:
    return id, ends_at
