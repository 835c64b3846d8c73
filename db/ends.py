"""What ended lately, of all customers and of the house."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from db.ended import Ended, EpochRaised, KeyEnded, SessionEnded
from db.session import Session


async def since(session: Session, instant: datetime) -> list[Ended]:
    """As a worker: epochs raised, keys revoked or rotated, and sessions ended from then on."""
    return await session.all(_ended, "select kind, id, epoch, at from app.ended_since($1)", instant)


def _ended(kind: str, id: UUID, epoch: int | None, at: datetime) -> Ended:
    if kind == "customer":
        assert epoch is not None
        return EpochRaised(id, epoch)
    return KeyEnded(id, at) if kind == "key" else SessionEnded(id, at)
