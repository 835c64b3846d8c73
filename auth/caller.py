"""The caller of one operation: a customer's key or an operator's, in person or through a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from auth.scopes import OPERATOR_ONLY, Scope, expand
from db.errors import Forbidden


class CallerKind(StrEnum):
    TENANT = "tenant"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class SessionToken:
    """`jti` is what `revokeSession` ends."""

    jti: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """`scopes` as granted to the key, not expanded; `session` is None when the request carried the key itself.

    `epoch` is the customer's as it stood when the key was read, and 0 for an operator. `owner` is whose bucket it takes
    from: all keys and sessions of a customer share one. `subject` is for whom its transactions speak, and `credentials` what
    the database looks at for that: see `Session.open`.
    """

    kind: CallerKind
    customer_id: UUID | None
    key_id: UUID
    name: str
    scopes: frozenset[str]
    epoch: int
    session: SessionToken | None = None
    subject: str = field(init=False, repr=False, compare=False)
    owner: str = field(init=False, repr=False, compare=False)
    credentials: Mapping[str, str | int | None] = field(init=False, repr=False, compare=False)
    _held: frozenset[Scope] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.kind is CallerKind.OPERATOR) != (self.customer_id is None):
            raise ValueError("a tenant has a customer, an operator has none")
        subject, session = str(self.customer_id or self.key_id), str(self.session.jti) if self.session else None
        object.__setattr__(self, "subject", subject)
        object.__setattr__(self, "owner", f"{self.kind}/{subject}")
        object.__setattr__(self, "credentials", {"key": str(self.key_id), "session": session, "epoch": self.epoch})
        # an operators' scope on a customer's key is refused when the key is made; were one there, it opens nothing
        granted = self.scopes if self.kind is CallerKind.OPERATOR else self.scopes - OPERATOR_ONLY
        object.__setattr__(self, "_held", expand(granted))

    def may(self, scope: Scope) -> bool:
        return scope in self._held

    def require(self, scope: Scope) -> None:
        """Raises Forbidden, which names the scope, unless the caller has it."""
        if scope not in self._held:
            raise Forbidden(scope)
