"""Statements that write: for a neighbour, over a neighbour, in a query, into the trail, and on the guard itself."""

from __future__ import annotations

from tests.attacks.attack import LOOK, Attack, mutation, query

_PLANTED_TICKET = (
    "insert into support_tickets (customer_id, subject, created_by) values (app.tenant(), 'planted', 'mallory')"
)
_PLANTED_EVENT = (
    "insert into audit_events (customer_id, event_type, action, actor, actor_kind, status)"
    " values (app.tenant(), 'planted', 'read', 'mallory', 'tenant', 'success')"
)
_FOR_THEM = (
    "insert into support_tickets (customer_id, subject, created_by) values ('@neighbour', 'planted', 'mallory')",
    "insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)"
    " values ('@neighbour', '@neighbour_ticket', 'mallory', 'tenant', 'planted')",
    "insert into audit_events (customer_id, event_type, action, actor, actor_kind, status)"
    " values ('@neighbour', 'planted', 'read', 'mallory', 'tenant', 'success')",
    "insert into ended_sessions (jti, customer_id, expires_at) values (gen_random_uuid(), '@neighbour', now())",
    "insert into outbox (customer_id, kind, key, payload) values ('@neighbour', 'email', 'planted', '{}')",
    "insert into api_keys (customer_id, name, prefix, key_hash, scopes)"
    " values ('@neighbour', 'planted', 'lz_test_000000000001', '$2b$x', '{write}')",
    "insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)"
    " values ('@neighbour', '@neighbour_key', 'openTicket', 'planted', sha256(''), 'x')",
    "insert into webhook_endpoints (customer_id, url, secret) values ('@neighbour', 'https://mallory.example', 'planted')",
)
_FOR_THE_HOUSE = (
    "insert into api_keys (customer_id, name, prefix, key_hash, scopes)"
    " values (null, 'planted', 'lz_test_000000000002', '$2b$x', '{operator}')",
    "insert into audit_events (customer_id, event_type, action, actor, actor_kind, status)"
    " values (null, 'planted', 'read', 'mallory', 'operator', 'success')",
    "insert into ended_sessions (jti, customer_id, expires_at) values (gen_random_uuid(), null, now())",
    "insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)"
    " values (null, '@my_key', 'openTicket', 'planted', sha256(''), 'x')",
)
_OVER_THEM = (
    "update customers set epoch = epoch + 1 where id = '@neighbour'",
    "update customers set epoch = epoch + 1 where id <> '@me'",
    "update support_tickets set status = 'closed' where id = '@neighbour_ticket'",
    "update support_tickets t set status = 'closed' from customers c where c.id <> '@me'",
    "update api_keys set revoked_at = now() where id = '@neighbour_key'",
    "delete from idempotency_keys where api_key_id = '@neighbour_key'",
    "with theirs as (update api_keys set expires_at = now() where customer_id <> '@me' returning id) select * from theirs",
    "update webhook_endpoints set deleted_at = now() where id = '@neighbour_endpoint'",
)
_NOT_A_TENANTS = (
    "update customers set name = 'planted'", "update customers set suspended_at = null", "delete from customers",
    "update invoices set total_amount = 0", "insert into invoices select * from invoices", "delete from invoices",
    "insert into payments select * from payments", "update payments set amount = 1", "delete from invoice_lines",
    "insert into credit_notes select * from credit_notes", "insert into credit_uses select * from credit_uses",
    "insert into usage_metrics select * from usage_metrics", "delete from tier_history",
    "insert into tier_history (customer_id, starts_on, tier) values ('@me', '2020-01-01', 'standard')",
    "insert into notifications select * from notifications", "delete from support_tickets", "delete from ticket_comments",
    "update webhook_endpoints set url = 'https://mallory.example'", "update webhook_endpoints set secret = 'planted'",
    "insert into outbox (customer_id, kind, key, payload, notification_id) values ('@me', 'sms', 'planted', '{}', '@nobody')",
    "update idempotency_keys set object_id = 'x'",
    "update api_keys set scopes = '{operator}'", "update api_keys set key_hash = '$2b$x'", "delete from api_keys",
    "delete from ended_sessions", "update outbox set sent_at = now()", "delete from outbox", "select * from invoice_counters for update",
    "update invoice_counters set customer_id = '@me'", "insert into rate_cards select * from rate_cards", "delete from tax_rates",
    "insert into company_details select * from company_details", "update billing_runs set status = 'failed'",
    "insert into billing_run_items select * from billing_run_items", "update usage_syncs set status = 'failed'",
    "update public.schema_migrations set version = 'x'",
)  # fmt: skip
_THE_TRAIL = (
    "update audit_events set actor = 'nobody'", "delete from audit_events", "truncate audit_events", "truncate audit_events_default",
    "insert into audit_seals default values", "select * from audit_seals", "alter table audit_events disable trigger all",
    "create rule swallow as on insert to audit_events do instead nothing", "drop table audit_events_default",
    "alter table audit_events detach partition audit_events_default",
    "insert into audit_events (id, customer_id, event_type, action, actor, actor_kind, status)"
    " values (gen_random_uuid(), '@me', 'planted', 'read', 'mallory', 'tenant', 'success')",
    "insert into audit_events (created_at, customer_id, event_type, action, actor, actor_kind, status)"
    " values ('2020-01-01', '@me', 'planted', 'read', 'mallory', 'tenant', 'success')",
    "insert into audit_events (leaf, customer_id, event_type, action, actor, actor_kind, status)"
    " values ('\\x00', '@me', 'planted', 'read', 'mallory', 'tenant', 'success')",
)  # fmt: skip
_THE_GUARD = (
    "alter table customers disable row level security", "alter table customers no force row level security",
    "drop policy customers_of_tenant on customers", "alter policy customers_of_tenant on customers using (true)",
    "create policy everyone on customers using (true)", "alter table customers owner to landlord_tenant",
    "alter table customers add column x int", "drop table support_tickets", "drop function app.tenant()",
    "create or replace function app.tenant() returns uuid language sql as 'select null::uuid'",
    "alter function app.tenant() security invoker", "alter function app.clean() reset search_path",
    "alter function app.tenant() owner to landlord_tenant", "grant execute on function app.install_key(text, bytea) to landlord_tenant",
    "create trigger t before update on support_tickets for each row execute function app.clean()",
    "create index on customers (name)", "create view mine as select * from customers", "create table mine (id int)",
    "create materialized view mine as select * from customers", "create schema mallory", "create sequence mine",
    "create function landlord.mine() returns int language sql as 'select 1'", "create type mine as (a int)",
    "create table public.mine (id int)", "create temp table mine (id int)", "create operator = (function = texteq, leftarg = text)",
    "create cast (text as uuid) with inout", "comment on table customers is 'mine'", "cluster customers", "reindex table customers",
    "reassign owned by landlord_owner to landlord_tenant", "drop owned by landlord_owner", "alter schema app owner to landlord_tenant",
    "alter database postgres set row_security = off",
)  # fmt: skip
_BACK_TO_WRITING = (
    "set transaction read write", "set session characteristics as transaction read write",
    "select set_config('transaction_read_only', 'off', true)", "set local transaction_read_only = off",
    "set local default_transaction_read_only = off",
)  # fmt: skip

