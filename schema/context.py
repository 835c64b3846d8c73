"""What a resolver finds in `info.context`: one operation's caller, instant, transaction and dataloaders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

from db.errors import LandlordError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    import strawberry

    from auth.caller import Caller
    from auth.keys import Environment
    from auth.sessions import Claims, SigningKeys
    from db.enums import Tier
    from db.session import Session
    from resolvers.loaders import Loaders


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from. `now` is the instant of all that it does; `authorization` is the header as sent.

    `base_url` is the address at which the client found us, without a slash at its end.
    """

    request_id: str
    now: datetime
    authorization: str | None = field(default=None, repr=False)
    address: str | None = None
    user_agent: str | None = None
    base_url: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an operation before it runs. None of it is a value that the client gave.

    `document` is the SHA-256 of its text in hex; `fields` are the root fields' names, without aliases, in order.
    `resource` is the type and the TypeID of the one object that a request outside of GraphQL is about.
    """

    kind: Literal["query", "mutation"]
    name: str | None
    document: str
    fields: tuple[str, ...]
    resource: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """What one mutation did, or was refused, as the audit trail tells it.

    `resource_id` is a TypeID; `reason` is the caller's own.
    """

    event: str
    action: str
    resource_type: str | None = None
    resource_id: str | None = None
    customer_id: UUID | None = None
    reason: str | None = None
    refusal: LandlordError | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What keys, sessions and the secrets of webhooks are made with. `exchange` takes an API key for a token and what it
    says, and leaves the event of the login; it raises Unauthenticated."""

    session_keys: SigningKeys
    key_environment: Environment
    exchange: Callable[[str], Awaitable[tuple[str, Claims]]]
    webhook_keys: Mapping[str, bytes] = field(repr=False)

    @property
    def signs_webhooks(self) -> Mapping[str, bytes]:
        """Raises Unavailable where this process was told of no key for them."""
        if not self.webhook_keys:
            raise Unavailable("LANDLORD_WEBHOOK_KEYS is not set")
        return self.webhook_keys


class Context:
    """`session` is the transaction, `record` leaves an event in it; `suspended` and `tier` are of the caller's customer, once
    the transaction speaks for it.

    Who signs in has neither transaction nor loaders: whose it would be is not known yet.
    """

    def __init__(
        self,
        *,
        origin: Origin,
        facts: Facts,
        caller: Caller | None,
        session: Session | None,
        loaders: Loaders | None,
        desk: Desk,
        record: Callable[[Deed], Awaitable[None]],
        wake_billing: Callable[[], None],
    ) -> None:
        self.origin = origin
        self.facts = facts
        self.desk = desk
        self.record = record
        self.wake_billing = wake_billing
        self.afterwards: list[Callable[[], None]] = []
        self.now = origin.now
        self.today = origin.now.date()
        self.request_id = origin.request_id
        self._caller = caller
        self._session = session
        self._loaders = loaders

    @property
    def caller(self) -> Caller:
        """Raises Unauthenticated for the one field that runs for nobody; everything else has a caller."""
        if self._caller is None:
            raise Unauthenticated("this field runs without credentials")
        return self._caller

    @property
    def session(self) -> Session:
        assert self._session is not None, "whoever signs in has no transaction"
        return self._session

    @property
    def loaders(self) -> Loaders:
        assert self._loaders is not None, "whoever signs in has no loaders"
        return self._loaders

    @property
    def begun(self) -> bool:
        """Whether anything could run: not where a transaction was to speak for the caller and was refused."""
        return self._session is None or self._session.opened is not None

    @property
    def suspended(self) -> bool:
        opened = self._session.opened if self._session is not None else None
        return opened is not None and opened.suspended

    @property
    def tier(self) -> Tier | None:
        opened = self._session.opened if self._session is not None else None
        return opened.tier if opened is not None else None

    @property
    def statements(self) -> int:
        """What the transaction was asked so far."""
        return self._session.statements if self._session is not None else 0

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do this once the transaction is committed; never, if it is not."""
        self.afterwards.append(act)


if TYPE_CHECKING:
    Info: TypeAlias = strawberry.Info[Context, None]


def __getattr__(name: str) -> Any:
    """`Info`, once somebody wants it: what is answered without strawberry does not."""
    if name != "Info":
        raise AttributeError(name)
    import strawberry

    globals()["Info"] = strawberry.Info[Context, None]
    return globals()["Info"]
