"""What no API on this database can be quicker than: three queries in SQL by hand, under the same context and event.

An ASGI application with no GraphQL in it: begin, `app.open` with its audit event, the fewest statements that bring the
columns, dictionaries, JSON, commit. The name of the query picks its function; all else of a request is passed over.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from auth import contexts
from auth.contexts import ContextKey
from db.connection import _teach_arrays
from db.typeids import typeid

_CUSTOMER = """
    select c.id, c.name, t.tier
      from customers c
      join lateral (
               select tier from tier_history t
                where t.customer_id = c.id and t.starts_on <= $1::date order by t.starts_on desc limit 1
           ) as t on true
     where c.id = app.tenant()
"""
_USAGE = """
    select distinct on (month) to_char(month, 'YYYY-MM'), account_count, ou_count, scp_count, cloudtrail_events::text,
           config_evaluations::text, trim_scale(log_storage_gb)::text, nat_bytes_processed::text,
           trim_scale(data_transfer_gb)::text
      from usage_metrics
     where customer_id = $1 and month > $2::date - interval '12 months'
     order by month desc, revision desc
"""
_INVOICES = """
    select id, number, to_char(month, 'YYYY-MM'), status, total_amount::text
      from invoices where customer_id = $1 order by id desc limit 13
"""
_LINES = """
    select invoice_id, position, kind, description, trim_scale(quantity)::text, amount::text
      from invoice_lines where customer_id = $1 and invoice_id = any($2) order by position
"""
_TICKETS = """
    select id, subject, status, priority, created_at
      from support_tickets where customer_id = $1 and status = 'open' order by id desc limit 21
"""
_COMMENTS = """
    select ticket.id, c.id, c.author, c.body, c.created_at
      from unnest($2::uuid[]) as ticket (id)
     cross join lateral (
               select * from ticket_comments c
                where c.customer_id = $1 and c.ticket_id = ticket.id order by c.id desc limit 4
           ) as c
     order by c.id desc
"""
# no parameter that months could be told by: the plan is made once
_EVENTS = """
    select id, event_type, action, resource_type, resource_id, actor,
           case when actor_kind <> 'operator' then actor_ip end, status, request_id, created_at
      from audit_events order by id desc limit $1
"""


def _instant(value: datetime) -> str:
    return value.isoformat(timespec="microseconds")[:26] + "Z"


class Floor:
    """Answers one caller, over connections that it keeps. `relaxed`: as LANDLORD_RELAXED_READS has it."""

    def __init__(
        self,
        url: str,
        context_key: ContextKey,
        customer: UUID,
        key: UUID,
        *,
        relaxed: bool = False,
        connections: int = 1,
    ) -> None:
        self._url = url
        self._customer_id = str(customer)
        self._key_id = str(key)
        self._key = context_key
        self._begin = "begin; select app.clean_relaxed()" if relaxed else "begin; select app.clean()"
        self._idle: list[asyncpg.Connection] = []
        self._lent = asyncio.Semaphore(connections)

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        name = orjson.loads(body)["query"].split()[1]
        answer = await self.answer(name)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def answer(self, name: str) -> bytes:
        async with self._lent:
            connection = self._idle.pop() if self._idle else await self._connect()
            data = await self._asked(connection, name)
            self._idle.append(connection)
        return orjson.dumps({"data": data})

    async def _connect(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(self._url, statement_cache_size=256)
        _teach_arrays(connection)
        return connection

    async def _asked(self, connection: asyncpg.Connection, name: str) -> Any:
        now = datetime.now(UTC)
        await connection.execute(self._begin)
        token = contexts.sign(self._key, "tenant", self._customer_id, now)
        event = {
            "customer_id": self._customer_id, "actor": "front end", "actor_kind": "tenant", "actor_ip": "127.0.0.1",
            "request_id": secrets.token_hex(16), "event_type": "api.query", "action": "read", "status": "success",
            "metadata": {"operation": name, "document": "0" * 64, "fields": ["customer"]},
        }  # fmt: skip
        facts = {"key": self._key_id, "session": None, "epoch": 1}
        await connection.fetch(
            "select app.open($1, $2, $3, $4)", token, orjson.dumps(facts).decode(), orjson.dumps(event).decode(), True
        )
        data = await {"Q1": self._q1, "Q2": self._q2, "Q3": self._q3}[name](connection, now)
        await connection.execute("commit")
        return data

    async def _customer(self, ask: Any, now: datetime) -> tuple[UUID, dict[str, Any]]:
        ((id, name, tier),) = await ask(_CUSTOMER, now.date())
        return id, {"id": typeid("cus", id), "name": name, "tier": tier.upper()}

    async def _q1(self, connection: asyncpg.Connection, now: datetime) -> Any:
        return {"customer": (await self._customer(connection.fetch, now))[1]}

    async def _q2(self, connection: asyncpg.Connection, now: datetime) -> Any:
        ask = connection.fetch
        id, customer = await self._customer(ask, now)
        customer["usage"] = [
            {
                "month": month, "accountCount": accounts, "ouCount": ous, "scpCount": scps, "cloudtrailEvents": trail,
                "configEvaluations": config, "logStorageGb": storage, "natBytesProcessed": nat, "dataTransferGb": transfer,
            }
            for month, accounts, ous, scps, trail, config, storage, nat, transfer in await ask(_USAGE, id, now.date())
        ]  # fmt: skip
        invoices = (await ask(_INVOICES, id))[:12]
        lines: dict[UUID, list[Any]] = defaultdict(list)
        for invoice, position, kind, description, quantity, amount in await ask(
            _LINES, id, [one[0] for one in invoices]
        ):
            lines[invoice].append(
                {
                    "position": position,
                    "kind": kind.upper(),
                    "description": description,
                    "quantity": quantity,
                    "amount": amount,
                }
            )
        customer["invoices"] = {
            "nodes": [
                {
                    "id": typeid("inv", invoice), "number": number, "month": month, "status": status.upper(),
                    "totalAmount": total, "lines": lines[invoice],
                }
                for invoice, number, month, status, total in invoices
            ]
        }  # fmt: skip
        tickets = (await ask(_TICKETS, id))[:20]
        comments: dict[UUID, list[Any]] = defaultdict(list)
        for ticket, comment, author, body, created in await ask(_COMMENTS, id, [one[0] for one in tickets]):
            comments[ticket].append(
                {"id": typeid("tkc", comment), "author": author, "body": body, "createdAt": _instant(created)}
            )
        customer["tickets"] = {
            "nodes": [
                {
                    "id": typeid("tkt", ticket), "subject": subject, "status": status.upper(), "priority": priority.upper(),
                    "createdAt": _instant(created), "comments": {"nodes": comments[ticket][:3]},
                }
                for ticket, subject, status, priority, created in tickets
            ]
        }  # fmt: skip
        return {"customer": customer}

    async def _q3(self, connection: asyncpg.Connection, now: datetime) -> Any:
        rows = (await connection.fetch(_EVENTS, 501))[:500]
        return {
            "auditEvents": {
                "nodes": [
                    {
                        "id": typeid("evt", id), "eventType": event, "action": action.upper(), "resourceType": type_,
                        "resourceId": resource, "actor": actor, "actorIp": ip, "status": status.upper(),
                        "requestId": request, "createdAt": _instant(created),
                    }
                    for id, event, action, type_, resource, actor, ip, status, request, created in rows
                ]
            }
        }  # fmt: skip
