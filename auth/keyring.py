"""The keys that a process signs with, fetched again where they turn out to be too old."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from auth import sessions
from auth.contexts import ContextKey
from auth.secrets import NoSecret
from auth.sessions import Claims, SigningKeys, UnknownKid
from db.errors import ContextRefused

Answer = TypeVar("Answer")

# Strangers can name any kid, so this is how often they make anybody fetch.
SELDOM: Final = timedelta(minutes=1)

_log = logging.getLogger("landlord.keyring")


@dataclass
class Keyring:
    """`context` is None where no database is asked. `fetch` blocks, and gives both as they are now, or raises."""

    sessions: SigningKeys
    context: ContextKey | None = None
    fetch: Callable[[], tuple[SigningKeys, ContextKey | None]] | None = None
    _fetched_at: datetime | None = field(default=None, init=False)

    @property
    def signs_contexts(self) -> ContextKey:
        assert self.context is not None, "this process asks no database"
        return self.context

    async def verified(self, token: str, *, now: datetime) -> Claims:
        """As `sessions.verify`, with a token of a key that this process has not heard of yet looked at twice."""
        try:
            return sessions.verify(self.sessions, token, now)
        except UnknownKid:
            if not await self.renewed(now=now):
                raise
            return sessions.verify(self.sessions, token, now)

    async def signing(self, act: Callable[[], Awaitable[Answer]], *, now: datetime) -> Answer:
        """What `act` answers, done twice where the database refuses the first context: its key may have been retired."""
        try:
            return await act()
        except ContextRefused:
            if not await self.renewed(now=now):
                raise
            return await act()

    async def renewed(self, *, now: datetime) -> bool:
        """Whether the keys were fetched just now: once a minute at most."""
        if self.fetch is None or (self._fetched_at is not None and abs(now - self._fetched_at) < SELDOM):
            return False
        self._fetched_at = now
        try:
            self.sessions, self.context = await asyncio.to_thread(self.fetch)
        except Exception as error:
            # whatever is wrong with what is there now, keys that work are not lost for it; a secret may be in any error but ours
            reason = error if isinstance(error, NoSecret) else type(error).__name__
            _log.warning("signing keys cannot be fetched again: %s", reason)
            return False
        return True
