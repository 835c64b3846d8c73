"""One operation: one caller, one transaction, one instant, and an event of it that commits with what it did."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from auth import contexts, keys, sessions, throttle
from auth.caller import Caller, CallerKind
from auth.ends import Ends
from auth.keyring import Keyring
from auth.keys import Environment
from auth.sessions import Claims
from auth.signin import SignIn
from auth.throttle import Subject
from db import audit
from db.connection import Connections, Role
from db.ended import Ended, EpochRaised, SessionEnded
from db.errors import Forbidden, LandlordError
from db.session import Opened, Session
from resolvers.loaders import Loaders
from schema.codes import code_of
from schema.context import Context, Deed, Desk, Facts, Origin

_SIGNS_IN: Final = ("createSession",)


@dataclass(frozen=True)
class Operations:
    """Opens each operation as its caller's role, for its customer alone."""

    connections: Connections
    keyring: Keyring
    key_environment: Environment
    sign_in: SignIn
    ends: Ends
    wake_billing: Callable[[], None]
    webhook_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    async def caller(self, origin: Origin) -> Caller | None:
        """Who sends this; None without credentials. Raises Unauthenticated or RateLimited."""
        return await self.sign_in.caller(origin.authorization, address=origin.address, now=origin.now)

    @asynccontextmanager
    async def open(
        self, origin: Origin, caller: Caller | None, facts: Facts, *, asks: int | None = None
    ) -> AsyncIterator[Context]:
        """A context inside a transaction, committed on leaving it, before the answer.

        A query's own event is written first, and then it is read-only. What fails is undone, and leaves an event of the
        failure in a transaction of its own. Whoever signs in has no transaction here: see `exchange`. What was ended is
        told to others after the commit. Raises RateLimited instead of Unauthenticated where that came too often.

        `asks` so many statements, if all goes well: the transaction speaks for nobody before the first, which is one message
        with that; and a query that asks no more is a transaction by that message.
        """
        if facts.fields == _SIGNS_IN:
            caller = None  # whoever asks: it is the key's holder who signs in
        ended: list[Ended] = []
        try:
            if caller is None:
                context = self._context(origin, None, facts, None)
                yield context
            else:
                reads = facts.kind == "query"
                alone = reads and asks in (0, 1)
                async with self.connections.transaction(_role(caller), reads=reads, alone=alone) as session:
                    event = _query(origin, caller, facts) if reads else None
                    session.open_late(partial(self._speak, session, origin, caller, event, reads))
                    if asks is None:
                        await session.open_now()
                    context = self._context(origin, caller, facts, session)
                    yield context
                ended += session.ended
                epoch = session.opened.epoch if session.opened is not None else caller.epoch
                if caller.customer_id is not None and epoch != caller.epoch:
                    # a remembered key is older than the customer's epoch: whoever was to tell of it may have failed to
                    ended.insert(0, EpochRaised(caller.customer_id, epoch))
        except LandlordError as error:
            await self.refused(origin, caller, facts, code=code_of(error), reason=str(error))
            raise
        except Exception:
            await self.refused(origin, caller, facts, code="INTERNAL", reason="see the log under the request's id")
            raise
        await self.ends.tell(ended, now=origin.now)
        for act in context.afterwards:
            act()

    async def refused(
        self, origin: Origin, caller: Caller | None, facts: Facts | None, *, code: str, reason: str
    ) -> None:
        """Leave the event of a call that failed or was refused. `reason` quotes nothing that the client sent.

        Nobody fills the trail by being refused: a stranger's RATE_LIMITED leaves no event but one that says from when on. Raises
        RateLimited for whoever is refused as UNAUTHENTICATED too often.
        """
        if code == "UNAUTHENTICATED":
            await self._turned_away(origin, caller)
        trips = self.sign_in.throttle.trips
        if code == "RATE_LIMITED" and caller is None and not trips:
            return
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
            await self._leave(origin, caller, event)
            return
        parsed = keys.parse((origin.authorization or "").partition(" ")[2].strip())
        events = [(parsed.prefix if parsed else contexts.NOBODY, event)] if code != "RATE_LIMITED" else []
        if trips:
            events.append(_shut(origin, trips))
            trips.clear()
        await self.keyring.signing(partial(self._leave_for, origin, events), now=origin.now)

    async def _leave(self, origin: Origin, caller: Caller, event: dict[str, Any]) -> Opened:
        """A transaction of its own for one event."""
        async with self.connections.transaction(_role(caller)) as session:
            await self._speak(session, origin, caller, event, True)
            assert session.opened is not None
            return session.opened

    async def _leave_for(self, origin: Origin, events: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """The same before any customer is known: each event with the prefix whose owner it goes to."""
        async with self.connections.transaction(Role.TENANT) as session:
            for prefix, event in events:
                token = contexts.sign(self.keyring.signs_contexts, "refusal", prefix, origin.now)
                await audit.record_refusal(session, token, event)

    async def _turned_away(self, origin: Origin, caller: Caller | None) -> None:
        """Count it, and let others know of credentials that were good once. Raises RateLimited."""
        if caller is not None and caller.session is not None:
            await self.ends.tell([SessionEnded(caller.session.jti, caller.session.expires_at)], now=origin.now)
        elif caller is not None:
            await self.sign_in.turned_away(origin.authorization, now=origin.now)
        address = throttle.of_address("refusals", origin.address)
        await self.sign_in.throttle.check(address, now=origin.now)
        await self.sign_in.throttle.failed(address, now=origin.now)

    def _context(self, origin: Origin, caller: Caller | None, facts: Facts, session: Session | None) -> Context:
        return Context(
            origin=origin,
            facts=facts,
            caller=caller,
            session=session,
            loaders=Loaders(session) if session is not None else None,
            desk=Desk(self.keyring.sessions, self.key_environment, partial(self._exchange, origin), self.webhook_keys),
            record=partial(_record, session, origin, caller),
            wake_billing=self.wake_billing,
        )

    async def _speak(
        self,
        session: Session,
        origin: Origin,
        caller: Caller,
        event: dict[str, Any] | None,
        read_only: bool,
        sql: str | None = None,
        args: tuple[Any, ...] = (),
        again: bool = False,
    ) -> list[tuple[Any, ...]]:
        """Let the transaction speak for this caller; the database looks at the credentials once more. See `Session.open`.

        `again`: its event was committed before.
        """

        async def open() -> list[tuple[Any, ...]]:
            token = contexts.sign(self.keyring.signs_contexts, caller.kind.value, caller.subject, origin.now)
            told = None if again else event
            return await session.open(
                token, facts=caller.credentials, event=told, read_only=read_only, sql=sql, args=args
            )

        return await self.keyring.signing(open, now=origin.now)

    async def _exchange(self, origin: Origin, api_key: str) -> tuple[str, Claims]:
        """A session for an API key, whose event is committed. Raises Unauthenticated or RateLimited."""
        key = await self.sign_in.verified(api_key, address=origin.address, now=origin.now)
        caller = key.caller()
        event = {
            **_who(origin, caller),
            "event_type": "session.created",
            "action": "login",
            "status": "success",
        }
        opened = await self._leave(origin, caller, event)
        # what is remembered of the key may be older than the epoch that the session has to carry
        caller = replace(caller, epoch=opened.epoch)
        return sessions.issue(self.keyring.sessions, caller, key_expires_at=key.expires_at, now=origin.now)


async def _record(session: Session | None, origin: Origin, caller: Caller | None, deed: Deed) -> None:
    """Leave a mutation's event beside its change, or beside its refusal."""
    assert session is not None, "whoever signs in leaves his event in `exchange`"
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


def _shut(origin: Origin, trips: Sequence[Subject]) -> tuple[str, dict[str, Any]]:
    """The one event of a throttle that shut, and the prefix whose owner is to hear of it."""
    kinds = sorted({trip.kind for trip in trips})
    minutes = int(throttle.WINDOW.total_seconds()) // 60
    prefixes = [trip.value for trip in trips if trip.kind == "prefix"]
    return prefixes[0] if prefixes else contexts.NOBODY, {
        **_who(origin, None),
        "event_type": "auth.throttled",
        "action": "read",
        "status": "denied",
        "error_message": f"RATE_LIMITED: {throttle.LIMIT} failures within {minutes} minutes; for {minutes} more, none is looked at",
        "metadata": {"by": kinds},
    }


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
        "customer_id": caller.subject if caller is not None and caller.customer_id is not None else None,
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
