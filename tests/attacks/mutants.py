"""Ways to weaken the database: each takes one defence away, or one with the one behind it, and names the attacks that notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

_VERIFIED, _TENANT, _CONTEXT = "app.verified(text,text[])", "app.tenant()", "app.context()"
_OPEN, _CLEAN = "app.open(text,text,text,boolean)", "app.clean()"
_BACKEND, _START = "pg_backend_pid()::text", "(extract(epoch from transaction_timestamp()) * 1000000)::bigint::text"


@dataclass(frozen=True)
class Edit:
    """Of a function's source: in each pair every first text becomes the second."""

    function: str
    changes: tuple[tuple[str, str], ...]

    async def statement(self, admin: asyncpg.Connection) -> str:
        source: str = await admin.fetchval("select pg_get_functiondef($1::text::regprocedure)", self.function)
        for old, new in self.changes:
            assert old in source, f"{self.function} is not what it was: say here how to weaken it now"
            source = source.replace(old, new)
        return source


@dataclass(frozen=True)
class Mutant:
    """`changes` are edits, or statements of a superuser. `caught_by` are attacks, by the beginnings of their names."""

    name: str
    changes: Sequence[Edit | str]
    caught_by: Sequence[str]

    def __str__(self) -> str:
        return self.name


def edit(function: str, *pairs: str) -> Edit:
    """`pairs` are old, new, old, new ..."""
    return Edit(function, tuple(zip(pairs[::2], pairs[1::2], strict=True)))


def _everywhere(old: str, new: str) -> list[Edit]:
    """In all functions that make or check a transaction's own token."""
    return [edit(function, old, new) for function in (_TENANT, _CONTEXT, _OPEN)]


