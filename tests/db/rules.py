"""What must hold for every table and function of the database: asked of the catalog, answered as a list of faults."""

from __future__ import annotations

from pathlib import Path

import asyncpg

GRANTS = Path(__file__).with_name("grants.txt")

# `customer_id` is never null, and a tenant's policies read `app.tenant()`. Of `customers` the id is the customer.
TENANT_TABLES = {
    "billing_run_items", "credit_notes", "credit_uses", "customers", "invoice_counters", "invoice_lines", "invoices",
    "notifications", "outbox", "payments", "support_tickets", "ticket_comments", "tier_history", "usage_metrics",
    "usage_readings", "usage_sync_items", "webhook_endpoints",
}  # fmt: skip
# A null `customer_id` is the house itself, which no tenant's policy matches.
MIXED_TABLES = {"api_keys", "audit_events", "ended_sessions", "idempotency_keys"}
# No `customer_id` at all.
HOUSE_TABLES = {
    "audit_seals", "billing_runs", "company_details", "rate_card_prices", "rate_cards", "tax_rates", "tier_features",
    "usage_syncs", "volume_discounts",
}  # fmt: skip

# Unique across tenants, which is no oracle only because the server draws these values at random.
DRAWN_BY_THE_SERVER = {"api_keys (prefix)", "customers (invoice_prefix)"}
# A worker's own queues: which customers are due is what it asks them.
QUEUES = {"billing_run_items", "billing_runs", "outbox", "usage_sync_items", "usage_syncs"}
# What a function that looks further than its caller, or a report, may read of everyone; columns stand in the grants.
SEES_ALL = {
    ("landlord_analytics", "customers"), ("landlord_analytics", "invoices"), ("landlord_analytics", "rate_card_prices"),
    ("landlord_analytics", "rate_cards"), ("landlord_analytics", "tax_rates"), ("landlord_analytics", "tier_features"),
    ("landlord_analytics", "tier_history"), ("landlord_analytics", "usage_metrics"), ("landlord_analytics", "volume_discounts"),
    ("landlord_auditor", "audit_events"), ("landlord_auditor", "audit_seals"),
    ("landlord_guard", "api_keys"), ("landlord_guard", "audit_events"), ("landlord_guard", "billing_run_items"),
    ("landlord_guard", "customers"), ("landlord_guard", "ended_sessions"), ("landlord_guard", "idempotency_keys"),
    ("landlord_guard", "invoices"),
    ("landlord_guard", "outbox"), ("landlord_guard", "tier_history"), ("landlord_guard", "usage_sync_items"),
}  # fmt: skip
# What the house says to all of its customers alike.
PRICES = {"company_details", "rate_card_prices", "rate_cards", "tax_rates", "tier_features", "volume_discounts"}

DEFINERS = {
    "app.claimed()", "app.clean()", "app.clear_outbox(before timestamp with time zone, most integer)",
    "app.clear_ended_sessions(before timestamp with time zone, most integer)",
    "app.clear_idempotency_keys(before timestamp with time zone, most integer)",
    "app.context()", "app.find_api_key(token text)",
    "app.install_key(kid text, key bytea)",
    "app.install_operator_key(name text, prefix text, key_hash text, scopes text[])",
    "app.new_invoice_prefix()",
    "app.ended_since(since timestamp with time zone)",
    "app.house_keys_that_end(at timestamp with time zone, days integer)",
    "app.queue_key_notices(days integer, ends_from timestamp with time zone, ends_to timestamp with time zone,"
    " at timestamp with time zone, most integer)",
    "app.queue_reminders(day integer, due_from date, due_to date, at timestamp with time zone, most integer)",
    "app.open(token text, facts text, event text, read_only boolean)", "app.operator()",
    "app.record_refusal(token text, event text)", "app.renew(kid text, key bytea)", "app.retire_key(kid text)",
    "app.tenant()",
    "landlord.make_audit_partition(month date)",
}  # fmt: skip

RUNTIME = ("tenant", "operator", "worker", "auditor", "analytics")

_TENANT = "( SELECT app.tenant() AS tenant)"
_OPERATOR = "( SELECT app.operator() AS operator)"
_CLAIMED = "( SELECT app.claimed() AS claimed)"


async def faults(connection: asyncpg.Connection) -> list[str]:
    """Every rule that the database breaks, in words; asked as a superuser."""
    return [
        *await _tables(connection),
        *await _policies(connection),
        *await _keys(connection),
        *await _roles(connection),
        *await _functions(connection),
        *await _grants(connection),
    ]


