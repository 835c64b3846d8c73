"""Keys once verified, so that not every request pays for a bcrypt: in this process for seconds, in DynamoDB for hours.

An entry stands under HMAC(pepper, key): neither the key nor a bare hash of it is ever kept. What a cache says is never
the last word, which `app.open` has.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

import orjson

from auth.caller import Caller, CallerKind
from auth.dynamo import OutOfReach, Table
from auth.ends import Ends

OLDEST: Final = timedelta(seconds=5)  # of what counts in this process without a question
LIFE: Final = timedelta(hours=4)
LIFE_OF_WRONG: Final = timedelta(minutes=5)
CAPACITY: Final = 1000


@dataclass(frozen=True)
class VerifiedKey:
    """`customer_id` is None for an operator's, whose epoch is 0. `scopes` as granted."""

    key_id: UUID
    customer_id: UUID | None
    name: str
    scopes: frozenset[str]
    epoch: int
    expires_at: datetime | None

    def caller(self) -> Caller:
        """Who asks with the key itself."""
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
        )


class Standing(Enum):
    """What is remembered of a key that does not count as verified.

    One that was good within hours is looked at again, whoever fails on its prefix meanwhile. One that ended was good
    once, so that it is nobody's guess; one that is wrong never was.
    """

    UNKNOWN = "unknown"
    WAS_GOOD = "was good"
    ENDED = "ended"
    WRONG = "wrong"


Known: TypeAlias = VerifiedKey | Standing


class KeyCache(Protocol):
    """Asynchronous since a shared one is a call away. Nothing is raised where that is out of reach."""

    async def get(self, secret: str, *, now: datetime) -> Known: ...

    async def put(self, secret: str, key: VerifiedKey, *, now: datetime) -> None:
        """Only of a key that was verified at `now`."""

    async def put_bad(self, secret: str, standing: Standing, *, now: datetime) -> None:
        """Only of a key that was found WRONG, or ENDED, at `now`."""


class MemoryCache:
    """Of this process alone. Its pepper is drawn at first use, so no two sandboxes share one by way of a snapshot.

    Strangers put nothing but wrong keys in, and those make room for one another alone.
    """

    def __init__(self, *, capacity: int = CAPACITY, oldest: timedelta = OLDEST) -> None:
        if not timedelta(0) <= oldest <= OLDEST:
            raise ValueError("revocation holds within five seconds: no entry may be older")
        self._capacity = capacity
        self._oldest = oldest
        self._mac: hmac.HMAC | None = None
        self._good: dict[bytes, tuple[datetime, VerifiedKey]] = {}
        self._bad: dict[bytes, tuple[datetime, Standing]] = {}

    async def get(self, secret: str, *, now: datetime) -> Known:
        digest = self._digest(secret)
        # a clock set back must not lengthen an entry's life
        if (bad := self._bad.get(digest)) is not None:
            if abs(now - bad[0]) <= LIFE_OF_WRONG:
                return bad[1]
            del self._bad[digest]
        if (good := self._good.get(digest)) is None:
            return Standing.UNKNOWN
        verified_at, key = good
        if abs(now - verified_at) > LIFE:
            del self._good[digest]
            return Standing.UNKNOWN
        if abs(now - verified_at) > self._oldest or (key.expires_at is not None and key.expires_at <= now):
            return Standing.WAS_GOOD
        return key

    async def put(self, secret: str, key: VerifiedKey, *, now: datetime) -> None:
        self.keep(secret, key, now=now)

    def keep(self, secret: str, key: VerifiedKey, *, now: datetime) -> None:
        """As `put`, of a key that all of them know already."""
        digest = self._digest(secret)
        self._bad.pop(digest, None)
        _put_in(self._good, digest, (now, key), self._capacity)

    async def put_bad(self, secret: str, standing: Standing, *, now: datetime) -> None:
        digest = self._digest(secret)
        self._good.pop(digest, None)
        _put_in(self._bad, digest, (now, standing), self._capacity)

    def _digest(self, secret: str) -> bytes:
        if self._mac is None:
            self._mac = hmac.new(secrets.token_bytes(32), digestmod=hashlib.sha256)
        mac = self._mac.copy()
        mac.update(secret.encode())
        return mac.digest()


