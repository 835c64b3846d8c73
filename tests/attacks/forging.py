"""Contexts forged, swapped, replayed and guessed, and roles taken: attacks on whom a transaction speaks for."""

from __future__ import annotations

from tests.attacks.attack import LOOK, RACE, Attack, query

_ME = "current_setting('app.ctx')"
_AFRESH = ("commit; begin",)

# HMAC by hand, with a key of the attacker's own: 64 times the byte that the padding is.
_OWN_HMAC = r"""
    select set_config('app.ctx', m || '.' || encode(sha256(
               decode(repeat('5c', 64), 'hex') || sha256(decode(repeat('36', 64), 'hex') || convert_to(m, 'UTF8'))), 'hex'), true)
      from (select 'b1.tenant.@neighbour.' || pg_backend_pid() || '/'
                   || (extract(epoch from transaction_timestamp()) * 1000000)::bigint as m) as message
"""
# What is read comes back as notices: a DO block answers no rows.
_GUESS_SECOND = """
    do $$
    declare seen text;
    begin
        for guess in 0..255 loop
            begin
                perform set_config('app.ctx', regexp_replace(replace(current_setting('app.ctx'), '@me', '@neighbour'),
                                                             '[^.]*$', lpad(to_hex(guess), 2, '0') || repeat('0', 62)), true);
                select string_agg(name, ', ') into seen from landlord.customers;
                raise notice 'read %', seen;
            exception when others then null;
            end;
        end loop;
    end $$
"""
_GUESS_FIRST = """
    do $$
    declare seen text;
    begin
        for guess in 0..255 loop
            begin
                perform app.open('@context.tenant.@neighbour.' || (extract(epoch from now())::bigint + 20)
                                 || '.aaaaaaaaaaaaaaaaaaaaaaaa.' || lpad(to_hex(guess), 2, '0') || repeat('0', 62),
                                 '@facts', null, false);
                select string_agg(name, ', ') into seen from landlord.customers;
                raise notice 'read %', seen;
            exception when others then null;
            end;
        end loop;
    end $$
"""


def _opens(token: str, facts: str = "@facts") -> tuple[str, str]:
    """In a transaction of the attacker's own, where nobody's context stands yet."""
    return f"select app.open('{token}', '{facts}', null, false)", LOOK


_MALFORMED = (
    "", ".", ".....", "@good.", ".@good", "x@good", "@good0", " @good", "@upper", "@short", "@without_mac", "@with_line",
    "@context.tenant.@neighbour.9999999999.aaaaaaaaaaaaaaaaaaaaaaaa.", "@other_nonce", "@other_expiry",
)  # fmt: skip