MUTANTS = [
    # ---------------------------------------------------------------- the transaction's own token
    Mutant("its token does not say which backend", _everywhere(_BACKEND, "'0'"),
           ["the token of a neighbour's transaction that began in the same microsecond"]),
    Mutant("its token does not say when the transaction began", _everywhere(_START, "'0'"),
           ["the token of a neighbour's earlier transaction"]),
    Mutant("its token's MAC does not cover the customer",
           [edit(_TENANT, "'.tenant.' || f[3] || '.' ||", "'.tenant.' ||"),
            edit(_OPEN, "here as message", "here as message, k.kid || '.' || f[2] || '.' || here as signed",
                 "convert_to(m.message, 'UTF8')", "convert_to(m.signed, 'UTF8')")],
           ["its own token with the neighbour in it", "its own token swapped and read under in one statement"]),
    Mutant("its token's MAC is not compared", [edit(_TENANT, "if ok then", "if f[1] <> '' then")],
           ["its own token with the neighbour in it", "a token without a MAC", "a token signed with a key of its own"]),
    Mutant("its token's MAC is compared by its first byte",
           [edit(_TENANT, "convert_to(f[5], 'UTF8')", "convert_to(left(f[5], 2), 'UTF8')",
                 "encode(sha256(k.opad || sha256(k.ipad || signed)), 'hex')",
                 "left(encode(sha256(k.opad || sha256(k.ipad || signed)), 'hex'), 2)")],
           ["all first bytes of a token's MAC"]),
    Mutant("a token of a key that is not there is not refused", [edit(_TENANT, "if ok then", "if ok is not false and f[1] <> '' then")],
           ["a token of a key that does not exist", "a token under the name of the API's own key"]),
    Mutant("the key is taken into a variable",
           [edit(_TENANT, "    ok     boolean;\nbegin", "    ok     boolean;\n    outer_block bytea;\nbegin\n"
                          "    select k.opad into outer_block from app.signing_keys k where k.purpose = 'bind';",
                 "sha256(k.opad ||", "sha256(outer_block ||")],
           ["the signing keys in the plans of statements that use them"]),
    # ---------------------------------------------------------------- what the API signs
    Mutant("a context's MAC is not compared", [edit(_VERIFIED, "select sha256(decode(f[6], 'hex')) = ",
           "select sha256(f[6]::bytea) is not null or '' = ")],
           ["a context signed by itself"]),
    Mutant("a context's MAC is compared by its first byte",
           [edit(_VERIFIED, "sha256(decode(f[6], 'hex')) = sha256(sha256(", "sha256(decode(left(f[6], 2), 'hex')) = sha256(substr(sha256(",
                 "-65), 'UTF8'))))\n", "-65), 'UTF8'))), 1, 1))\n")],
           ["all first bytes of a context's MAC"]),
    Mutant("a context never expires", [edit(_VERIFIED, "between extract(epoch from clock_timestamp()) and", "between 0 and")],
           ["a context that has expired"]),
    Mutant("a context may be good for years", [edit(_VERIFIED, "extract(epoch from clock_timestamp()) + 60", "9999999999")],
           ["a context that is good for ten years"]),
    Mutant("a context's purpose is not looked at", [edit(_VERIFIED, "and f[2] = any (purposes)", "")],
           ["a refusal's context, shown to the lookup"]),
    Mutant("a key that was retired still signs", [edit(_VERIFIED, "and k.not_after > clock_timestamp()", "")],
           ["a context signed with a key that was retired"]),
    Mutant("a context of a key that is not there is not refused", [edit(_VERIFIED, "if ok is not true then", "if ok is false then")],
           ["a context signed under a name that nobody has"]),
    Mutant("the lookup of keys asks for no signature", [edit("app.find_api_key(text)", "app.verified(token, array['lookup'])",
                                                             "array[null, null, split_part(token || '.' || token, '.', 3)]")],
           ["the neighbour's prefix and its key's id, shown to the lookup of keys"]),
    Mutant("the event of a refusal asks for no signature", [edit("app.record_refusal(text,text)", "app.verified(token, array['refusal'])",
                                                                 "string_to_array(token, '.')")],
           ["a refusal's event for the neighbour"]),
    Mutant("a transaction may be opened twice",
           [edit(_OPEN, "or (coalesce(current_setting('app.ctx', true), '') <> '' and app.context() <> f[2] || '.' || f[3])", "")],
           ["a second context, well signed"]),
    Mutant("whose key it is is not looked at",
           [edit(_OPEN, "c.id = f[3]::uuid\n", "true\n")], ["a good context with the attacker's own key"]),
    Mutant("a query may write", [edit(_OPEN, "perform set_config('transaction_read_only', 'on', true)", "null")],
           ["writing in a query, after making it writable again", "writing in a query, plainly"]),
    Mutant("what changes texts is not set anew", [edit(_OPEN, "set_config('TimeZone', 'UTC', true),", "",
                                                       "set_config('DateStyle', 'ISO, MDY', true),", "")],
           ["settings that change how instants, numbers and bytes read"]),
    Mutant("what changes meanings is not set anew", [edit(_OPEN, "set_config('standard_conforming_strings', 'on', true),", "")],
           ["settings that change what a statement means"]),
    # ---------------------------------------------------------------- what an earlier tenant left
    Mutant("prepared statements are not looked for",
           [edit(_CLEAN, "or exists (select from pg_prepared_statements p where p.from_sql)", "")],
           ["the driver's own cached `open`", "a prepared statement"]),
    Mutant("held cursors are not looked for", [edit(_CLEAN, "or exists (select from pg_cursors c where c.is_holdable)", "")],
           ["a held cursor"]),
    Mutant("a LISTEN is not looked for", [edit(_CLEAN, "or exists (select from pg_listening_channels())", "")], ["a LISTEN"]),
    Mutant("temporary tables may be made, and are not looked for",
           [edit(_CLEAN, "pg_my_temp_schema() <> 0\n       or", "false or"),
            "do $$ begin execute format('grant temporary on database %I to landlord_tenant', current_database()); end $$"],
           ["a temporary table in front of ours"]),
    # ---------------------------------------------------------------- privileges and policies
    Mutant("the tenant may create in a schema", ["grant usage, create on schema public to landlord_tenant"],
           ["a table in front of ours, by way of the search path"]),
    Mutant("everybody may create in a schema, and a function looks there first",
           ["grant usage, create on schema public to public", f"alter function {_TENANT} reset search_path"],
           ["a function in front of the server's"]),
    Mutant("anybody may install a signing key", ["grant execute on function app.install_key(text, bytea) to public"],
           ["a signing key of its own"]),
    Mutant("anybody may queue reminders", ["grant execute on function app.queue_reminders(int, date, date, timestamptz, int) to public"],
           ["the functions that are for others"]),
    Mutant("the signing keys may be read", ["grant select on app.signing_keys to landlord_tenant"],
           ["the signing keys by their table"]),
    Mutant("a table's policy lets everybody through", ["alter policy support_tickets_of_tenant on support_tickets using (true)"],
           ["everything there is", "what is the neighbour's, by its ids", "changes of the neighbour's rows",
           "values in the texts of errors"]),
    Mutant("a table's policy looks at what is read alone", ["alter policy audit_events_of_tenant on audit_events with check (true)"],
           ["new rows for the neighbour", "new rows for the house"]),
    Mutant("a second policy of a table says something else",
           ["create policy more on api_keys for update to landlord_tenant using (name <> '')",
            "create policy more_seen on api_keys for select to landlord_tenant using (name <> '')"],
           ["changes of the neighbour's rows"]),
    Mutant("a table has no row-level security", ["alter table notifications disable row level security"], ["everything there is"]),
    Mutant("a partition is granted by itself, without row-level security",
           ["alter table audit_events_default disable row level security", "grant select on audit_events_default to landlord_tenant",
            "do $$ declare child regclass; begin"
            " for child in select inhrelid from pg_inherits where inhparent = 'audit_events'::regclass loop"
            " execute format('alter table %s disable row level security', child);"
            " execute format('grant select on %s to landlord_tenant', child); end loop; end $$"],
           ["everything there is"]),
    Mutant("a view of its owner's shows everybody", ["create view everyone as select * from customers",
           "grant select on everyone to landlord_tenant"],
           ["everything there is"]),
    Mutant("internal comments are shown",
           ["alter policy ticket_comments_of_tenant on ticket_comments using (customer_id = (select app.tenant()))"],
           ["internal comments of operators"]),
    Mutant("tables may be emptied", ["grant truncate on support_tickets, ticket_comments to landlord_tenant"], ["emptied tables"]),
    Mutant("the trail may be changed, and no trigger minds",
           ["grant update, delete on audit_events to landlord_tenant",
           "alter table audit_events disable trigger audit_events_never_change"],
           ["the audit trail"]),
    Mutant("a foreign key without the customer",
           ["alter table ticket_comments drop constraint ticket_comments_customer_id_ticket_id_fkey",
            "alter table support_tickets add constraint by_id unique (id)",
            "alter table ticket_comments add foreign key (ticket_id) references support_tickets (id)"],
           ["whether a ticket is there, by a foreign key", "whether a ticket is there, by its primary key"]),
    Mutant("a unique key across customers", ["create unique index on idempotency_keys (mutation, key)"],
           ["whether a key of idempotency is in use"]),
    Mutant("an ended session of one customer ends another's",
           [edit(_OPEN, "and s.customer_id is not distinct from k.customer_id", "")], ["whether a session has ended"]),
]  # fmt: skip

# The usual design: policies believe a setting. It is what every attack that forges is tried on, so that each can succeed.
PLAIN = [
    "create or replace function app.tenant() returns uuid language sql stable security definer set search_path = pg_catalog, pg_temp"
    " as $$ select split_part(current_setting('app.ctx', true), '.', 3)::uuid $$",
]
