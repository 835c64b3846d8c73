"""What all sandboxes took of each bucket, in DynamoDB: of each one number, the microsecond at which it will be full."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from auth.dynamo import Table

_MICROSECOND: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_KEPT: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DynamoLedger:
    """A charge is one conditional write, so that none is lost however many come at once."""

    table: Table

    async def take(self, bucket: str, time: timedelta, *, now: datetime) -> datetime:
        """Raises OutOfReach."""
        start = (now - _EPOCH) // _MICROSECOND
        full_at = await self.table.push(bucket, time // _MICROSECOND, start=start, until=now + _KEPT, now=now)
        return _EPOCH + full_at * _MICROSECOND
