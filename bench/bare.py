"""Our own statements with no application around them: no server in Python that sends them can be quicker.

    Bare(url, context_key, customer, key, sent=asyncio.run(recorded(application, token)))

Each query is asked of the application once, and the statement that it sends is kept. That is all that is sent from then on, as
one message of asyncpg, under a new context and with the event of a new request; what it brings is the answer. There is no
GraphQL, no look at who asks, no limit and no log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import orjson

from auth import contexts
from bench.floor import Floor
from db.as_json import listed
from db.session import Session
from db.typeids import typeid

QUERIES: Final = Path(__file__).with_name("queries")


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement, and its values but for the token, which comes first, and the event's request."""

    sql: str
    facts: str
    event: Mapping[str, Any]
    args: Sequence[Any]


async def recorded(application: Any, token: str) -> dict[str, Sent]:
    """What it sends for each query of the bench, by the query's name. Raises ValueError where that is not one statement."""
    found = {}
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        for path in QUERIES.glob("*.graphql"):
            with _recording() as statements:
                asked = {"query": path.read_text()}
                answer = await client.post("/graphql", json=asked, headers={"Authorization": f"Bearer {token}"})
            assert "errors" not in answer.json(), answer.text
            ((sql, (_, facts, event, _, *args)),) = statements
            found[path.stem.upper()] = Sent(sql, facts, orjson.loads(event), args)
    return found


@contextmanager
def _recording() -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
    """Every statement that is sent meanwhile."""
    statements: list[tuple[str, tuple[Any, ...]]] = []
    ask = Session._ask

    async def asked(session: Session, sql: str, args: tuple[Any, ...]) -> list[Any]:
        statements.append((sql, args))
        return await ask(session, sql, args)

    Session._ask = asked  # type: ignore[method-assign, assignment]
    try:
        yield statements
    finally:
        Session._ask = ask  # type: ignore[method-assign]


class Bare(Floor):
    """Of it the way to the database alone. `sent` is by the names of queries."""

    def __init__(self, *of_floor: Any, sent: Mapping[str, Sent], **told: Any) -> None:
        super().__init__(*of_floor, **told)
        self._sent = sent

    async def _asked(self, connection: asyncpg.Connection, name: str) -> Any:
        sent = self._sent[name]
        token = contexts.sign(self._key, "tenant", self._customer_id, datetime.now(UTC))
        event = orjson.dumps({**sent.event, "request_id": secrets.token_hex(16)}).decode()
        (record,) = await connection.fetch(sent.sql, token, sent.facts, event, True, *sent.args)
        # behind what the opening says, the nonce, and a mark that there is a row
        said, _, _, *found = record
        return _ANSWERS[name](orjson.loads(said), *found)


def _q1(said: Mapping[str, Any], id: Any, name: str, _: Any) -> Any:
    return {"customer": {"id": typeid("cus", id), "name": name, "tier": said["tier"].upper()}}


def _q2(said: Mapping[str, Any], id: Any, name: str, tiers: Any, usage: str, invoices: str, tickets: str) -> Any:
    lists = {"usage": listed(usage), "invoices": {"nodes": listed(invoices)}, "tickets": {"nodes": listed(tickets)}}
    return {"customer": {**_q1(said, id, name, tiers)["customer"], **lists}}


def _q3(_: Mapping[str, Any], events: str) -> Any:
    return {"auditEvents": {"nodes": listed(events)}}


_ANSWERS: Final[Mapping[str, Callable[..., Any]]] = {"Q1": _q1, "Q2": _q2, "Q3": _q3}
