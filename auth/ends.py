"""What has ended before its time, told to all sandboxes: customers' epochs, keys and sessions.

    await ends.tell(session.ended, now=now)      # once the transaction is committed, before the answer

The database knows it from the commit on, and asks at every operation. This is for whoever does not ask the database:
the authorizer, and the cache of verified keys. What is told of is looked at again after five seconds at most.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from auth.dynamo import OutOfReach, Table
from auth.sessions import LONGEST_LIFE
from db.ended import Ended, EpochRaised, KeyEnded

OLDEST: Final = timedelta(seconds=5)
CAPACITY: Final = 10_000

_log = logging.getLogger("landlord.ends")


class Ends:
    """Without a table nothing is told to anybody, and asking raises OutOfReach."""

    def __init__(self, table: Table | None = None, *, capacity: int = CAPACITY) -> None:
        self._table = table
        self._capacity = capacity
        self._read_at: OrderedDict[str, tuple[datetime, int | None]] = OrderedDict()

    async def tell(self, ended: Sequence[Ended], *, now: datetime) -> bool:
        """False, and a line in the log, where not all could be told: a schedule tells it again."""
        if self._table is None:
            return True
        try:
            for one in ended:
                if isinstance(one, EpochRaised):
                    await self.raise_epoch(one.customer_id, one.epoch, now=now, insist=True)
                elif isinstance(one, KeyEnded):
                    # as long as an entry or a session of the key may be around
                    await self._remember(_key(one.key_id), one.at, until=one.at + LONGEST_LIFE, now=now)
                else:
                    await self._remember(_session(one.jti), now, until=one.expires_at + timedelta(minutes=1), now=now)
        except OutOfReach as reason:
            _log.warning("what has ended was not told to others: %s", reason)
            return False
        return True

    async def raise_epoch(self, customer_id: UUID, epoch: int, *, now: datetime, insist: bool = False) -> None:
        """Never down again. Raises OutOfReach."""
        if self._table is not None:
            await self._table.raise_to(_epoch(customer_id), epoch, now=now, insist=insist)
            self._read_at.pop(_epoch(customer_id), None)

    async def standing(
        self, key_id: UUID, customer_id: UUID | None, jti: UUID | None = None, *, now: datetime, fresh: bool = False
    ) -> tuple[bool, int | None]:
        """Whether the key, or the session, is known to have ended; and its customer's epoch, None where nobody told one.

        `fresh`: as it is now, and not five seconds ago. Raises OutOfReach.
        """
        names = [_key(key_id)]
        if customer_id is not None:
            names.append(_epoch(customer_id))
        if jti is not None:
            names.append(_session(jti))
        numbers = await self._numbers(names, now, fresh=fresh)
        key, session = numbers[_key(key_id)], numbers[_session(jti)] if jti is not None else None
        over = session is not None or (key is not None and key <= now.timestamp())
        return over, numbers[_epoch(customer_id)] if customer_id is not None else None

    async def _remember(self, name: str, at: datetime, *, until: datetime, now: datetime) -> None:
        assert self._table is not None
        await self._table.remember(name, int(at.timestamp()), until=until, now=now)
        self._read_at.pop(name, None)

    async def _numbers(self, names: Sequence[str], now: datetime, *, fresh: bool) -> dict[str, int | None]:
        """Those that are not remembered are asked for together."""
        if self._table is None:
            raise OutOfReach("there is no table")
        # a clock set back must not keep what was read
        old = [
            name for name in names if fresh or name not in self._read_at or abs(now - self._read_at[name][0]) >= OLDEST
        ]
        numbers = {name: self._read_at[name][1] for name in names if name not in old}
        if old:
            found = await self._table.read(old, now=now)
            for name in old:
                numbers[name] = found[name].number if name in found else None
                self._read_at[name] = (now, numbers[name])
                self._read_at.move_to_end(name)
            while len(self._read_at) > self._capacity:
                self._read_at.popitem(last=False)
        return numbers


def _epoch(customer_id: UUID) -> str:
    return f"epoch/{customer_id}"


def _key(key_id: UUID) -> str:
    return f"key/{key_id}"


def _session(jti: UUID) -> str:
    return f"session/{jti}"