class SharedCache:
    """Of all sandboxes: in a table, with this process's own in front. `pepper` is one secret of all of them, 32 bytes.

    An entry counts for four hours while its key has not ended and its epoch is the customer's. It is signed with the
    pepper, so whoever writes to the table without it makes nobody a caller. Out of reach, the front alone answers.
    """

    def __init__(self, table: Table, ends: Ends, pepper: bytes, *, front: MemoryCache | None = None) -> None:
        if len(pepper) < 32:
            raise ValueError("a pepper has at least 32 bytes")
        self._table = table
        self._ends = ends
        self._pepper = pepper
        self._front = front or MemoryCache()

    async def get(self, secret: str, *, now: datetime) -> Known:
        near = await self._front.get(secret, now=now)
        if near not in (Standing.UNKNOWN, Standing.WAS_GOOD):
            return near
        name = self._name(secret)
        try:
            item = (await self._table.read([name], now=now)).get(name)
            known = self._read(name, item.text if item is not None else "")
            if isinstance(known, VerifiedKey):
                # asked afresh: the front adds five seconds of its own
                over, epoch = await self._ends.standing(known.key_id, known.customer_id, now=now, fresh=True)
                if over or _expired(known, now):
                    known = Standing.ENDED
                elif known.customer_id is not None and epoch != known.epoch:
                    known = Standing.WAS_GOOD
        except OutOfReach:
            return near
        if isinstance(known, VerifiedKey):
            self._front.keep(secret, known, now=now)
        return near if known is Standing.UNKNOWN else known

    async def put(self, secret: str, key: VerifiedKey, *, now: datetime) -> None:
        await self._front.put(secret, key, now=now)
        until = min(now + LIFE, key.expires_at or now + LIFE)
        said = {
            "key": str(key.key_id),
            "customer": str(key.customer_id) if key.customer_id is not None else None,
            "name": key.name,
            "scopes": sorted(key.scopes),
            "epoch": key.epoch,
            "expires": key.expires_at.isoformat() if key.expires_at is not None else None,
        }
        with suppress(OutOfReach):
            if key.customer_id is not None:
                await self._ends.raise_epoch(key.customer_id, key.epoch, now=now)
            await self._write(secret, said, until=until, now=now)

    async def put_bad(self, secret: str, standing: Standing, *, now: datetime) -> None:
        await self._front.put_bad(secret, standing, now=now)
        until = now + (LIFE if standing is Standing.ENDED else LIFE_OF_WRONG)
        with suppress(OutOfReach):
            await self._write(secret, {"standing": standing.value}, until=until, now=now)

    async def _write(self, secret: str, said: dict[str, Any], *, until: datetime, now: datetime) -> None:
        name = self._name(secret)
        text = orjson.dumps(said).decode()
        await self._table.put(name, f"{self._mac(name, text)}{text}", until=until, now=now)

    def _read(self, name: str, text: str) -> Known:
        """UNKNOWN for what is not there, or was not written by one of us."""
        mac, said = text[:64], text[64:]
        if not hmac.compare_digest(mac.encode(), self._mac(name, said).encode()):
            return Standing.UNKNOWN
        entry = orjson.loads(said)
        if "standing" in entry:
            return Standing(entry["standing"])
        return VerifiedKey(
            key_id=UUID(entry["key"]),
            customer_id=UUID(entry["customer"]) if entry["customer"] is not None else None,
            name=entry["name"],
            scopes=frozenset(entry["scopes"]),
            epoch=entry["epoch"],
            expires_at=datetime.fromisoformat(entry["expires"]) if entry["expires"] is not None else None,
        )

    def _name(self, secret: str) -> str:
        return f"entry/{hmac.new(self._pepper, secret.encode(), hashlib.sha256).hexdigest()}"

    def _mac(self, name: str, text: str) -> str:
        # of a name and a text, so that no entry stands for another; no key is such a text
        return hmac.new(self._pepper, f"{name}\n{text}".encode(), hashlib.sha256).hexdigest()


def _expired(key: VerifiedKey, now: datetime) -> bool:
    return key.expires_at is not None and key.expires_at <= now


def _put_in(entries: dict[bytes, Any], digest: bytes, entry: tuple[datetime, Any], capacity: int) -> None:
    entries.pop(digest, None)
    while len(entries) >= capacity:
        del entries[next(iter(entries))]  # the one put in first
    entries[digest] = entry
