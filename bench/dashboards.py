"""Customers with a year behind them, for measuring how fast they are answered.

Each has 12 months of usage, 12 invoices of 8 lines, 50 tickets with 4 comments and 2,000 audit events.
"""

from __future__ import annotations

import asyncpg

from app import Settings, utc_now
from auth import sessions
from auth.caller import Caller, CallerKind
from auth.sessions import SigningKeys
from billing import price_list, prices
from db.session import Session
from local import database, postgres

CUSTOMERS = 200
EVENTS = 2000

_CUSTOMERS = """
    with made as (
        insert into customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)
        select 'Customer ' || n, 'it@example.com', 'bills@example.com', 'US-WA', 'taxable', date '2020-01-01'
          from generate_series(1, $1::int) as n
        returning id
    ), tier as (
        insert into tier_history (customer_id, starts_on, tier) select id, '2020-01-01', 'fintech' from made
    )
    insert into api_keys (customer_id, name, prefix, key_hash, scopes)
    select id, 'front end', 'lz_live_' || substring(replace(id::text, '-', '') from 21), '$2b$10$' || repeat('.', 53), '{read}' from made
"""
_YEAR = """
    with past as (
        select id as customer_id, (date_trunc('month', now()) - make_interval(months => back))::date as month, back
          from customers, generate_series(0, 11) as back
    ), used as (
        insert into usage_metrics (
            customer_id, month, revision, account_count, ou_count, scp_count, cloudtrail_events, config_evaluations,
            log_storage_gb, nat_bytes_processed, data_transfer_gb, source
        )
        select customer_id, month, 1, 40 + back, 12, 40, 25000001 + back, 250001, 500.5, 500000000001, 500.25, 'demo'
          from past
    ), invoice as (
        insert into invoices (
            customer_id, month, status, number, tier, currency, tier_base_cost, usage_charges, volume_discount, subtotal,
            tax_rate, tax_amount, total_amount, rate_card_id, usage_revision, tier_periods, tax_jurisdiction, tax_status,
            issued_at, due_on
        )
        select customer_id, month, 'issued', (select invoice_prefix from customers where id = customer_id) || '-00'
               || to_char(12 - back, 'FM00'), 'fintech', 'USD', 5000, 600, 0, 5600, 0.1, 560, 6160,
               (select id from rate_cards limit 1), 1, '[]', 'US-WA', 'taxable', now(), current_date + 30
          from past
         order by back desc
        returning customer_id, id
    )
    insert into invoice_lines (customer_id, invoice_id, position, kind, metric, tier, description, quantity, billable, amount)
    select customer_id, id, position, kind, metric, case when kind = 'base' then 'fintech' end,
           'Line ' || position || ': 25,000,001 over 25,000,000 included', case when kind <> 'tax' then 12.5 end,
           case when kind = 'usage' then 1 end, amount
      from invoice, unnest(
               array[1, 2, 3, 4, 5, 6, 7, 8], array['base', 'usage', 'usage', 'usage', 'usage', 'usage', 'usage', 'tax'],
               array[null, 'account_count', 'cloudtrail_events', 'config_evaluations', 'log_storage_gb',
                     'nat_bytes_processed', 'data_transfer_gb', null],
               array[5000, 100, 100, 100, 100, 100, 100, 560]
           ) as line (position, kind, metric, amount)
"""
_TICKETS = """
    with ticket as (
        insert into support_tickets (customer_id, subject, status, priority, created_by)
        select id, 'The audit role is missing in account ' || n, (array['open', 'resolved'])[1 + n % 2], 'normal', 'front end'
          from customers, generate_series(1, 50) as n
        returning customer_id, id
    )
    insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)
    select customer_id, id, 'front end', 'tenant', 'It was there yesterday, before the last change to the stack. ' || n
      from ticket, generate_series(1, 4) as n
"""
_EVENTS = """
    insert into audit_events (
        customer_id, event_type, action, resource_type, resource_id, actor, actor_kind, actor_ip, status, request_id, metadata
    )
    select id, 'invoice.issued', 'update', 'Invoice', 'inv_01jd8x0000000000000000' || to_char(n, 'FM0000'), 'operations',
           'operator', '192.0.2.1', 'success', md5(n::text), '{"fields": ["invoice"]}'
      from customers, generate_series(1, $1::int) as n
"""


async def plant(cluster: postgres.Cluster, *, customers: int, events: int) -> dict[str, str]:
    """The application's environment."""
    environment = await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home))
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url), server_settings={"search_path": "landlord"}, timeout=60
    )
    await prices.add(Session(admin), price_list.read(price_list.FIRST_PRICE_LIST), now=utc_now())
    for table in ("invoices", "invoice_lines"):  # theirs is not how bills come about
        await admin.execute(f"alter table {table} disable trigger user")
    await admin.execute(_CUSTOMERS, customers, timeout=600)
    await admin.execute(_YEAR, timeout=600)
    await admin.execute(_TICKETS, timeout=600)
    await admin.execute(_EVENTS, events, timeout=600)
    await admin.execute("vacuum analyze", timeout=600)
    await admin.close()
    return environment


async def token(cluster: postgres.Cluster, environment: dict[str, str]) -> tuple[str, Caller]:
    """A session of one customer's key, and whose it is."""
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url), server_settings={"search_path": "landlord"}
    )
    key = await admin.fetchrow("select id, customer_id, name, scopes from api_keys order by id limit 1")
    await admin.close()
    assert key is not None
    caller = Caller(
        kind=CallerKind.TENANT,
        customer_id=key["customer_id"],
        key_id=key["id"],
        name=key["name"],
        scopes=frozenset(key["scopes"]),
        epoch=1,
    )
    settings = Settings.from_env(environment)
    keys = SigningKeys(
        secrets=settings.session_keys,
        current=next(iter(settings.session_keys)),
        issuer=settings.issuer,
        audience=settings.audience,
    )
    return sessions.issue(keys, caller, key_expires_at=None, now=utc_now())[0], caller
