"""Webhook endpoints: where customers' own servers hear of changes. A deleted one is there for nobody.

An endpoint's signing secret is never selected, and the API's roles could not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from db.session import Session, columns

MOST = 20  # a customer


@dataclass(frozen=True, slots=True)
class EndpointRow:
    id: UUID
    customer_id: UUID
    url: str
    event_types: list[str]
    is_active: bool
    created_at: datetime


_ENDPOINT = columns(EndpointRow, prefix="w.")


async def by_customers(session: Session, customer_ids: Sequence[UUID]) -> list[EndpointRow]:
    """At most MOST of each customer, newest first."""
    return await session.all(
        EndpointRow,
        f"""
        select {_ENDPOINT}
          from unnest($1::uuid[]) as parent (id)
         cross join lateral (
                   select {_ENDPOINT}
                     from webhook_endpoints w
                    where w.customer_id = parent.id and w.deleted_at is null
                    order by w.id desc
                    limit $2::int
               ) as w
         order by w.id desc
        """,
        customer_ids,
        MOST,
    )


async def by_ids(session: Session, ids: Sequence[UUID]) -> list[EndpointRow]:
    return await session.all(
        EndpointRow,
        f"select {_ENDPOINT} from webhook_endpoints w where w.id = any($1) and w.deleted_at is null",
        ids,
    )
