"""From the `Authorization` header to a caller: a session token checked here, a key against the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from auth import contexts, keys, sessions
from auth.cache import KeyCache, VerifiedKey
from auth.caller import Caller
from auth.contexts import ContextKey
from auth.sessions import SigningKeys
from db import api_keys
from db.connection import Connections, Role
from db.errors import Unauthenticated
from db.session import Session


@dataclass(frozen=True)
class SignIn:
    """`connections` is asked for keys alone, before any tenant is known."""

    connections: Connections
    context_key: ContextKey
    session_keys: SigningKeys
    cache: KeyCache

    async def caller(self, authorization: str | None, *, now: datetime) -> Caller | None:
        """None for a request without credentials. Raises Unauthenticated for credentials that do not work."""
        if authorization is None:
            return None
        scheme, _, credentials = authorization.partition(" ")
        credentials = credentials.strip()
        if scheme.lower() != "bearer" or not credentials:
            raise Unauthenticated("the Authorization header is not `Bearer` and a token")
        if credentials.startswith("lz_"):
            return (await self.verified(credentials, now=now)).caller()
        return sessions.verify(self.session_keys, credentials, now).caller()

    async def verified(self, secret: str, *, now: datetime, session: Session | None = None) -> VerifiedKey:
        """The key behind this text. Raises Unauthenticated. Checksum first, then what was verified lately, then bcrypt.

        `session` is a tenant's transaction that speaks for nobody yet, where one is at hand.
        """
        parsed = keys.parse(secret)
        if parsed is None:
            raise Unauthenticated("not an API key")
        if known := await self.cache.get(secret, now=now):
            return known
        token = contexts.sign(self.context_key, "lookup", parsed.prefix, now)
        if session is not None:
            found = await api_keys.find(session, token)
        else:
            async with self.connections.transaction(Role.TENANT) as own:
                found = await api_keys.find(own, token)
        # an unknown prefix costs as much as a wrong key, so the two cannot be told apart by time
        if not await keys.verify(secret, found.key_hash if found else None) or found is None:
            raise Unauthenticated("no such API key")
        key = VerifiedKey(
            key_id=found.id,
            customer_id=found.customer_id,
            name=found.name,
            scopes=frozenset(found.scopes),
            epoch=found.epoch or 0,
            expires_at=found.expires_at,
        )
        await self.cache.put(secret, key, now=now)
        return key
