"""What the gateway asks before the API: refuses early what is known to be bad, and passes on what it cannot tell.

It has no database and verifies no key: it knows sessions by their signature, and keys by what the API remembered. The
API verifies everything again, so nothing here lets anybody in. What is revoked is refused within five seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth import bearer, keys
from auth.cache import KeyCache, Standing, VerifiedKey
from auth.dynamo import OutOfReach
from auth.ends import Ends
from auth.keyring import Keyring
from db.errors import Unauthenticated


class Verdict(StrEnum):
    """ANONYMOUS has no credentials: it may sign in. UNVERIFIED may be good or bad, as the API will find out."""

    REFUSED = "refused"
    ANONYMOUS = "anonymous"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is for the log, and quotes nothing of the credentials; the ids are of a VERIFIED caller."""

    verdict: Verdict
    reason: str | None = None
    key_id: UUID | None = None
    customer_id: UUID | None = None


@dataclass(frozen=True)
class Authorizer:
    """The same answer for every route, so it would be safe to cache; it is not, for five seconds are too long already."""

    keyring: Keyring
    cache: KeyCache
    ends: Ends

    async def decide(self, authorization: str | None, *, now: datetime) -> Decision:
        """Raises nothing."""
        if authorization is None:
            return Decision(Verdict.ANONYMOUS)
        try:
            credentials = bearer.credentials(authorization)
            if credentials.startswith(bearer.KEY):
                return await self._of_key(credentials, now)
            return await self._of_session(credentials, now)
        except Unauthenticated as refused:
            return Decision(Verdict.REFUSED, refused.reason)
        except OutOfReach:
            return Decision(Verdict.UNVERIFIED, "what has ended cannot be read")

    async def _of_key(self, secret: str, now: datetime) -> Decision:
        if keys.parse(secret) is None:
            raise Unauthenticated("not an API key")
        known = await self.cache.get(secret, now=now)
        if isinstance(known, VerifiedKey):
            return Decision(Verdict.VERIFIED, None, known.key_id, known.customer_id)
        if known in (Standing.ENDED, Standing.WRONG):
            raise Unauthenticated(f"a key known as {known.value}")
        return Decision(Verdict.UNVERIFIED, "a key that nobody has verified lately")

    async def _of_session(self, token: str, now: datetime) -> Decision:
        claims = await self.keyring.verified(token, now=now)
        over, epoch = await self.ends.standing(claims.key_id, claims.customer_id, claims.jti, now=now)
        if over:
            raise Unauthenticated("the session has ended, or its key has")
        if claims.customer_id is not None and epoch != claims.epoch:
            if epoch is not None and epoch > claims.epoch:
                raise Unauthenticated("a session of an old epoch")
            return Decision(Verdict.UNVERIFIED, "an epoch that nobody has told of")
        return Decision(Verdict.VERIFIED, None, claims.key_id, claims.customer_id)


def answer(decision: Decision) -> dict[str, object]:
    """As API Gateway takes it: payload format 2.0, simple response. The API trusts none of the context."""
    context = {"verdict": decision.verdict.value}
    if decision.key_id is not None:
        context["key"] = str(decision.key_id)
    if decision.customer_id is not None:
        context["customer"] = str(decision.customer_id)
    return {"isAuthorized": decision.verdict is not Verdict.REFUSED, "context": context}
