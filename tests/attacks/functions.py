"""Calls of functions that the tenant role may execute, with all that an attacker knows of the neighbour."""

from __future__ import annotations

from collections.abc import Iterator

import asyncpg

from tests.attacks.attack import Attack

# They would end or halt what asks, which needs no proof.
_STOPS = ("pg_sleep", "pg_terminate_backend", "pg_cancel_backend", "pg_wal_replay_wait", "pg_isolation_test")
_KNOWN = (
    "@neighbour", "@neighbour_prefix", "@neighbour_key", "@self_signed", "@lookup_self_signed", "@refusal_self_signed",
    "@context.lookup.@neighbour_prefix.9999999999.aaaaaaaaaaaaaaaaaaaaaaaa.", "@own", "@facts", "@event",
)  # fmt: skip
# A text may also be a question itself, or name a table.
_QUESTIONS = ("@neighbour", "select name from landlord.customers", "landlord.customers", "name", "app.ctx")
_OTHERS = {
    "uuid": "'@neighbour'::uuid", "name": "'customers'::name", "regclass": "'landlord.customers'::regclass",
    "oid": "'landlord.customers'::regclass::oid", "regproc": "'app.tenant'::regproc", "regprocedure": "'app.tenant()'::regprocedure",
    "regrole": "'landlord_guard'::regrole", "regnamespace": "'app'::regnamespace", "regtype": "'landlord.customers'::regtype",
    "integer": "@pid", "smallint": "1::smallint", "bigint": "1::bigint", "numeric": "1::numeric", "real": "1::real",
    "double precision": "1::float8", "boolean": "false", "bytea": "'\\x00'::bytea", "json": "'{}'::json", "jsonb": "'{}'::jsonb",
    "timestamp with time zone": "now()", "timestamp without time zone": "localtimestamp", "date": "current_date",
    "interval": "interval '1 second'", "text[]": "array['@neighbour']", "name[]": "array['customers'::name]",
    "uuid[]": "array['@neighbour'::uuid]", "xid": "'700'::xid", "xid8": "'700'::xid8", "tid": "'(0,1)'::tid", "refcursor": "'c'::refcursor",
    "tsvector": "to_tsvector('x')", "tsquery": "to_tsquery('x')", "regconfig": "'simple'::regconfig", "pg_lsn": "'0/0'::pg_lsn",
    "pg_snapshot": "pg_current_snapshot()", "anyelement": "'@neighbour'::text", "anycompatible": "'@neighbour'::text",
    "anyarray": "array['@neighbour']", "anynonarray": "'@neighbour'::text", '"any"': "'@neighbour'::text", "aclitem[]": "null::aclitem[]",
    "character": "'x'::char", '"char"': "'r'::\"char\"", "bit": "b'1'", "oid[]": "array['landlord.customers'::regclass::oid]",
    "record": "row('@neighbour')", "jsonpath": "'$'::jsonpath", "inet": "'127.0.0.1'::inet", "xml": "null::xml",
}  # fmt: skip
_FUNCTIONS = """
    select p.oid::regprocedure::text as signature, p.pronamespace::regnamespace || '.' || quote_ident(p.proname) as name,
           array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as u (t, place) order by place) as types
      from pg_proc p
     where p.prokind in ('f', 'p') and (p.pronamespace in ('app'::regnamespace, 'landlord'::regnamespace)) is not {servers}
       and has_function_privilege('landlord_tenant', p.oid, 'execute')
       and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
     order by 1
"""


async def ours(admin: asyncpg.Connection) -> Attack:
    found = await admin.fetch(_FUNCTIONS.format(servers="false"))
    calls = [call for function in found for known in _KNOWN for call in _calls(function, known)]
    assert len({function["name"] for function in found}) > 8
    assert len(calls) == len(found) * len(_KNOWN), "a function of ours takes a type that nobody knows how to give"
    return Attack("every function of ours that it may execute", (*calls, "@everything"), "")


async def servers(admin: asyncpg.Connection, *, at_once: int = 400) -> Iterator[Attack]:
    """Each with a text in each sense that one may have; so many in one request."""
    calls: list[str] = []
    for function in await admin.fetch(_FUNCTIONS.format(servers="true")):
        if not function["name"].rpartition(".")[2].startswith(_STOPS):
            for text in _QUESTIONS if "text" in function["types"] else _QUESTIONS[:1]:
                calls += _calls(function, text)
    return (
        Attack(f"functions of the server from {start}", tuple(calls[start : start + at_once]), "")
        for start in range(0, len(calls), at_once)
    )


def _calls(function: asyncpg.Record, text: str) -> list[str]:
    """One call, or none of a function that takes what SQL cannot give."""
    given = [f"'{text}'::text" if kind == "text" else _OTHERS.get(kind) for kind in function["types"]]
    if None in given:
        return []
    # a set is cut; an answer of any type is text
    return [f"select left(string_agg(answer::text, ','), 100000) from (select {function['name']}({', '.join(map(str, given))})"
            " as answer limit 1000) as answers"]  # fmt: skip
