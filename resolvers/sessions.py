"""Root fields that begin, renew and end sessions, and above them what that takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import strawberry

from auth import sessions as tokens
from auth.api_keys import works
from auth.caller import Caller, SessionToken
from auth.sessions import Claims, SigningKeys
from db import api_keys, customers
from db import sessions as stored
from db.audit import AuditAction
from db.errors import IllegalState
from db.session import Session as Transaction
from resolvers.access import SignsIn, Writes
from schema.context import Info
from schema.sessions import CreateSessionInput, RevokeSessionPayload, Session, SessionPayload


async def refresh(
    transaction: Transaction, caller: Caller, *, signing: SigningKeys, now: datetime
) -> tuple[str, Claims]:
    """A new token for the holder of this session, which ends. Raises IllegalState where there is none to renew."""
    old = _session_of(caller, "refresh")
    if not await stored.end(transaction, old.jti, customer_id=caller.customer_id, expires_at=old.expires_at):
        raise IllegalState(caller, "refresh", "This session has ended already: sign in again.")
    # an earlier field of this operation may have ended the key, or moved the epoch
    key = (await api_keys.by_ids(transaction, [caller.key_id]))[0]
    if not works(key, now):
        raise IllegalState(caller, "refresh", "The API key of this session has ended, and the session with it.")
    if caller.customer_id is not None:
        caller = replace(caller, epoch=(await customers.get(transaction, caller.customer_id)).epoch)
    return tokens.issue(signing, caller, key_expires_at=key.expires_at, now=now)


async def revoke(transaction: Transaction, caller: Caller) -> None:
    """Raises IllegalState for a caller without a session."""
    old = _session_of(caller, "revoke")
    await stored.end(transaction, old.jti, customer_id=caller.customer_id, expires_at=old.expires_at)


def _session_of(caller: Caller, action: str) -> SessionToken:
    if caller.session is None:
        raise IllegalState(
            caller, action, "This request carries an API key itself, and no session: make one by `createSession`."
        )
    return caller.session


@strawberry.type
class SessionMutations:
    @strawberry.mutation(
        description="Exchange an API key for a session token: the one field that needs no credentials. A key that does"
        " not work is UNAUTHENTICATED.",
        extensions=[SignsIn()],
    )
    async def create_session(self, info: Info, input: CreateSessionInput) -> SessionPayload:
        token, claims = await info.context.desk.exchange(input.api_key)
        return SessionPayload(session=Session.of(token, claims))

    @strawberry.mutation(
        description="A new token for the same session holder; the old one stops working. Needs a session: with a bare"
        " key it is ILLEGAL_STATE.",
        extensions=[Writes(None, event="session.refreshed", action=AuditAction.LOGIN, while_suspended=True)],
    )
    async def refresh_session(self, info: Info) -> SessionPayload:
        context = info.context
        token, claims = await refresh(
            context.session, context.caller, signing=context.desk.session_keys, now=context.now
        )
        return SessionPayload(session=Session.of(token, claims))

    @strawberry.mutation(
        description="End the session behind this request, everywhere, within seconds. With a bare key there is none:"
        " ILLEGAL_STATE.",
        extensions=[Writes(None, event="session.revoked", action=AuditAction.DELETE, while_suspended=True)],
    )
    async def revoke_session(self, info: Info) -> RevokeSessionPayload:
        await revoke(info.context.session, info.context.caller)
        return RevokeSessionPayload()
