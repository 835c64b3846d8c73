"""From the `Authorization` header to a caller: a session token checked here, a key against the database.

For a key the order is checksum, cache, throttle, bcrypt. Whoever is known passes before strangers are counted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from auth import bearer, contexts, keys, throttle
from auth.cache import KeyCache, Standing, VerifiedKey
from auth.caller import Caller
from auth.keyring import Keyring
from auth.keys import ParsedKey
from auth.throttle import Throttle
from db import api_keys
from db.connection import Connections, Role
from db.errors import Unauthenticated

# Keys verified at a time: each takes a core for 60 ms.
_AT_ONCE: Final = 2


@dataclass(frozen=True)
class SignIn:
    """`connections` is asked for keys alone, before any tenant is known. Never called within a transaction."""

    connections: Connections
    keyring: Keyring
    cache: KeyCache
    throttle: Throttle
    # two queues, so that those who were known today do not wait behind a crowd of strangers
    _strangers: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE), init=False)
    _known: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE), init=False)

    async def caller(self, authorization: str | None, *, address: str | None, now: datetime) -> Caller | None:
        """None for a request without credentials.

        Raises Unauthenticated for credentials that do not work, RateLimited where too many did not.
        """
        if authorization is None:
            return None
        credentials = bearer.credentials(authorization)
        if credentials.startswith(bearer.KEY):
            return (await self.verified(credentials, address=address, now=now)).caller()
        return (await self.keyring.verified(credentials, now=now)).caller()

    async def verified(self, secret: str, *, address: str | None, now: datetime) -> VerifiedKey:
        """The key behind this text. Raises Unauthenticated or RateLimited."""
        parsed = keys.parse(secret)
        if parsed is None:
            raise Unauthenticated("not an API key")
        known = await self.cache.get(secret, now=now)
        if isinstance(known, VerifiedKey):
            return known
        queue, counted = self._known, [throttle.of_prefix(parsed.prefix)]
        # what once was a key says nothing against those who share its address
        if known in (Standing.UNKNOWN, Standing.WRONG):
            counted.append(throttle.of_address("address", address))
        if known is not Standing.WAS_GOOD:
            queue = self._strangers
            await self.throttle.check(*counted, now=now)
        found = None
        if known in (Standing.UNKNOWN, Standing.WAS_GOOD):
            waited = queue.locked()
            async with queue:
                if waited and isinstance(again := await self.cache.get(secret, now=now), VerifiedKey):
                    return again  # many requests begin with the same key at once
                if waited and known is Standing.UNKNOWN:
                    await self.throttle.check(*counted, now=now)
                found = await self.keyring.signing(partial(self._looked_up, secret, parsed, now), now=now)
            if found is not None:
                await self.cache.put(secret, found, now=now)
                return found
            standing = Standing.ENDED if known is Standing.WAS_GOOD else Standing.WRONG
            await self.cache.put_bad(secret, standing, now=now)
        await self.throttle.failed(*counted, now=now)
        raise Unauthenticated("no such API key")

    async def turned_away(self, authorization: str | None, *, now: datetime) -> None:
        """The database says that these credentials ended, which the cache did not know of their key."""
        credentials = bearer.credentials(authorization or "Bearer -")
        if credentials.startswith(bearer.KEY):
            await self.cache.put_bad(credentials, Standing.ENDED, now=now)

    async def _looked_up(self, secret: str, parsed: ParsedKey, now: datetime) -> VerifiedKey | None:
        token = contexts.sign(self.keyring.signs_contexts, "lookup", parsed.prefix, now)
        async with self.connections.transaction(Role.TENANT) as session:
            found = await api_keys.find(session, token)
        # an unknown prefix costs as much as a wrong key, so the two cannot be told apart by time
        if not await keys.verify(secret, found.key_hash if found else None) or found is None:
            return None
        return VerifiedKey(
            key_id=found.id,
            customer_id=found.customer_id,
            name=found.name,
            scopes=frozenset(found.scopes),
            epoch=found.epoch or 0,
            expires_at=found.expires_at,
        )
