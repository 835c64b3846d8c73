"""One operation: one caller, one transaction, one instant, and an event of it that commits with what it did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from auth import contexts, keys, sessions
from auth.caller import Caller, CallerKind
from auth.contexts import ContextKey
from auth.keys import Environment
from auth.sessions import Claims, SigningKeys
from auth.signin import SignIn
from db import audit
from db.connection import Connections, Role
from db.errors import Forbidden, LandlordError
from db.session import Opened, Session
from resolvers.loaders import Loaders
from schema.context import Context, Deed, Desk, Facts, Origin
from schema.errors import code_of

_SIGNS_IN: Final = ("createSession",)


@dataclass(frozen=True)
class Operations:
    """Opens each operation as its caller's role, for its customer alone."""

    connections: Connections
    context_key: ContextKey
    session_keys: SigningKeys
    key_environment: Environment
    sign_in: SignIn
    wake_billing: Callable[[], None]

    async def caller(self, origin: Origin) -> Caller | None:
        """Who sends this; None without credentials. Raises Unauthenticated."""
        return await self.sign_in.caller(origin.authorization, now=origin.now)

    @asynccontextmanager
    async def open(self, origin: Origin, caller: Caller | None, facts: Facts) -> AsyncIterator[Context]:
        """A context inside a transaction, committed on leaving it, before the answer.

        A query's own event is written first, and then it is read-only. What fails is undone, and leaves an event of the
        failure in a transaction of its own. Without a caller the transaction speaks for nobody until `exchange`.
        """
        if facts.fields == _SIGNS_IN:
            caller = None  # whoever asks: the transaction is to speak for the key's holder, and for one alone
        try:
            async with self.connections.transaction(_role(caller)) as session:
                opened = Opened(suspended=False, epoch=0)
                if caller is not None:
                    event = _query(origin, caller, facts) if facts.kind == "query" else None
                    opened = await self._speak(session, origin, caller, event, read_only=facts.kind == "query")
                context = Context(
                    origin=origin,
                    facts=facts,
                    caller=caller,
                    session=session,
                    loaders=Loaders(session),
                    desk=Desk(self.session_keys, self.key_environment, partial(self._exchange, session, origin)),
                    record=partial(_record, session, origin, caller),
                    wake_billing=self.wake_billing,
                    suspended=opened.suspended,
                )
                yield context
        except LandlordError as error:
            await self.refused(origin, caller, facts, code=code_of(error), reason=str(error))
            raise
        except Exception:
            await self.refused(origin, caller, facts, code="INTERNAL", reason="see the log under the request's id")
            raise
        for act in context.afterwards:
            act()

    async def refused(
        self, origin: Origin, caller: Caller | None, facts: Facts | None, *, code: str, reason: str
    ) -> None:
        """Leave the event of a call that failed or was refused. `reason` quotes nothing that the client sent."""
        denied = code in ("UNAUTHENTICATED", "FORBIDDEN")
        event = {
            **_who(origin, caller),
            "event_type": "auth.denied" if code == "UNAUTHENTICATED" else f"api.{facts.kind if facts else 'request'}",
            "action": "read" if facts is None or facts.kind == "query" else "execute",
            **_about(facts),
            "status": "denied" if denied else "failure",
            "error_message": f"{code}: {reason}",
            "metadata": _told(facts),
        }
        if caller is not None and code != "UNAUTHENTICATED":
            async with self.connections.transaction(_role(caller)) as session:
                await self._speak(session, origin, caller, event, read_only=True)
            return
        parsed = keys.parse((origin.authorization or "").partition(" ")[2].strip())
        token = contexts.sign(self.context_key, "refusal", parsed.prefix if parsed else contexts.NOBODY, origin.now)
        async with self.connections.transaction(Role.TENANT) as session:
            await audit.record_refusal(session, token, event)

    async def _speak(
        self, session: Session, origin: Origin, caller: Caller, event: dict[str, Any] | None, *, read_only: bool
    ) -> Opened:
        """Let the transaction speak for this caller; the database looks at the credentials once more."""
        subject = caller.customer_id if caller.kind is CallerKind.TENANT else caller.key_id
        return await session.open(
            contexts.sign(self.context_key, caller.kind.value, str(subject), origin.now),
            facts={
                "key": str(caller.key_id),
                "session": str(caller.session.jti) if caller.session else None,
                "epoch": caller.epoch,
            },
            event=event,
            read_only=read_only,
        )

    async def _exchange(self, session: Session, origin: Origin, api_key: str) -> tuple[str, Claims]:
        """A session for an API key. Raises Unauthenticated."""
        key = await self.sign_in.verified(api_key, now=origin.now, session=session)
        caller = key.caller()
        event = {
            **_who(origin, caller),
            "event_type": "session.created",
            "action": "login",
            "status": "success",
        }
        if caller.kind is CallerKind.TENANT:
            opened = await self._speak(session, origin, caller, event, read_only=False)
        else:
            async with self.connections.transaction(Role.OPERATOR) as own:
                opened = await self._speak(own, origin, caller, event, read_only=False)
        # what is remembered of the key may be older than the epoch that the session has to carry
        caller = replace(caller, epoch=opened.epoch)
        return sessions.issue(self.session_keys, caller, key_expires_at=key.expires_at, now=origin.now)


async def _record(session: Session, origin: Origin, caller: Caller | None, deed: Deed) -> None:
    """Leave a mutation's event beside its change, or beside its refusal."""
    refusal = deed.refusal
    status = "success" if refusal is None else "denied" if isinstance(refusal, Forbidden) else "failure"
    await audit.record(
        session,
        {
            **_who(origin, caller),
            "event_type": deed.event,
            "action": deed.action,
            "resource_type": deed.resource_type,
            "resource_id": deed.resource_id,
            "status": status,
            "error_message": f"{code_of(refusal)}: {refusal}" if refusal is not None else None,
            "metadata": {"reason": deed.reason} if deed.reason else {},
            **({"customer_id": str(deed.customer_id)} if deed.customer_id is not None else {}),
        },
    )


def _query(origin: Origin, caller: Caller, facts: Facts) -> dict[str, Any]:
    return {
        **_who(origin, caller),
        "event_type": "api.query",
        "action": "read",
        **_about(facts),
        "status": "success",
        "metadata": _told(facts),
    }


def _who(origin: Origin, caller: Caller | None) -> dict[str, Any]:
    return {
        "customer_id": str(caller.customer_id) if caller is not None and caller.customer_id is not None else None,
        "actor": caller.name if caller is not None else "anonymous",
        "actor_kind": caller.kind.value if caller is not None else "anonymous",
        "actor_ip": origin.address,
        "actor_user_agent": origin.user_agent,
        "request_id": origin.request_id,
    }


def _told(facts: Facts | None) -> dict[str, Any]:
    return {"operation": facts.name, "document": facts.document, "fields": list(facts.fields)} if facts else {}


def _about(facts: Facts | None) -> dict[str, Any]:
    if facts is None or facts.resource is None:
        return {}
    return dict(zip(("resource_type", "resource_id"), facts.resource, strict=True))


def _role(caller: Caller | None) -> Role:
    return Role.OPERATOR if caller is not None and caller.kind is CallerKind.OPERATOR else Role.TENANT