async def _tables(connection: asyncpg.Connection) -> list[str]:
    found: list[str] = []
    known = TENANT_TABLES | MIXED_TABLES | HOUSE_TABLES
    seen = set()
    for table in await connection.fetch(
        """
        select c.relname as name, c.relkind::text as kind, c.relrowsecurity as secured, c.relforcerowsecurity as forced,
               pg_get_userbyid(c.relowner) as owner, c.relispartition as child,
               (select not a.attnotnull from pg_attribute a
                 where a.attrelid = c.oid and a.attname = 'customer_id' and not a.attisdropped) as customer_may_be_null
          from pg_class c
         where c.relnamespace = 'landlord'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        """
    ):
        name = table["name"]
        if table["kind"] in "vmf":
            found.append(f"{name}: a view or foreign table that nobody wrote down")
            continue
        if not (table["secured"] and table["forced"]):
            found.append(f"{name}: row-level security is not forced")
        if table["owner"] != "landlord_owner":
            found.append(f"{name}: owned by {table['owner']}")
        if table["child"]:
            continue
        seen.add(name)
        if name not in known:
            found.append(f"{name}: of no kind; add it to one of the three lists")
        wanted = {True: False, False: True}[name in TENANT_TABLES] if name in TENANT_TABLES | MIXED_TABLES else None
        if name != "customers" and table["customer_may_be_null"] is not wanted:
            found.append(f"{name}: customer_id does not fit its kind")
    found += [f"{name}: is gone" for name in known - seen]
    return found


async def _policies(connection: asyncpg.Connection) -> list[str]:
    found: list[str] = []
    held = set()
    for policy in await connection.fetch(
        """
        select tablename as table, policyname as name, permissive = 'PERMISSIVE' as permissive, roles::text[] as roles,
               coalesce(qual, with_check) as sees, coalesce(with_check, qual) as writes
          from pg_policies where schemaname = 'landlord'
        """
    ):
        table, where = policy["table"], f"{policy['table']}: policy {policy['name']}"
        if not policy["permissive"] or len(policy["roles"]) != 1:
            found.append(f"{where} is not a permissive one for one role")
            continue
        role = policy["roles"][0]
        held.add((role, table))
        for text in (policy["sees"], policy["writes"]):
            if not _holds(role, table, text):
                found.append(f"{where} lets {role} through by {text}")
    for granted in await connection.fetch(
        """
        select r.rolname as role, c.relname as table
          from pg_class c, pg_roles r
         where c.relnamespace = 'landlord'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
           and r.rolname in ('landlord_guard', 'landlord_tenant', 'landlord_operator', 'landlord_worker', 'landlord_auditor',
                             'landlord_analytics')
           and (has_table_privilege(r.oid, c.oid, 'select, insert, update, delete')
                or has_any_column_privilege(r.oid, c.oid, 'select, insert, update'))
        """
    ):
        if (granted["role"], granted["table"]) not in held:
            found.append(f"{granted['table']}: {granted['role']} may use it, and no policy says which rows")
    return found


def _holds(role: str, table: str, text: str) -> bool:
    """Whether a policy's expression is the one of the table's kind."""
    if (role, table) in SEES_ALL:
        return text == "true"
    key = "id" if table == "customers" else "customer_id"
    if role == "landlord_tenant":
        if table in PRICES:
            return text == "true"
        own = f"({key} = {_TENANT})"
        # a further condition may narrow it, joined by AND; nothing may widen it
        return table not in HOUSE_TABLES and (text == own or (text.startswith(f"({own} AND ") and " OR " not in text))
    if role == "landlord_operator":
        return text == _OPERATOR
    if role == "landlord_worker":
        if table in QUEUES | PRICES:
            return text == "true"
        return text == f"({key} IN {_CLAIMED})"
    return False


async def _keys(connection: asyncpg.Connection) -> list[str]:
    """Keys across tenants would tell one of another."""
    found: list[str] = []
    for key in await connection.fetch(
        """
        select c.relname as table, i.indisprimary as is_primary, i.indnullsnotdistinct as nulls_count,
               array_agg(a.attname::text order by k.place) as columns
          from pg_index i
          join pg_class c on c.oid = i.indrelid and c.relnamespace = 'landlord'::regnamespace and not c.relispartition
          cross join lateral unnest(i.indkey::int2[]) with ordinality as k (number, place)
          join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
         where i.indisunique
         group by 1, 2, 3, i.indexrelid
        """
    ):
        table, columns = key["table"], key["columns"]
        name = f"{table} ({', '.join(columns)})"
        if table in HOUSE_TABLES or (table == "customers" and columns == ["id"]) or name in DRAWN_BY_THE_SERVER:
            continue
        if table in MIXED_TABLES and key["is_primary"] and len(columns) == 1:
            continue  # an id that the server makes
        if columns[0] != "customer_id":
            found.append(f"{name}: a unique key that does not start with customer_id")
        elif table in MIXED_TABLES and not key["nulls_count"]:
            found.append(f"{name}: the house's own rows are not held apart")
    for key in await connection.fetch(
        """
        select c.conrelid::regclass::text as table, c.confrelid::regclass::text as target,
               (select array_agg(a.attname::text order by k.place)
                  from unnest(c.conkey) with ordinality as k (number, place)
                  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number) as columns
          from pg_constraint c where c.contype = 'f' and c.connamespace = 'landlord'::regnamespace and c.conparentid = 0
        """
    ):
        table, target = (key[name].removeprefix("landlord.") for name in ("table", "target"))
        if target in TENANT_TABLES and key["columns"][0] != "customer_id":
            found.append(f"{table} ({', '.join(key['columns'])}): a foreign key to {target} without customer_id")
    return found