ATTACKS: list[Attack] = [
    # ---------------------------------------------------------------- in a query
    query("writing in a query, plainly",
          _PLANTED_TICKET, _PLANTED_EVENT, "update support_tickets set status = 'closed'", "delete from idempotency_keys",
          "update api_keys set revoked_at = now()", "update customers set epoch = epoch + 1",
          "select app.open('@own', '@own_facts', null, false)",
          "select lo_from_bytea(0, 'x')", "select nextval('audit_seals_id_seq')",
          ends="25006 25006 25006 25006 25006 25006 - 25006 42501"),
    query("writing in a query, after making it writable again",
          *_BACK_TO_WRITING, _PLANTED_TICKET, ends="25001 - 25001 25001 - 25006"),
    query("writing in a query, after going back in savepoints",
          "savepoint inner_one", "set transaction read write", "rollback to savepoint inner_one", "set transaction read only",
          "rollback to savepoint inner_one", _PLANTED_TICKET, ends="- 25001 - - - 25006"),
    query("writing in a query, with a second context that may write",
          "select app.open('@own', '@own_facts', null, false)", _PLANTED_TICKET, ends="- 25006"),
    query("writing after the query's own transaction", "commit; begin", _PLANTED_TICKET, _PLANTED_EVENT, *_FOR_THEM[2:4], *_OVER_THEM[:3],
          "commit",
          ends="- LL003 LL003 LL003 LL003 LL003 LL003 LL003 -"),
    query("a refusal's event for the neighbour, with a context of its own making", "commit; begin",
          "select app.record_refusal('@refusal_self_signed', '@event')",
          "select app.record_refusal('@context.refusal.@neighbour_prefix.9999999999.aaaaaaaaaaaaaaaaaaaaaaaa.'"
          " || repeat('0', 64), '@event')",
          "select app.record_refusal('@lookup', '@event')", "commit", ends="- LL002 LL002 LL002 -"),
    # ---------------------------------------------------------------- for a neighbour
    mutation("new rows for the neighbour", *_FOR_THEM, ends="42501 " * 7 + "42501"),
    mutation("new rows for the house", *_FOR_THE_HOUSE, ends="42501 42501 42501 42501"),
    mutation("changes of the neighbour's rows", *_OVER_THEM, ends="- " * 7 + "-"),
    mutation("a row of its own that becomes the neighbour's",
             "update support_tickets set customer_id = '@neighbour'", "update api_keys set customer_id = '@neighbour'",
             "update customers set id = '@neighbour'", "update ended_sessions set customer_id = '@neighbour'",
             ends="42501 42501 42501 42501"),
    mutation("a row of the neighbour's by way of a conflict",
             "insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)"
             " values ('@neighbour', '@neighbour_key', 'openTicket', '@neighbour_idempotency_key', sha256(''), 'x') on conflict do nothing",
             "insert into support_tickets (id, customer_id, subject, created_by) values ('@neighbour_ticket', '@neighbour', 'x', 'x')"
             " on conflict (customer_id, id) do update set status = 'closed'",
             "insert into customers (id, name) values ('@neighbour', 'x') on conflict (id) do update set epoch = 9",
             "merge into support_tickets t using (values ('@neighbour_ticket'::uuid)) v (id) on t.id = v.id"
             " when matched then update set status = 'closed' when not matched then"
             " insert (customer_id, subject, created_by) values ('@neighbour', 'planted', 'x')",
             ends="42501 42501 42501 42501"),
    mutation("a comment on the neighbour's ticket, as its own",
             "insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)"
             " values ('@me', '@neighbour_ticket', 'mallory', 'tenant', 'planted')", ends="23503"),
    mutation("a message of its own to the neighbour's endpoint",
             "insert into outbox (customer_id, kind, key, payload, endpoint_id)"
             " values ('@me', 'webhook', 'planted', '{}', '@neighbour_endpoint')", ends="23503"),
    mutation("a comment in an operator's name",
             "insert into ticket_comments (customer_id, ticket_id, author, author_kind, body)"
             " values ('@me', '@my_ticket', 'support', 'operator', 'planted')", ends="42501"),
    mutation("rows by COPY", "copy support_tickets (customer_id, subject, created_by) from stdin",
             "copy audit_events (customer_id, event_type, action, actor, actor_kind, status) from stdin", ends="0A000 0A000"),
    mutation("emptied tables", "truncate support_tickets cascade", "truncate invoices, ticket_comments", "truncate customers cascade",
             "truncate api_keys restart identity cascade", ends="42501 42501 42501 42501"),
    # ---------------------------------------------------------------- what is no tenant's to write
    mutation("tables and columns that are not a tenant's to write", *_NOT_A_TENANTS, ends="42501 " * len(_NOT_A_TENANTS)),
    mutation("the audit trail, its times, its hashes and its triggers", *_THE_TRAIL, ends="42501 " * len(_THE_TRAIL)),
    mutation("the guard: policies, functions, owners and new objects", *_THE_GUARD, ends="42501 " * len(_THE_GUARD)),
    mutation("credentials that have ended, back to life",
             "update api_keys set revoked_at = now() where id = '@my_spare_key'",
             "update api_keys set revoked_at = null where id = '@my_spare_key'",
             "update api_keys set expires_at = '2999-01-01' where id = '@my_spare_key'",
             "update api_keys set expires_at = null where id = '@my_spare_key'", "delete from ended_sessions",
             "update customers set epoch = epoch - 1", ends="- LL010 - LL010 42501 LL010"),
    mutation("reading under a forged token, in a mutation",
             "select set_config('app.ctx', replace(current_setting('app.ctx'), '@me', '@neighbour'), true)", LOOK, ends="- LL003"),
]  # fmt: skip
