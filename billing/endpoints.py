"""Webhook endpoints as the rules have them: entered with a secret of their own, and deleted.

Where an address leads is not asked here: whoever sends there looks it up, every time (billing/sender.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from billing import signatures
from billing.events import EventType
from db import customers, webhooks
from db.errors import Invalid, NotFound, TierLimit
from db.session import Session
from db.webhooks import MOST, EndpointRow

LONGEST_URL = 2000

# One way to write each address, and so none that two readers could take for two: a name of the DNS and no number, the
# usual port, no name and password, nothing behind a `#`, and no letter that is taken for another (`\u017f` for s) where case is
# looked away from.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_URL = re.compile(
    rf"https://(?P<host>(?i:(?:{_LABEL}\.)+(?=[a-z])(?:{_LABEL})))(?::443)?(?P<target>[/?][!$-\[\]-~]*)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class MadeEndpoint:
    """`secret` is shown once, and stored nowhere."""

    row: EndpointRow
    secret: str = field(repr=False)


def parsed(url: str) -> tuple[str, str] | None:
    """The host in small letters, and what is asked of it; None for what is no address of an endpoint."""
    found = _URL.fullmatch(url)
    if found is None or len(url) > LONGEST_URL or len(found["host"]) > 253:
        return None
    target = found["target"] or "/"
    return found["host"].lower(), target if target[0] == "/" else f"/{target}"


async def create(
    session: Session,
    keys: Mapping[str, bytes],
    *,
    customer_id: UUID | None,
    url: str,
    event_types: Sequence[str],
    now: datetime,
) -> MadeEndpoint:
    """For the events of these types, or of all where none is named.

    Raises Invalid, also without a customer; NotFound for one that the session does not see; TierLimit at MOST.
    """
    if customer_id is None:
        raise Invalid("Name the customer whose server it is.", field=("input", "customerId"))
    if parsed(url) is None:
        raise Invalid(
            "An address begins with https://, names a host and not a number, and has no port but 443, no password and no #.",
            field=("input", "url"),
        )
    wanted = _types(event_types)
    try:
        await customers.lock(session, customer_id)
    except NotFound as nobody:
        raise NotFound("customer", customer_id, field=("input", "customerId")) from nobody
    if await webhooks.count(session, customer_id) >= MOST:
        raise TierLimit(f"There are {MOST} webhook endpoints, and no more can be entered: delete one first.")
    salt = signatures.new_salt(keys)
    row = await webhooks.insert(session, customer_id, url=url, event_types=wanted, salt=salt, at=now)
    return MadeEndpoint(row, signatures.shown(signatures.secret_of(keys, salt)))


async def delete(session: Session, id: UUID, *, now: datetime) -> EndpointRow:
    """What still waits for it is not sent any more. Raises NotFound, also for one that is deleted already."""
    return await webhooks.delete(session, id, at=now)


def _types(named: Sequence[str]) -> list[str]:
    """Each once, in the order of `EventType`. Raises Invalid."""
    known = [type.value for type in EventType]
    if any(one not in known for one in named):
        raise Invalid(f"There is no such event: they are {', '.join(known)}.", field=("input", "eventTypes"))
    return [type for type in known if type in named]
