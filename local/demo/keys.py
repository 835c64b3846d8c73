"""API keys of the demo data: those that nobody holds are for show, the two in demo-keys.json open its doors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from auth import keys
from auth.scopes import Scope
from db.api_keys import ApiKeyRow
from local.demo.books import Books, founded
from local.demo.moments import Calendar, When, characters, id_of
from local.demo.people import COLLECTOR, COMPANIES, INES, PRIYA, SHOWCASE, TOMASZ
from local.demo.tickets import PIPELINE

_BASE_62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

ROTATED = When(1, 28, 9, 0)
_OVERLAP_ENDS = When(0, 4, 9, 0)
REVOKED = When(1, 27, 15, 30)
_LEASE = When(-6, 1)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A key under its `tag`; of the house where it has no `slug`."""

    tag: str
    slug: str | None
    name: str
    scopes: tuple[Scope, ...]
    since: When
    rotated_from: str | None = None
    expires: When | None = None
    revoked: When | None = None


_PIPELINES_SCOPES = (Scope.USAGE_READ, Scope.TICKETS_WRITE)
_SHOWN = (
    _Shown("pipeline-1", SHOWCASE.slug, PIPELINE, _PIPELINES_SCOPES, When(11, 12, 10, 0), expires=_OVERLAP_ENDS),
    _Shown("pipeline-2", SHOWCASE.slug, PIPELINE, _PIPELINES_SCOPES, ROTATED, rotated_from="pipeline-1"),
    _Shown("laptop", SHOWCASE.slug, "Mara's old laptop", (Scope.READ,), When(9, 2, 8, 30), revoked=REVOKED),
    _Shown(
        "warehouse",
        SHOWCASE.slug,
        "data warehouse",
        (Scope.USAGE_READ, Scope.INVOICES_READ),
        When(6, 6, 14, 10),
        expires=_LEASE,
    ),
    _Shown("ines", None, INES, (Scope.OPERATOR,), When(12, 1, 6, 0)),
    _Shown(
        "tomasz",
        None,
        TOMASZ,
        (Scope.CUSTOMERS_WRITE, Scope.BILLING_WRITE, Scope.USAGE_READ, Scope.TICKETS_WRITE),
        When(12, 1, 6, 5),
    ),
    _Shown("priya", None, PRIYA, (Scope.READ, Scope.TICKETS_WRITE, Scope.USAGE_WRITE), When(12, 1, 6, 10)),
    _Shown("collector", None, COLLECTOR, (Scope.USAGE_WRITE,), When(12, 1, 6, 15)),
)


def shown(
    calendar: Calendar, books: Books, last_used: Mapping[tuple[UUID | None, str], datetime]
) -> Iterator[ApiKeyRow]:
    """Their prefixes are no more drawn at random than anything else here. `last_used` is by customer and key's name."""
    companies = {company.slug: company for company in COMPANIES}
    made: dict[str, UUID] = {}
    for key in _SHOWN:
        customer_id = None if key.slug is None else books.of(companies[key.slug]).customer.id
        created_at = calendar.at(key.since)
        made[key.tag] = id_of(created_at, f"key/{key.tag}")
        used_at = last_used.get((customer_id, key.name))
        ends = [calendar.at(end) for end in (key.expires, key.revoked) if end is not None]
        if used_at is not None and ends:
            used_at = min(used_at, *ends)
        yield ApiKeyRow(
            id=made[key.tag],
            customer_id=customer_id,
            name=key.name,
            prefix=_prefix(key.tag),
            scopes=list(key.scopes),
            rotated_from=None if key.rotated_from is None else made[key.rotated_from],
            expires_at=None if key.expires is None else calendar.at(key.expires),
            revoked_at=None if key.revoked is None else calendar.at(key.revoked),
            last_used_at=used_at,
            created_at=created_at,
        )
    for company in COMPANIES:
        customer_id = books.of(company).customer.id
        created_at = founded(calendar, company)
        yield ApiKeyRow(
            id=id_of(created_at, f"key/{company.slug}"),
            customer_id=customer_id,
            name=company.contact,
            prefix=_prefix(company.slug),
            scopes=[Scope.WRITE],
            rotated_from=None,
            expires_at=None,
            revoked_at=None,
            last_used_at=last_used.get((customer_id, company.contact)),
            created_at=created_at,
        )


def lost_hash() -> str:
    """Of a key that nobody holds."""
    return keys.mint("test").hash


def _prefix(tag: str) -> str:
    return "lz_test_" + characters(f"{tag}/key", _BASE_62, 12)
