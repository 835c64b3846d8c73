"""What a transaction has ended, for whoever has to tell others once it is committed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID


@dataclass(frozen=True, slots=True)
class EpochRaised:
    """Every session and remembered key of the customer is looked at again."""

    customer_id: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class KeyEnded:
    """From `at` on, which may be ahead."""

    key_id: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """`expires_at` is the token's, after which nobody needs to remember."""

    jti: UUID
    expires_at: datetime


Ended: TypeAlias = EpochRaised | KeyEnded | SessionEnded