async def _roles(connection: asyncpg.Connection) -> list[str]:
    found = [
        f"{role['rolname']}: has an attribute that no role of ours has"
        for role in await connection.fetch(
            """
            select rolname from pg_roles
             where rolname like 'landlord\\_%'
               and (rolsuper or rolbypassrls or rolreplication
                    or ((rolcreaterole or rolcreatedb) and rolname <> 'landlord_migrator')
                    or (rolcanlogin and rolname in ('landlord_owner', 'landlord_guard')))
            """
        )
    ]
    found += [
        f"{row['member']}: may become {row['role']}"
        for row in await connection.fetch(
            """
            select pg_get_userbyid(member) as member, pg_get_userbyid(roleid) as role from pg_auth_members
             where pg_get_userbyid(member) like 'landlord\\_%'
               and not (pg_get_userbyid(member) = 'landlord_migrator' and admin_option and not inherit_option and not set_option)
            """
        )
    ]
    for role in RUNTIME:
        for row in await connection.fetch(
            """
            select d.datname as place from pg_database d
             where d.datname = current_database()
               and (has_database_privilege($1, d.oid, 'temp') or has_database_privilege($1, d.oid, 'create'))
            union all
            select nspname from pg_namespace where has_schema_privilege($1, oid, 'create')
            """,
            f"landlord_{role}",
        ):
            found.append(f"landlord_{role}: may create in {row['place']}")
    return found


async def _functions(connection: asyncpg.Connection) -> list[str]:
    found: list[str] = []
    seen = set()
    for function in await connection.fetch(
        """
        select p.pronamespace::regnamespace || '.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ')' as name,
               p.prosecdef as definer, p.proconfig as settings, p.prosqlbody is not null as bound,
               has_function_privilege('public', p.oid, 'execute') as anybody
          from pg_proc p where p.pronamespace in ('app'::regnamespace, 'landlord'::regnamespace)
        """
    ):
        if function["definer"]:
            seen.add(function["name"])
        if function["anybody"]:
            found.append(f"{function['name']}: PUBLIC may execute it")
        # a body that was bound when it was made looks nothing up; without a setting the planner can put it in place
        looks_up = function["definer"] or not function["bound"]
        if looks_up and "search_path=pg_catalog, pg_temp" not in (function["settings"] or []):
            found.append(f"{function['name']}: its search_path is not pinned")
    found += [f"{name}: a definer function that nobody wrote down" for name in seen - DEFINERS]
    found += [f"{name}: is no definer function" for name in DEFINERS - seen]
    return found


async def grants(connection: asyncpg.Connection) -> list[str]:
    """Every privilege that one of our runtime roles or the guard holds, a line each."""
    rows = await connection.fetch(
        """
        select grantee || ' ' || c.oid::regclass::text || ' ' || lower(string_agg(privilege, ', ' order by privilege)) as line
          from pg_class c,
               lateral (
                select pg_get_userbyid(a.grantee) as grantee, a.privilege_type as privilege from aclexplode(c.relacl) a
                 union all
                select pg_get_userbyid(a.grantee), a.privilege_type || ' (' || string_agg(t.attname, ' ' order by t.attname) || ')'
                  from pg_attribute t, aclexplode(t.attacl) a
                 where t.attrelid = c.oid group by a.grantee, a.privilege_type
               ) as held
         where c.relnamespace in ('landlord'::regnamespace, 'app'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'S')
           and grantee not in ('landlord_owner') and not (grantee = 'landlord_guard' and c.relnamespace = 'app'::regnamespace)
         group by grantee, c.oid
         union all
        select coalesce(nullif(a.grantee::regrole::text, '-'), 'public') || ' ' || p.oid::regprocedure::text || ' execute'
          from pg_proc p, aclexplode(p.proacl) a
         where p.pronamespace in ('app'::regnamespace, 'landlord'::regnamespace) and a.grantee <> p.proowner
         order by 1
        """
    )
    return [row["line"].replace("landlord.", "") for row in rows]


async def _grants(connection: asyncpg.Connection) -> list[str]:
    held, written = set(await grants(connection)), set(GRANTS.read_text().splitlines())
    return [f"granted, and not written down: {line}" for line in sorted(held - written)] + [
        f"written down, and not granted: {line}" for line in sorted(written - held)
    ]
