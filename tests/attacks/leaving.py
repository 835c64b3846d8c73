"""What an attacker leaves on the connection for the next tenant, who then asks over it."""

from __future__ import annotations

from tests.attacks.attack import LOOK, Attack, leaves, leaves_alone

# The driver's own cached statement is replaced by one that keeps the next tenant's token.
_REPLACE_OPEN = """
    do $$
    declare its_name text; its_text text;
    begin
        select s.name, s.statement into strict its_name, its_text
          from pg_prepared_statements s
         where s.statement like '%app.open($1, $2, $3, $4)%' and s.statement not like '%deallocate%' and not s.from_sql;
        execute format('deallocate %I', its_name);
        execute 'prepare ' || quote_ident(its_name) || ' (text, text, text, boolean) as ' || replace(its_text,
            'app.open($1, $2, $3, $4)', '(select app.open($1, $2, $3, $4)'
            ' where set_config(''app.loot'', concat_ws('' '', current_setting(''app.loot'', true), $1), false) <> '''')');
    end $$
"""
# The same with a question about tickets: it looks at everything, under the next tenant's context.
_REPLACE_ALL = """
    do $$
    declare planted text;
    begin
        for planted in select s.name from pg_prepared_statements s loop
            execute format('deallocate %I', planted);
            execute format('prepare %I as select set_config(''app.loot'', string_agg(name, '',''), false)'
                           || ' from landlord.customers', planted);
        end loop;
    end $$
"""
# All that runs a text which a SELECT gives it.
_RUNNING = (
    "query_to_xml({}, false, false, '')",
    "query_to_xmlschema({}, false, false, '')",
    "query_to_xml_and_xmlschema({}, false, false, '')",
    "ts_rewrite('a'::tsquery, {})",
    "(select count(*) from ts_stat({}))",
)
_COLLECT = ("select current_setting('app.loot', true)",)
_OPEN_BY_LOOT = (
    "commit; begin",
    "select app.open(token, '@facts', null, false) from string_to_table(current_setting('app.loot', true), ' ') as token"
    " where token like '%@neighbour%' limit 1",
    LOOK,
)
_TABLE_IN_FRONT = """
    create {where} table {name} (id uuid default gen_random_uuid(), customer_id uuid, ticket_id uuid, author text, author_kind text,
        body text, internal boolean default false, created_at timestamptz default now())
"""

