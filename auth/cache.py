"""Keys once verified, so that not every request pays for a bcrypt.

An entry stands under HMAC(pepper, key): neither the key nor a bare hash of it is ever kept. Only keys that were good go
in, so strangers cannot fill it. What it says may be as old as an entry may be; `app.open` has the last word.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from auth.caller import Caller, CallerKind

OLDEST: Final = timedelta(seconds=5)
CAPACITY: Final = 1000


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """`customer_id` is None for an operator's, whose epoch is 0. `scopes` as granted."""

    key_id: UUID
    customer_id: UUID | None
    name: str
    scopes: frozenset[str]
    epoch: int
    expires_at: datetime | None

    def caller(self) -> Caller:
        """Who asks with the key itself."""
        return Caller(
            kind=CallerKind.OPERATOR if self.customer_id is None else CallerKind.TENANT,
            customer_id=self.customer_id,
            key_id=self.key_id,
            name=self.name,
            scopes=self.scopes,
            epoch=self.epoch,
        )


class KeyCache(Protocol):
    """Asynchronous since a shared one is a call away."""

    async def get(self, secret: str, *, now: datetime) -> VerifiedKey | None:
        """None unless an entry stands that is young enough, of a key that has not ended."""

    async def put(self, secret: str, key: VerifiedKey, *, now: datetime) -> None:
        """Only of a key that was verified at `now`."""

    async def forget(self, secret: str) -> None:
        """For a key whose entry turned out to be of an old epoch."""


class MemoryCache:
    """Of this process alone. The pepper is drawn at first use, so no two sandboxes share one by way of a snapshot."""

    def __init__(self, *, capacity: int = CAPACITY, oldest: timedelta = OLDEST) -> None:
        if not timedelta(0) <= oldest <= OLDEST:
            raise ValueError("revocation holds within five seconds: no entry may be older")
        self._capacity = capacity
        self._oldest = oldest
        self._pepper = b""
        self._entries: dict[bytes, tuple[datetime, VerifiedKey]] = {}

    async def get(self, secret: str, *, now: datetime) -> VerifiedKey | None:
        digest = self._digest(secret)
        entry = self._entries.get(digest)
        if entry is None:
            return None
        verified_at, key = entry
        # a clock set back must not lengthen an entry's life
        if abs(now - verified_at) > self._oldest or (key.expires_at is not None and key.expires_at <= now):
            del self._entries[digest]
            return None
        return key

    async def put(self, secret: str, key: VerifiedKey, *, now: datetime) -> None:
        digest = self._digest(secret)
        self._entries.pop(digest, None)
        while len(self._entries) >= self._capacity:
            del self._entries[next(iter(self._entries))]  # the one put in first
        self._entries[digest] = (now, key)

    async def forget(self, secret: str) -> None:
        self._entries.pop(self._digest(secret), None)

    def _digest(self, secret: str) -> bytes:
        if not self._pepper:
            self._pepper = secrets.token_bytes(32)
        return hmac.digest(self._pepper, secret.encode(), hashlib.sha256)
