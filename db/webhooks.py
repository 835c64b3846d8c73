"""Webhook endpoints: where customers' own servers hear of changes. A deleted one is there for nobody.

What an endpoint's secret is made of is never selected by the API, and its roles could not.
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


async def count(session: Session, customer_id: UUID) -> int:
    number: int = await session.value(
        "select count(*) from webhook_endpoints where customer_id = $1 and deleted_at is null", customer_id
    )
    return number


async def at(session: Session, customer_id: UUID, url: str) -> EndpointRow | None:
    """The customer's newest active endpoint with this URL."""
    return await session.first(
        EndpointRow,
        f"""
        select {_ENDPOINT}
          from webhook_endpoints w
         where w.customer_id = $1 and w.url = $2 and w.is_active and w.deleted_at is null
         order by w.id desc
         limit 1
        """,
        customer_id,
        url,
    )


async def insert(
    session: Session, customer_id: UUID, *, url: str, event_types: Sequence[str], salt: bytes, at: datetime
) -> EndpointRow:
    return await session.one(
        EndpointRow,
        f"""
        insert into webhook_endpoints as w (customer_id, url, event_types, secret, created_at)
        values ($1, $2, $3, $4, $5)
        returning {_ENDPOINT}
        """,
        customer_id,
        url,
        list(event_types),
        salt,
        at,
        what="webhook endpoint",
    )


async def delete(session: Session, id: UUID, *, at: datetime) -> EndpointRow:
    """Raises NotFound."""
    return await session.one(
        EndpointRow,
        f"""
        update webhook_endpoints w
           set is_active = false, deleted_at = $2
         where w.id = $1 and w.deleted_at is null
        returning {_ENDPOINT}
        """,
        id,
        at,
        what="webhook endpoint",
    )