ATTACKS: list[Attack] = [
    # ---------------------------------------------------------------- found before the next tenant
    leaves("the driver's own cached `open`, replaced by one that keeps the token", _REPLACE_OPEN, ends="-", then=_OPEN_BY_LOOT, found=True),
    leaves("all of the driver's cached statements, replaced", _REPLACE_ALL, ends="-", then=_COLLECT, found=True),
    leaves("a prepared statement", "prepare trojan as select 1", ends="-", found=True),
    leaves("a held cursor", "declare trojan cursor with hold for select 1", ends="-", found=True),
    leaves("a LISTEN", "listen trojan", ends="-", within="mutation", found=True),
    # ---------------------------------------------------------------- objects in front of ours
    leaves("a temporary table in front of ours", _TABLE_IN_FRONT.format(where="temp", name="ticket_comments"), ends="42501",
           within="mutation",
           then=("select * from pg_temp.ticket_comments",)),
    leaves("a temporary view and a temporary function", "create temp view customers as select 1 as id",
           "create function pg_temp.lower(text) returns text language sql as 'select $1'", ends="42501 42501", within="mutation"),
    leaves("a table in front of ours, by way of the search path", "create schema if not exists mallory",
           _TABLE_IN_FRONT.format(where="", name="public.ticket_comments"), "grant all on public.ticket_comments to public",
           "set search_path = public, landlord", ends="42501 42501 3F000|42P01|42501 -", within="mutation",
           then=("set search_path = landlord", "select * from public.ticket_comments")),
    leaves("a function in front of the server's, for the guard to call",
           "create function public.sha256(bytea) returns bytea language sql immutable as $f$ select '\\x00'::bytea $f$",
           "grant usage on schema public to public", "set search_path = public, pg_catalog, landlord",
           "select set_config('app.ctx', replace(current_setting('app.ctx'), '@me', '@neighbour'), true)", LOOK,
           ends="42501 42501 - - LL003", within="mutation", costs_itself=True),
    # ---------------------------------------------------------------- settings
    leaves("settings that change how instants, numbers and bytes read",
           "set timezone = 'Asia/Tokyo'", "set datestyle = 'German'", "set intervalstyle = 'iso_8601'", "set extra_float_digits = -3",
           "set bytea_output = 'escape'", ends="- - - - -"),
    leaves("settings that change what a statement means",
           "set standard_conforming_strings = off", "set backslash_quote = on", "set transform_null_equals = on", "set array_nulls = off",
           "set escape_string_warning = off", "set gin_fuzzy_search_limit = 1", ends="- - - - - -"),
    leaves("row-level security switched off from the next transaction on", "set row_security = off", "set local row_security = on",
           ends="- -"),
    leaves("another encoding", "set client_encoding = 'LATIN1'", ends="-"),
    leaves("another encoding, of several bytes", "set client_encoding = 'SJIS'", ends="-"),
    leaves("a forged token for the whole session",
           "select set_config('app.kept', current_setting('app.ctx'), true)",
           "select set_config('app.ctx', replace(current_setting('app.ctx'), '@me', '@neighbour'), false)",
           "select set_config('app.ctx', current_setting('app.kept'), true)", ends="- - -", then=(LOOK,)),
    leaves("its own token for the whole session", "select set_config('app.ctx', current_setting('app.ctx'), false)", ends="-",
           then=(LOOK,)),
    leaves("plans to the client and to the log",
           "set client_min_messages = debug5", "set debug_print_plan = on", "set debug_print_parse = on", ends="- - -", then=_COLLECT),
    leaves("no path, no time and no writing for whoever comes next",
           "set search_path = pg_catalog", "set local search_path = landlord", "set default_transaction_read_only = on",
           "set session characteristics as transaction isolation level serializable",
           "select set_config('statement_timeout', '1ms', false), set_config('statement_timeout', '10s', true)", ends="- - - - -"),
    leaves("no cached statement left", "deallocate all", ends="-"),
    leaves("other plans", "set plan_cache_mode = force_generic_plan", "set enable_indexscan = off", "set debug_parallel_query = on",
           "set parallel_setup_cost = 0", "set parallel_tuple_cost = 0", "set min_parallel_table_scan_size = 0", ends="- - - - - -"),
    # ---------------------------------------------------------------- transactions and locks
    leaves("a transaction that is still open", "commit; begin", "select app.open('@own', '@own_facts', null, true)",
           "select set_config('app.loot', 'x', true)", ends="- - -", then=_COLLECT),
    leaves("a transaction that has failed", "commit; begin", "rollback; begin; select 1 / 0", ends="- 22012", costs_itself=True),
    leaves("a prepared transaction", "prepare transaction 'trojan'", ends="55000|25006", costs_itself=True),
    leaves("a cursor that is not held, and a savepoint", "declare trojan cursor for @everything", "savepoint trojan", ends="- -",
           then=("fetch all from trojan",)),
    leaves("locks on all that is shared", "select pg_advisory_lock(1)", "select pg_advisory_xact_lock_shared(2)",
           "lock table customers in access share mode", ends="- - -", then=_COLLECT),
    leaves("a message that waits for whoever listens", "notify trojan, 'x'", ends="-", within="mutation"),
    # ---------------------------------------------------------------- in a statement after which nobody looks
    *(leaves_alone(f"a statement of the driver's, {done} within {runs.partition('(')[0] or 'ts_stat'}",
                   f"select {runs.format(text)}::text", ends="0A000|42601|25006|22023|42P11|42809")
      for runs in _RUNNING
      for done, text in (("taken away", "'deallocate all'"), ("joined by another", "'prepare trojan as select 1'"),
                         ("taken away by a block", "'do $$ begin execute ''deallocate all''; end $$'"))),
    leaves_alone("no path for whoever comes next", "select set_config('search_path', 'pg_temp', false)", ends="-"),
    leaves_alone("settings that change how values read, for whoever comes next",
                 "select set_config('TimeZone', 'Asia/Tokyo', false) || set_config('DateStyle', 'German', false)"
                 " || set_config('bytea_output', 'escape', false)", ends="-"),
    leaves_alone("its own token for whoever comes next",
                 "select set_config('app.ctx', current_setting('app.ctx', true), false)", ends="-"),
    leaves_alone("a mark of a clean session for whoever comes next",
                 "select set_config('app.clean', current_setting('app.clean', true), false)", ends="-"),
    leaves_alone("row-level security switched off for whoever comes next", "select set_config('row_security', 'off', false)", ends="-"),
]  # fmt: skip
