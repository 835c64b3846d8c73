"""API keys as the rules have them: made, rotated and revoked.

Nobody gets a secret that opens more than he may himself: a new key has scopes of its maker alone, and rotating a key,
which gives its secret away, needs all of its scopes.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from auth import keys, scopes
from auth.caller import Caller
from auth.keys import Environment
from auth.scopes import Scope
from db import api_keys, customers
from db.api_keys import ApiKeyRow
from db.errors import IllegalState, Invalid, NotFound, TierLimit
from db.session import Session

MOST_WORKING = 50  # a customer, and the house itself
LONGEST_OVERLAP = 43_200  # minutes: 30 days
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class MadeKey:
    """`secret` is the whole key, which is shown once and stored nowhere."""

    row: ApiKeyRow
    secret: str = field(repr=False)


def works(key: ApiKeyRow, now: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


async def create(
    session: Session,
    caller: Caller,
    *,
    customer_id: UUID | None,
    name: str,
    granted: Sequence[str],
    expires_at: datetime | None,
    environment: Environment,
    now: datetime,
) -> MadeKey:
    """Without `customer_id`: a key of the caller's own kind, its customer's or an operators' one.

    Raises Invalid, NotFound for a customer that is not the caller's, Forbidden for a scope that the caller lacks or
    that is for operators' keys alone, TierLimit at MOST_WORKING.
    """
    if caller.customer_id is not None and customer_id not in (None, caller.customer_id):
        raise NotFound("customer", customer_id, field=("input", "customerId"))
    holder = customer_id or caller.customer_id
    checked = _name(name)
    wanted = scopes.parse(granted, operator=holder is None, field=("input", "scopes"))
    for scope in wanted:
        caller.require(scope)
    if expires_at is not None and expires_at <= now:
        raise Invalid("A new key expires in the future, or never.", field=("input", "expiresAt"))
    if not await api_keys.lock_holder(session, holder):
        raise NotFound("customer", holder, field=("input", "customerId"))
    await _refuse_too_many(session, holder, now=now)
    new = await asyncio.to_thread(keys.mint, environment)
    row = await api_keys.insert(
        session,
        customer_id=holder,
        name=checked,
        prefix=new.prefix,
        key_hash=new.hash,
        scopes=wanted,
        expires_at=expires_at,
    )
    return MadeKey(row, new.secret)


async def rotate(
    session: Session, caller: Caller, id: UUID, *, overlap_minutes: int, environment: Environment, now: datetime
) -> MadeKey:
    """A new key under the same name, scopes and end; the old one works for the overlap, were its end not before that.

    Raises Invalid, NotFound, Forbidden for a key with a scope that the caller lacks, IllegalState for one that has
    ended or was rotated already, TierLimit where old and new together are too many.
    """
    if not 0 <= overlap_minutes <= LONGEST_OVERLAP:
        raise Invalid(f"The overlap is 0 to {LONGEST_OVERLAP} minutes (30 days).", field=("input", "overlapMinutes"))
    old = await api_keys.lock(session, id)
    for scope in Scope:
        if scope in old.scopes:
            caller.require(scope)
    if not works(old, now):
        raise IllegalState(old, "rotate", "This key has ended, so it cannot be rotated: create a new one.")
    if newer := await api_keys.successor(session, old):
        raise IllegalState(
            old, "rotate", f"This key was rotated before, to `{newer.prefix}`: rotate that one, or create a new one."
        )
    await api_keys.lock_holder(session, old.customer_id)
    end = now + timedelta(minutes=overlap_minutes)
    if old.expires_at is None or old.expires_at > end:
        await api_keys.expire(session, old.id, at=end)
    await _refuse_too_many(session, old.customer_id, now=now)
    new = await asyncio.to_thread(keys.mint, environment)
    row = await api_keys.insert(
        session,
        customer_id=old.customer_id,
        name=old.name,
        prefix=new.prefix,
        key_hash=new.hash,
        scopes=old.scopes,
        expires_at=old.expires_at,
        rotated_from=old.id,
    )
    return MadeKey(row, new.secret)


async def revoke(session: Session, id: UUID, *, now: datetime) -> ApiKeyRow:
    """Ends a key, and the sessions made with it. One that is revoked already stays as it is. Raises NotFound."""
    key = await api_keys.lock(session, id)
    if key.revoked_at is not None:
        return key
    revoked = await api_keys.revoke(session, id, at=now)
    if key.customer_id is not None:
        await customers.raise_epoch(session, key.customer_id)
    return revoked


async def _refuse_too_many(session: Session, holder: UUID | None, *, now: datetime) -> None:
    if await api_keys.count_working(session, holder, now=now) >= MOST_WORKING:
        raise TierLimit(f"There are {MOST_WORKING} API keys that work, and no more can be made: revoke one first.")


def _name(name: str) -> str:
    text = name.strip()
    if not 1 <= len(text) <= LONGEST_NAME:
        raise Invalid(f"A key's name has 1 to {LONGEST_NAME} characters.", field=("input", "name"))
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise Invalid("A key's name is one line, without control characters.", field=("input", "name"))
    return text
