"""What must be true of the books after any storm; `problems` names what is not, a sentence each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import asyncpg

# A row of text for each of these that should not be.
_QUESTIONS = {
    "has not one invoice": """
        select c.id || ' ' || r.month || ' has ' || count(i.id) || ' invoices'
          from customers c
         cross join (select distinct month from billing_runs) as r
          left join invoices i on i.customer_id = c.id and i.month = r.month and i.status <> 'cancelled'
         group by c.id, r.month
        having count(i.id) <> 1
    """,
    "is not issued": "select id || ' is ' || status from invoices where status not in ('issued', 'paid')",
    "has gaps in its numbers": """
        select c.id || ' has ' || count(i.number) || ' numbers up to ' || max(right(i.number, 4)) || ', counted '
               || counter.last_invoice
          from customers c
          join invoices i on i.customer_id = c.id
          join invoice_counters counter on counter.customer_id = c.id
         group by c.id, counter.last_invoice
        having count(distinct i.number) <> count(*)
            or min(right(i.number, 4)::int) <> 1
            or max(right(i.number, 4)::int) <> count(*)
            or counter.last_invoice <> count(*)
    """,
    "does not sum up": """
        select i.id || ' says ' || i.total_amount || ', its lines ' || coalesce(sum(line.amount), 0)
          from invoices i
          left join invoice_lines line on line.customer_id = i.customer_id and line.invoice_id = i.id
         group by i.customer_id, i.id, i.total_amount
        having coalesce(sum(line.amount), 0) <> i.total_amount
    """,
    "has not one message": """
        select i.id || ' has ' || count(o.id) || ' messages, sent ' || count(o.sent_at)
          from invoices i
          left join outbox o on o.customer_id = i.customer_id and o.key = 'invoice-issued/' || i.id
         group by i.customer_id, i.id
        having count(o.id) <> 1 or count(o.sent_at) <> 1
    """,
    "is a message of nothing": """
        select o.key from outbox o
         where not exists (select from invoices i
                            where i.customer_id = o.customer_id and o.key = 'invoice-issued/' || i.id)
    """,
    "has not one event": """
        select i.number || ' has ' || count(e.id) || ' events'
          from invoices i
          left join audit_events e
            on e.customer_id = i.customer_id and e.event_type = 'invoice.issued' and e.metadata ->> 'number' = i.number
         group by i.customer_id, i.id, i.number
        having count(e.id) <> 1
    """,
    "is an event of nothing": """
        select e.id::text from audit_events e
         where e.actor = 'billing run'
           and not exists (select from invoices i
                            where i.customer_id = e.customer_id and i.number = e.metadata ->> 'number')
    """,
    "is an event whose leaf is wrong": """
        select e.id::text from audit_events e
         where e.leaf <> app.leaf(
                   e.id, e.customer_id, e.event_type, e.action, e.resource_type, e.resource_id, e.actor, e.actor_kind,
                   e.actor_email, e.actor_ip, e.actor_user_agent, e.status, e.error_message, e.request_id, e.metadata
               )
    """,
    "is a run that counts wrongly": """
        select r.id || ' ' || r.month || ' ' || r.status || ': created ' || r.invoices_created || ', skipped '
               || r.invoices_skipped || ', issued ' || r.invoices_issued || ', failed ' || r.customers_failed
          from billing_runs r
          join billing_run_items item on item.run_id = r.id
         group by r.id
        having r.status <> 'completed'
            or r.customers_total <> count(*)
            or r.invoices_created <> count(*) filter (where item.outcome = 'created')
            or r.invoices_skipped <> count(*) filter (where item.outcome = 'skipped')
            or r.invoices_created + r.invoices_skipped <> r.customers_total
            or r.invoices_issued <> r.invoices_created
            or r.total_amount <> coalesce(sum(item.amount), 0)
    """,
}

# What a customer was charged, and why, whichever id and number its invoices got.
_CHARGED = """
    select i.customer_id, i.month, i.total_amount, i.subtotal, i.usage_revision,
           string_agg(concat_ws('|', line.position, line.kind, line.description, line.bands, line.amount), E'\\n'
                      order by line.position) as lines
      from invoices i
      join invoice_lines line on line.customer_id = i.customer_id and line.invoice_id = i.id
     where i.status <> 'cancelled'
     group by i.customer_id, i.id
     order by i.customer_id, i.month, i.id
"""


async def charged(admin: asyncpg.Connection) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await admin.fetch(_CHARGED)]


async def problems(admin: asyncpg.Connection, mailbox: Path, *, expected: list[tuple[Any, ...]]) -> dict[str, int]:
    """How often each of these is true; nothing where the books are right. `expected` is `charged` without a storm."""
    found = {}
    for what, question in _QUESTIONS.items():
        if rows := await admin.fetch(question):
            found[what] = len(rows)
    if await charged(admin) != expected:
        found["was charged something else"] = 1
    arrived = Counter(line.split()[0] for line in mailbox.read_text().splitlines())
    keys = await admin.fetch("select 'invoice-issued/' || id as key from invoices")
    if lost := [row["key"] for row in keys if not arrived[row["key"]]]:
        found["was never written to"] = len(lost)
    return found
