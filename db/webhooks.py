"""Webhook endpoints: where customers' own servers hear of changes. A deleted one is there for nobody.

What an endpoint's secret is made of is never selected by the API, and its roles could not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """Where to send, and what signs there with a key of ours. Not before `resting_until`."""

    id: UUID
    customer_id: UUID
    url: str
    secret: bytes = field(repr=False)
    resting_until: datetime | None


_PLACE = columns(PlaceRow, prefix="w.")
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


async def listening(session: Session, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these customers who want to hear of anything."""
    found = await session.values(
        "select distinct customer_id from webhook_endpoints where customer_id = any($1) and is_active and deleted_at is null",
        customer_ids,
    )
    return set(found)


# ---------------------------------------------------------------- sending, as a worker


async def places(session: Session, endpoints: Sequence[tuple[UUID, UUID]]) -> list[PlaceRow]:
    """Of these endpoints, each named by (customer, endpoint), those to which anything is sent."""
    return await session.all(
        PlaceRow,
        f"""
        select {_PLACE}
          from unnest($1::uuid[], $2::uuid[]) as wanted (customer_id, id)
          join webhook_endpoints w on w.customer_id = wanted.customer_id and w.id = wanted.id
         where w.is_active and w.deleted_at is null
        """,
        [customer_id for customer_id, _ in endpoints],
        [id for _, id in endpoints],
    )


async def arrived(session: Session, customer_id: UUID, id: UUID) -> bool:
    """Whether it had failed before."""
    mended = await session.execute(
        """
        update webhook_endpoints
           set failing_since = null, resting_until = null
         where customer_id = $1 and id = $2 and failing_since is not null
        """,
        customer_id,
        id,
    )
    return mended == 1


async def failed(session: Session, customer_id: UUID, id: UUID, *, at: datetime) -> datetime | None:
    """Since when nothing has arrived there; None where nothing is sent there any more."""
    since: datetime | None = await session.value(
        """
        update webhook_endpoints
           set failing_since = coalesce(failing_since, $3)
         where customer_id = $1 and id = $2 and is_active and deleted_at is null
        returning failing_since
        """,
        customer_id,
        id,
        at,
    )
    return since


async def rest(session: Session, customer_id: UUID, id: UUID, *, until: datetime) -> None:
    await session.execute(
        "update webhook_endpoints set resting_until = $3 where customer_id = $1 and id = $2", customer_id, id, until
    )


async def shut(session: Session, customer_id: UUID, id: UUID) -> None:
    """Nothing is sent there any more."""
    await session.execute(
        "update webhook_endpoints set is_active = false, resting_until = null where customer_id = $1 and id = $2",
        customer_id,
        id,
    )
