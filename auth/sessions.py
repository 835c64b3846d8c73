"""Session tokens: a key exchanged for a JWT of at most 24 hours that says who asks and with which scopes.

Signed with HS256 alone. A good token is not the last word: `app.open` also asks whether the key, the customer's epoch
and the session itself still stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID, uuid4

import jwt

from auth.caller import Caller, CallerKind, SessionToken
from db.errors import Unauthenticated

TYPE: Final = "landlord-session+jwt"
LONGEST_LIFE: Final = timedelta(hours=24)
LEEWAY: Final = 5  # seconds that two clocks may differ
LONGEST_TOKEN: Final = 8192  # characters

_ALGORITHM: Final = "HS256"
_SHORTEST_SECRET: Final = 32  # bytes; RFC 7518, 3.2
_FORM: Final = re.compile(r"[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+\.[0-9A-Za-z_-]+")  # PyJWT also takes padding
_HEADER: Final = frozenset({"alg", "kid", "typ"})
_REQUIRED: Final = ("iss", "aud", "sub", "name", "iat", "nbf", "exp", "jti", "scopes", "epoch")  # and customer, or null

# PyJWT reads the clock itself: times are checked here, against `now`
_JWT: Final = jwt.PyJWT(
    options={
        "require": list(_REQUIRED),
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        "strict_aud": True,
        "enforce_minimum_key_length": True,
    }
)


class UnknownKid(Unauthenticated):
    """Of a key that is none of ours, or not yet."""


@dataclass(frozen=True, slots=True, eq=False)
class SigningKeys:
    """Secrets by their kid, of 32 bytes or more each; `current` signs, all verify."""

    secrets: Mapping[str, bytes] = field(repr=False)
    current: str
    issuer: str
    audience: str

    def __post_init__(self) -> None:
        if self.current not in self.secrets:
            raise ValueError("the current signing key is not among the keys")
        if any(len(secret) < _SHORTEST_SECRET for secret in self.secrets.values()):
            raise ValueError(f"a signing key has at least {_SHORTEST_SECRET} bytes")
        object.__setattr__(self, "secrets", MappingProxyType(dict(self.secrets)))


@dataclass(frozen=True)
class Claims:
    """What a token says. `customer_id` is None for an operator; `scopes` as granted, not expanded."""

    key_id: UUID
    customer_id: UUID | None
    name: str
    scopes: frozenset[str]
    epoch: int
    jti: UUID
    issued_at: datetime
    expires_at: datetime

    def caller(self) -> Caller:
        return self._caller

    @cached_property
    def _caller(self) -> Caller:
        return Caller(
            kind=CallerKind.OPERATOR if self.customer_id is None else CallerKind.TENANT,
            customer_id=self.customer_id,
            key_id=self.key_id,
            name=self.name,
            scopes=self.scopes,
            epoch=self.epoch,
            session=SessionToken(self.jti, self.expires_at),
        )


def issue(
    keys: SigningKeys,
    caller: Caller,
    *,
    key_expires_at: datetime | None,
    now: datetime,
    life: timedelta = LONGEST_LIFE,
) -> tuple[str, Claims]:
    """A token for the holder of the caller's key, under a new `jti`; whole seconds.

    It ends after `life`, or with the key where that is sooner. Raises Unauthenticated if the key ends within this
    second, ValueError for a life of no second or above 24 hours.
    """
    if not timedelta(seconds=1) <= life <= LONGEST_LIFE:
        raise ValueError("a session lives for a second at least and 24 hours at most")
    issued = int(now.timestamp())
    expires = issued + int(life.total_seconds())
    if key_expires_at is not None:
        expires = min(expires, int(key_expires_at.timestamp()))
    if expires <= issued:
        raise Unauthenticated("the key has ended")
    claims = Claims(
        key_id=caller.key_id,
        customer_id=caller.customer_id,
        name=caller.name,
        scopes=caller.scopes,
        epoch=caller.epoch,
        jti=uuid4(),
        issued_at=datetime.fromtimestamp(issued, UTC),
        expires_at=datetime.fromtimestamp(expires, UTC),
    )
    payload = {
        "iss": keys.issuer,
        "aud": keys.audience,
        "sub": str(claims.key_id),
        "name": claims.name,
        "iat": issued,
        "nbf": issued,
        "exp": expires,
        "jti": str(claims.jti),
        "customer": str(claims.customer_id) if claims.customer_id is not None else None,
        "scopes": sorted(claims.scopes),
        "epoch": claims.epoch,
    }
    header = {"kid": keys.current, "typ": TYPE}
    return _JWT.encode(payload, keys.secrets[keys.current], algorithm=_ALGORITHM, headers=header), claims


def verify(keys: SigningKeys, token: str, now: datetime) -> Claims:
    """What the token says, if it is one of ours and good at `now`, give or take five seconds.

    Raises Unauthenticated and nothing else, whatever the text. Its reason quotes nothing of the token.
    """
    said = _signed(keys, token)
    said.check(now.timestamp())
    return said.claims


class _Said:
    """What a token says that we signed, at whatever time; its claims are read once."""

    def __init__(self, payload: Mapping[str, Any]) -> None:
        self._payload = payload

    def check(self, now: float) -> None:
        """Raises Unauthenticated."""
        issued, begins, expires = self._times
        if max(issued, begins) > now + LEEWAY:
            raise _refused("not yet valid")
        if expires <= now - LEEWAY:
            raise _refused("expired")

    @cached_property
    def _times(self) -> tuple[int, int, int]:
        payload = self._payload
        issued, begins, expires = (_whole_number(payload, claim) for claim in ("iat", "nbf", "exp"))
        if not 0 < expires - issued <= LONGEST_LIFE.total_seconds():
            raise _refused("lifetime")
        return issued, begins, expires

    @cached_property
    def claims(self) -> Claims:
        """Raises Unauthenticated."""
        issued, _, expires = self._times
        return _claims(self._payload, issued, expires)


@lru_cache(maxsize=1024)
def _signed(keys: SigningKeys, token: str) -> _Said:
    """Remembered, since it takes half as long as a small query does."""
    if len(token) > LONGEST_TOKEN or not _FORM.fullmatch(token):
        raise _refused("form")
    try:
        header = jwt.get_unverified_header(token)
        if header.keys() != _HEADER or header["typ"] != TYPE:
            raise _refused("header")
        secret = keys.secrets.get(header["kid"])
        if secret is None:
            raise UnknownKid("session token: kid")
        payload = _JWT.decode(token, secret, algorithms=[_ALGORITHM], audience=keys.audience, issuer=keys.issuer)
    except jwt.PyJWTError as error:
        raise _refused(type(error).__name__) from error
    return _Said(payload)


def _claims(payload: Mapping[str, Any], issued: int, expires: int) -> Claims:
    if "customer" not in payload:
        raise _refused("customer")
    scopes = payload["scopes"]
    if type(scopes) is not list or not scopes or not all(type(scope) is str for scope in scopes):
        raise _refused("scopes")
    if type(payload["name"]) is not str:
        raise _refused("name")
    epoch = _whole_number(payload, "epoch")
    return Claims(
        key_id=_uuid(payload, "sub"),
        customer_id=None if payload["customer"] is None else _uuid(payload, "customer"),
        name=payload["name"],
        scopes=frozenset(scopes),
        epoch=epoch,
        jti=_uuid(payload, "jti"),
        issued_at=datetime.fromtimestamp(issued, UTC),
        expires_at=datetime.fromtimestamp(expires, UTC),
    )


def _whole_number(payload: Mapping[str, Any], claim: str) -> int:
    value = payload[claim]
    # a bool is an int to isinstance; the bound is PostgreSQL's bigint
    if type(value) is not int or not 0 <= value < 2**63:
        raise _refused(claim)
    return value


def _uuid(payload: Mapping[str, Any], claim: str) -> UUID:
    """Of the one text form that we write."""
    text = payload[claim]
    try:
        value = UUID(text)
    except (ValueError, TypeError, AttributeError):
        raise _refused(claim) from None
    if str(value) != text:
        raise _refused(claim)
    return value


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated(f"session token: {reason}")