ATTACKS: list[Attack] = [
    # ---------------------------------------------------------------- the setting
    query("a neighbour's id as the setting",
          "select set_config('app.ctx', '@neighbour', true)", LOOK, ends="- LL003"),
    query("its own token with the neighbour in it",
          f"select set_config('app.ctx', replace({_ME}, '@me', '@neighbour'), true)", LOOK, ends="- LL003", forges=True),
    query("its own token swapped and read under in one statement",
          f"with forged as materialized (select set_config('app.ctx', replace({_ME}, '@me', '@neighbour'), true) as value) "
          "select seen.* from forged cross join lateral (@everything offset 0) as seen where forged.value is not null",
          ends="LL003", forges=True),
    query("a token without a MAC",
          "select set_config('app.ctx', 'b1.tenant.@neighbour.1/1', true)", LOOK, ends="- LL003", forges=True),
    query("a token with an empty MAC",
          "select set_config('app.ctx', 'b1.tenant.@neighbour.1/1.', true)", LOOK, ends="- LL003", forges=True),
    query("a token of a key that does not exist",
          f"select set_config('app.ctx', regexp_replace(replace({_ME}, '@me', '@neighbour'), '^b1', 'zz'), true)", LOOK,
          ends="- LL003", forges=True),
    query("a token under the name of the API's own key",
          f"select set_config('app.ctx', regexp_replace(replace({_ME}, '@me', '@neighbour'), '^b1', '@context'), true)", LOOK,
          ends="- LL003", forges=True),
    query("a token signed with a key of its own", _OWN_HMAC, LOOK, ends="- LL003", forges=True),
    query("all first bytes of a token's MAC", _GUESS_SECOND, ends="-"),
    query("an operator's token made of its own",
          f"select set_config('app.ctx', replace(replace({_ME}, '@me', '@neighbour_key'), '.tenant.', '.operator.'), true)", LOOK,
          ends="- LL003"),
    query("no token at all", "select set_config('app.ctx', '', true)", LOOK, ends="- LL003"),
    query("a forged token inside a savepoint",
          "savepoint inner_one", f"select set_config('app.ctx', replace({_ME}, '@me', '@neighbour'), true)", LOOK,
          "rollback to savepoint inner_one", LOOK, ends="- - LL003 - -", forges=True),
    # ---------------------------------------------------------------- tokens of other transactions
    query("the token of a neighbour's transaction that is open on another backend",
          "select set_config('app.ctx', '@stolen', true)", LOOK, ends="- LL003", forges=True),
    query("the token of a neighbour's earlier transaction on this very backend",
          "select set_config('app.ctx', '@earlier', true)", LOOK, ends="- LL003", forges=True),
    query("the token of a neighbour's transaction that began in the same microsecond on another backend",
          RACE, "select set_config('app.ctx', '@same_instant', true)", LOOK, ends="- - LL003", forges=True),
    query("reading after COMMIT AND CHAIN", "commit and chain", LOOK, ends="- LL003"),
    query("reading after ROLLBACK AND CHAIN", "rollback and chain", LOOK, ends="- LL003"),
    query("reading in a transaction of its own", *_AFRESH, LOOK, ends="- LL003"),
    query("its own token taken along into the next transaction, with the neighbour in it",
          f"select set_config('app.kept', {_ME}, false)", *_AFRESH,
          "select set_config('app.ctx', replace(current_setting('app.kept'), '@me', '@neighbour'), true)", LOOK,
          ends="- - - LL003", forges=True),
    # ---------------------------------------------------------------- contexts as the API signs them
    query("a second context, well signed, in the same transaction", *_opens("@good"), ends="LL002 -"),
    query("a context that has expired", *_AFRESH, *_opens("@expired"), ends="- LL002 LL003"),
    query("a context that is good for ten years", *_AFRESH, *_opens("@long_lived"), ends="- LL002 LL003"),
    query("a context signed by itself", *_AFRESH, *_opens("@self_signed"), ends="- LL002 LL003"),
    query("a context signed under a name that nobody has", *_AFRESH, *_opens("@unknown_kid"), ends="- LL002 LL003"),
    query("a context signed with a key that was retired", *_AFRESH, *_opens("@retired"), ends="- LL002 LL003"),
    query("a context without its MAC's second half, or otherwise malformed", *_AFRESH,
          *(f"select app.open('{token}', '@facts', null, false)" for token in _MALFORMED), LOOK,
          ends="- " + "LL002 " * len(_MALFORMED) + "LL003"),
    query("all first bytes of a context's MAC", *_AFRESH, _GUESS_FIRST, ends="- -"),
    query("a lookup's context as a tenant's", *_AFRESH, *_opens("@lookup"), ends="- LL002 LL003"),
    query("a refusal's context as a tenant's", *_AFRESH, *_opens("@refusal"), ends="- LL002 LL003"),
    query("an operator's good context, by the tenants' login", *_AFRESH, *_opens("@operator", "@operator_facts"),
          ends="- LL002 LL003"),
    query("a refusal's context, shown to the lookup of keys",
          "select found::text from app.find_api_key('@refusal') as found", ends="LL002"),
    query("a tenant's context, shown to the lookup of keys",
          "select found::text from app.find_api_key('@good') as found", ends="LL002"),
    query("the neighbour's prefix and its key's id, shown to the lookup of keys",
          "select found::text from app.find_api_key('@neighbour_prefix') as found",
          "select found::text from app.find_api_key('@context.lookup.@neighbour_prefix.9999999999.aaaaaaaaaaaaaaaaaaaaaaaa.'"
          " || repeat('0', 64)) as found",
          "select found::text from app.find_api_key('@lookup_self_signed') as found", ends="LL002 LL002 LL002"),
    query("a good context with the attacker's own key", *_AFRESH, *_opens("@good", "@own_facts"), ends="- LL004 LL003"),
    query("its own context with a key that is the neighbour's", *_AFRESH, *_opens("@own", "@facts"), ends="- LL004 LL003"),
    # ---------------------------------------------------------------- roles
    query("every other role by SET ROLE",
          *(f"set role {role}" for role in ("landlord_operator", "landlord_worker", "landlord_owner", "landlord_guard",
                                            "landlord_migrator", "landlord_auditor", "landlord_analytics", "postgres",
                                            "pg_read_all_data", "pg_read_server_files")),
          "set local role landlord_operator", "select set_config('role', 'landlord_worker', true)", LOOK,
          ends="42501 " * 12 + "-"),
    query("another session's authorization", "set session authorization landlord_operator",
          "set session authorization postgres", "select set_config('session_authorization', 'postgres', true)",
          "reset session authorization", "reset role", "set role none", LOOK, ends="42501 42501 42501 - - - -"),
    query("membership in other roles, after the query's own transaction", *_AFRESH,
          "grant landlord_operator to landlord_tenant", "grant pg_read_all_data to landlord_tenant",
          "alter role landlord_tenant bypassrls", "alter role landlord_tenant superuser", "alter role landlord_operator password 'x'",
          "create role mallory login", "alter group landlord_operator add user landlord_tenant",
          ends="- " + "42501 " * 6 + "42501"),
]  # fmt: skip
