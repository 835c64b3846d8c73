"""A database under attack: the application over it, an attacker, and a neighbour whose every row is known."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import orjson
import pytest

from app import Settings, create_app, utc_now
from auth import contexts
from auth.contexts import ContextKey, Purpose
from db import customers
from db.errors import LandlordError
from db.migrate import LOGINS
from db.session import Session
from local import postgres
from local.database import admin_url
from schema.ids import typeid
from tests.attacks.attack import RACE, Attack, Outcome
from tests.db.rules import HOUSE_TABLES, MIXED_TABLES
from tests.isolation.belongings import Belongings, rows_of
from tests.landlord import Landlord, Tenant
from tests.ledger import Ledger

# What every request here asks in the end: `customers.by_ids`, whose place the hole takes.
QUERY = """{
  customer { name billingEmail createdAt }
  invoices(first: 2) { nodes { number month dueOn totalAmount issuedAt } }
  tickets(first: 1, filter: {status: CLOSED}) { nodes { subject createdAt } }
}"""
LONE_QUERY = "{ customer { name billingEmail createdAt } }"
MUTATION = """mutation($subject: String!) {
  openTicket(input: {subject: $subject, body: $subject}) { ticket { id } errors { code } }
}"""
# How values read as text, and what a literal means: the same for everyone, whatever was left on the connection.
_READS_AS = r"""
    select concat_ws('|', '2026-03-04 05:06:07.5+00'::timestamptz, date '2026-03-04', interval '1 month 2 days 03:04', 0.1::float8 + 0.2,
                     '\x4a00ff'::bytea, 'a\nb', ('x'::text = null) is null, current_setting('row_security'))
"""
_EVERYTHING = """
    select string_agg(
               format('select %L || row(%s)::text as line from %s', c.relname || ' ', columns.list, c.oid::regclass), ' union all '
               order by c.relname)
      from pg_class c,
           lateral (
            select string_agg(quote_ident(a.attname), ', ' order by a.attnum) as list from pg_attribute a
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
               and has_column_privilege('landlord_tenant', c.oid, a.attnum, 'select')
           ) as columns
     where c.relnamespace = 'landlord'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and columns.list is not null
"""
# What is nobody's, or the house's own, in one hash a table; of its events those alone that an attacker could plant.
_HOUSE = " union all ".join(
    f"select '{table}', md5(string_agg(t::text, ',' order by t::text)) from {table} t{where}"
    for table, where in (
        *((table, "") for table in sorted(HOUSE_TABLES)),
        ("app.signing_keys", ""),
        *((table, " where customer_id is null") for table in sorted(MIXED_TABLES - {"audit_events"})),
        ("audit_events", " where customer_id is null and event_type = 'planted'"),
    )
)
_PLANT_WHAT_ANYBODY_COULD_GUESS = """
    with message as (insert into outbox (customer_id, kind, key, payload) values ($1, 'email', 'invoice-1', '{}'))
    insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)
    values ($1, $2, 'openTicket', 'order-1', sha256('order-1'), 'tkt_order')
"""
# What `create database ... template` leaves behind: see 0001_roles.sql.
_CONNECT = f"""
    revoke all on database "{{name}}" from public;
    grant connect on database "{{name}}" to {", ".join(f"landlord_{login}" for login in LOGINS)};
"""
_WITHIN_TRANSACTIONS = re.compile(r"\s*(commit|rollback|begin|savepoint|prepare transaction)\b")
_RACES = 20_000


@dataclass
class Loot:
    """All that came back to the attacker, as texts; `ends` tells how each of its texts ended."""

    told: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    backend: int | None = None

    def take(self, value: Any) -> None:
        if isinstance(value, bytes):
            self.told += [value.hex(), value.decode("latin-1")]
        elif isinstance(value, list | tuple | asyncpg.Record):
            for part in value:
                self.take(part)
        elif value is not None:
            self.told.append(str(value))


@dataclass(frozen=True)
class Template:
    """A database that nobody is connected to, so that it can be copied."""

    superuser_url: str
    environment: Mapping[str, str]
    attacker: Tenant
    neighbour: Tenant
    mark: str
    known: Mapping[str, str]
    secrets: frozenset[str]
    retired: bytes

    @classmethod
    async def make(cls, cluster: postgres.Cluster, environment: Mapping[str, str]) -> Template:
        """In the freshly prepared database of `environment`: a neighbour with a row of everything, and an attacker."""
        mark, retired = f"Wayne{secrets.token_hex(4)}", secrets.token_bytes(32)
        async with _running(cluster.superuser_url, environment) as landlord:
            ledger = Ledger(landlord.house, landlord.connections, landlord.admin)
            rich = await Belongings.of(ledger, name=f"{mark} Enterprises 東京", mark=mark)
            neighbour, attacker = rich.owner, await landlord.tenant("Mallory")
            spare = await landlord.key(attacker.customer_id, ["read"], name="spare")
            await attacker.api("{ viewer { name } }")
            admin = landlord.admin
            await admin.execute(_PLANT_WHAT_ANYBODY_COULD_GUESS, neighbour.customer_id, neighbour.key_id)
            ticket = await admin.fetchval(
                "insert into support_tickets (customer_id, subject, created_by) values ($1, 'Mine', 'me') returning id",
                attacker.customer_id,
            )
            await admin.execute(
                "insert into ticket_comments (customer_id, ticket_id, author, author_kind, body, internal)"
                " values ($1, $2, 'staff', 'operator', $3, true)",
                attacker.customer_id,
                ticket,
                f"{mark}, between us",
            )
            await admin.execute("select app.install_key('retired', $1)", retired)
            await admin.execute("update app.signing_keys set not_after = now() where kid = 'retired'")
            known = {
                "me": attacker.customer_id, "my_key": attacker.key_id, "my_spare_key": spare.key_id, "my_ticket": ticket,
                "neighbour": neighbour.customer_id, "neighbour_key": neighbour.key_id, "neighbour_prefix": neighbour.prefix,
                "neighbour_ticket": await _newest(admin, "support_tickets", neighbour),
                "neighbour_endpoint": await _newest(admin, "webhook_endpoints", neighbour),
                "neighbour_invoice": await _newest(admin, "invoices", neighbour),
                "neighbour_idempotency_key": "order-1", "neighbour_outbox_key": "invoice-1", "nobody": uuid4(),
                "nobodys_text": "order-0", "nobodys_prefix": "lz_test_000000000000",
            }  # fmt: skip
            as_texts = {name: str(value) for name, value in known.items()}
            kept = await _secrets(landlord, rich, mark)
        return cls(cluster.superuser_url, environment, attacker, neighbour, mark, as_texts,
                   frozenset(kept - set(as_texts.values())), retired)  # fmt: skip

    @asynccontextmanager
    async def copy(self, *weakened: str) -> AsyncIterator[Target]:
        """A database of its own with all that is in this one, after these statements of a superuser."""
        name = f"attacked_{secrets.token_hex(4)}"
        superuser = await asyncpg.connect(self.superuser_url)
        try:
            template = urlsplit(self.environment["LANDLORD_TENANT_URL"]).path[1:]
            await superuser.execute(
                f'create database "{name}" template "{template}" strategy file_copy owner landlord_migrator'
            )
            await superuser.execute(_CONNECT.format(name=name))
            try:
                async with _running(self.superuser_url, _within(self.environment, name)) as landlord:
                    for statement in weakened:
                        await landlord.admin.execute(statement)
                    yield await Target.of(self, landlord)
            finally:
                await superuser.execute(f'drop database "{name}" (force)')
        finally:
            await superuser.close()


@dataclass
class Target:
    """`known` is what a text may name as @name, but for the tokens, which are made when they are used."""

    template: Template
    landlord: Landlord
    attacker: Tenant
    neighbour: Tenant
    known: dict[str, str]
    usual: dict[str, Any] = field(default_factory=dict)
    reads_as: str = ""

    async def look_again(self) -> None:
        """What may be selected has changed."""
        self.known["everything"] = await self.landlord.admin.fetchval(_EVERYTHING)

    @classmethod
    async def of(cls, template: Template, landlord: Landlord) -> Target:
        attacker, neighbour = (replace(who, landlord=landlord) for who in (template.attacker, template.neighbour))
        number = await landlord.admin.fetchval(
            "select max(number) from invoices where customer_id = $1", neighbour.customer_id
        )
        ended = await landlord.admin.fetchval(
            "select jti::text from ended_sessions where customer_id = $1", neighbour.customer_id
        )
        known = dict(template.known) | {
            "everything": await landlord.admin.fetchval(_EVERYTHING),
            "neighbour_number": number, "nobodys_number": "222222-0001", "neighbour_ended_session": ended,
        }  # fmt: skip
        target = cls(template, landlord, attacker, neighbour, known)
        loot = Loot()
        answer = await target._ask(neighbour, "query", [_READS_AS], loot)
        assert "errors" not in answer.json(), answer.json()
        target.usual = answer.json()["data"]
        assert loot.ends == ["-"], (loot, target.usual)
        target.reads_as = loot.told[0]
        return target

    # ------------------------------------------------------------ an attack

    async def suffer(self, attack: Attack) -> Outcome:
        """What comes of it: nothing, if the guard holds."""
        if attack.asks is None:
            return await self._suffer(attack, None)
        it, nobody = attack.asks
        theirs, nobodys = await self._suffer(attack, self.known[it]), await self._suffer(attack, self.known[nobody])
        breaches = [*theirs.breaches, *nobodys.breaches]
        if theirs.ends != nobodys.ends:
            breaches.append(f"tells whether it is there: {theirs.ends} or {nobodys.ends}")
        return Outcome(theirs.ends, tuple(breaches), theirs.failures + nobodys.failures)

    async def _suffer(self, attack: Attack, it: str | None) -> Outcome:
        await self._afresh()
        loot = Loot()
        found: list[str] = []
        failures: list[str] = []
        async with AsyncExitStack() as stack:
            known = await self._knows(attack, stack) | ({"it": it} if it is not None else {})
            before = await self._books()
            texts = [*attack.texts, *(["rollback"] if attack.asks else [])]
            if attack.within == "lone query":
                await self.attacker.post(LONE_QUERY)  # the driver keeps its statement
            await self._ask(self.attacker, attack.within, texts, loot, known, first=attack.first)
            ends = loot.ends[: len(attack.texts)]
            asked: list[str] = []
            if attack.leaves:
                theirs = Loot()
                if attack.next_alone:
                    backend = await self._next_lone_query(found, asked)
                    if attack.found and backend in (None, loot.backend):
                        found.append("what it left is still there when the next tenant asks by one statement")
                    found += await self._next_tenant(attack, loot, theirs, asked)
                else:
                    found += await self._next_tenant(attack, loot, theirs, asked)
                    backend = theirs.backend
                if not attack.found and attack.costs_itself is (backend in (None, loot.backend)):
                    failures.append(f"left by {loot.backend}, the next tenant was on {backend}")
            if attack.then:
                await self._ask(self.attacker, "query", attack.then, loot, known)
            after = await self._books()
        if len(ends) != len(attack.texts):
            failures.append(f"only {len(ends)} texts were run")
        found += self._read(loot)
        found += _changed(before, after, asked, reads_only=attack.within != "mutation")
        return Outcome(" ".join(ends), tuple(found), tuple(failures))

    async def _next_lone_query(self, found: list[str], asked: list[str]) -> int | None:
        """The neighbour asks by the very statement that the attacker's was; on which backend. An error is a denial of service."""
        backend: int | None = None

        async def look(session: Session) -> None:
            nonlocal backend
            backend = session._connection.get_server_pid()

        with _hole(look):
            answer = await self.neighbour.post(LONE_QUERY)
        asked.append(answer.headers["x-request-id"])
        if "errors" not in answer.json() and answer.json()["data"] != {"customer": self.usual["customer"]}:
            found.append(f"the next tenant's lone query is answered {answer.json()}")
        return backend

    async def _next_tenant(self, attack: Attack, loot: Loot, theirs: Loot, asked: list[str]) -> list[str]:
        """The neighbour asks and writes, over the connection that the attacker had. An error is a denial of service."""
        found = []
        answer = await self._ask(self.neighbour, "query", [_READS_AS], theirs)
        if "errors" not in answer.json() and answer.json()["data"] != self.usual:
            found.append(f"the next tenant is answered {answer.json()['data']}")
        if theirs.ends == ["-"] and self.reads_as not in theirs.told:
            found.append(f"to the next tenant values read as {theirs.told}")
        if attack.found and (theirs.backend in (None, loot.backend) or "errors" in answer.json()):
            found.append("what it left is still there when the next tenant asks")
        subject = f"{self.template.mark} asks {secrets.token_hex(8)}"
        written = await self.neighbour.post(MUTATION, {"subject": subject})
        asked += [subject, answer.headers["x-request-id"], written.headers["x-request-id"]]
        ticket = ((written.json().get("data") or {}).get("openTicket") or {}).get("ticket")
        if ticket is not None:
            stored = await self.landlord.admin.fetch(
                "select id from support_tickets where customer_id = $1 and subject = $2",
                self.neighbour.customer_id,
                subject,
            )
            if [typeid("tkt", row["id"]) for row in stored] != [ticket["id"]]:
                found.append("what the next tenant wrote went elsewhere")
            asked += [str(row["id"]) for row in stored]
        return found

    async def _ask(
        self,
        who: Tenant,
        within: str,
        texts: Sequence[str],
        loot: Loot,
        known: Mapping[str, str] | None = None,
        *,
        first: bool = False,
    ) -> httpx.Response:
        """A whole request over HTTP, with the texts run where its first question would have been; or the `first` of them as
        that question, which opens the transaction as well.
        """
        filled = dict(known or {})

        async def run(session: Session) -> None:
            connection = session._connection
            loot.backend = loot.backend or connection.get_server_pid()
            if first and (not await self._open_by(session, texts[0], filled, loot) or not texts[1:]):
                return
            async with session._lock:  # other questions of the same request wait
                await session._go_on()
                for text in texts[first:]:
                    await self._run(connection, text, filled, loot)

        with _hole(run):
            if within == "mutation":
                answer = await who.post(MUTATION, {"subject": "Help"})
            else:
                answer = await who.post(QUERY if within == "query" else LONE_QUERY)
        if who is self.attacker:
            loot.told.append(answer.text)
        return answer

    async def _open_by(self, session: Session, text: str, known: Mapping[str, str], loot: Loot) -> bool:
        """Whether the transaction is open then."""
        try:
            loot.take(await session._fetch(re.sub(r"@([a-z_]+)", lambda name: known[name[1]], text), ()))
        except asyncpg.PostgresError as error:
            loot.ends.append(error.sqlstate or "?")
            loot.take([str(value) for value in error.as_dict().values()])
        except (asyncpg.InterfaceError, asyncpg.DataError, LandlordError) as error:
            loot.ends.append(type(error).__name__)
        else:
            loot.ends.append("-")
        return session.opened is not None

    async def _run(self, connection: asyncpg.Connection, text: str, known: dict[str, str], loot: Loot) -> None:
        def heard(_: object, message: Any) -> None:
            loot.take([str(value) for value in message.as_dict().values()])

        marked = False
        try:
            connection.add_log_listener(heard)
            if text == RACE:
                known["same_instant"] = await self._race(connection)
                loot.ends.append("-")
                return
            sql = re.sub(r"@([a-z_]+)", lambda name: known[name[1]], text)
            if not _WITHIN_TRANSACTIONS.match(sql):
                marked = await _quietly(connection, "savepoint hole")
            loot.take(await _answer(connection, sql))
        except asyncpg.PostgresError as error:
            loot.ends.append(error.sqlstate or "?")
            loot.take([str(value) for value in error.as_dict().values()])
            if marked:
                await _quietly(connection, "rollback to savepoint hole")
        except (asyncpg.InterfaceError, OSError) as error:
            loot.ends.append(f"{type(error).__name__}: {error}")
        else:
            loot.ends.append("-")
            if marked:
                await _quietly(connection, "release savepoint hole")
        finally:
            await asyncio.sleep(0)  # what was heard is told on the loop's next turn
            if not connection.is_closed():
                connection.remove_log_listener(heard)

    # ------------------------------------------------------------ what the attacker knows

    async def _knows(self, attack: Attack, stack: AsyncExitStack) -> dict[str, str]:
        named = set(re.findall(r"@([a-z_]+)", " ".join((*attack.texts, *attack.then))))
        known = self.known | self._tokens()
        if "earlier" in named:
            loot = Loot()
            await self._ask(self.neighbour, "query", ["select current_setting('app.ctx')"], loot)
            known["earlier"] = loot.told[0]
        if named & {"stolen", "held", "pid"}:
            theirs = await stack.enter_async_context(self.neighbour.session())
            known["pid"] = str(await theirs.value("select pg_backend_pid()"))
            known["stolen"] = await theirs.value("select current_setting('app.ctx')")
            known["held"] = await theirs.value(
                "select 'held' from support_tickets where id = $1 and subject <> $2 for update",
                UUID(known["neighbour_ticket"]),
                self.template.mark,
            )
        return known

    def _tokens(self) -> dict[str, str]:
        """As an attacker could come by them: well signed ones are stolen."""
        kid, key = self.landlord.settings.context_key
        now, own = utc_now(), b"mallory's own secret of 32 bytes."

        def sign(purpose: Purpose, subject: object, *, kid: str = kid, key: bytes = key, **life: timedelta) -> str:
            return contexts.sign(ContextKey(kid, key), purpose, str(subject), now, **life)

        neighbour, prefix = self.neighbour.customer_id, self.neighbour.prefix
        good = sign("tenant", neighbour)
        head, _, mac = good.rpartition(".")
        fields = head.split(".")
        facts = {"session": None, "epoch": None}
        event = {"event_type": "planted", "action": "read", "actor": "m", "actor_kind": "anonymous", "status": "denied"}
        house = self.landlord.house.key_id
        return {
            "context": kid,
            "good": good,
            "own": sign("tenant", self.attacker.customer_id),
            "expired": contexts.sign(ContextKey(kid, key), "tenant", str(neighbour), now - timedelta(seconds=40)),
            "long_lived": sign("tenant", neighbour, life=timedelta(days=3650)),
            "self_signed": sign("tenant", neighbour, key=own),
            "unknown_kid": sign("tenant", neighbour, kid="mallory", key=own),
            "retired": sign("tenant", neighbour, kid="retired", key=self.template.retired),
            "lookup": sign("lookup", prefix),
            "lookup_self_signed": sign("lookup", prefix, key=own),
            "refusal": sign("refusal", prefix),
            "refusal_self_signed": sign("refusal", prefix, key=own),
            "operator": sign("operator", house),
            "upper": f"{head}.{mac.upper()}",
            "short": f"{head}.{mac[:32]}",
            "without_mac": head,
            "with_line": good + "\n",
            "other_nonce": ".".join([*fields[:4], "a" * 24, mac]),
            "other_expiry": ".".join([*fields[:3], str(int(fields[3]) + 1), fields[4], mac]),
            "secret": "\\x" + own.hex(),
            "facts": orjson.dumps(facts | {"key": str(self.neighbour.key_id)}).decode(),
            "own_facts": orjson.dumps(facts | {"key": str(self.attacker.key_id)}).decode(),
            "operator_facts": orjson.dumps(facts | {"key": str(house)}).decode(),
            "event": orjson.dumps(event | {"customer_id": str(neighbour)}).decode(),
        }

    async def _race(self, connection: asyncpg.Connection) -> str:
        """Begin anew, here and as the neighbour on other backends, until two begin in the same microsecond. Its token."""
        theirs = [await asyncpg.connect(self.landlord.settings.tenant_url) for _ in range(8)]
        try:
            for _ in range(_RACES):
                began = await asyncio.gather(*(_begun(one) for one in (connection, *theirs)))
                if began[0] in began[1:]:
                    winner = theirs[began.index(began[0], 1) - 1]
                    tokens = self._tokens()
                    await winner.fetchval("select app.open($1, $2, null, false)", tokens["good"], tokens["facts"])
                    token: str = await winner.fetchval("select current_setting('app.ctx')")
                    return token
        finally:
            for one in theirs:
                one.terminate()
        raise AssertionError("no two transactions began in the same microsecond")

    # ------------------------------------------------------------ what came of it

    def _read(self, loot: Loot) -> list[str]:
        small = re.sub(r"\s+", " ", "\n".join(loot.told)).lower()
        found = [f"reads `{secret}`" for secret in self.template.secrets if secret.lower() in small]
        return found[:3]

    async def _books(self) -> dict[str, Any]:
        """Every row of the neighbour's and of the attacker's, and what belongs to nobody or to the house."""
        house = dict(tuple(row) for row in await self.landlord.admin.fetch(_HOUSE))
        return {
            "neighbour": await rows_of(self.landlord, self.neighbour.customer_id),
            "attacker": await rows_of(self.landlord, self.attacker.customer_id),
            "house": house,
        }

    async def _afresh(self) -> None:
        """What the attack before this one left on connections is gone with them."""
        await self.landlord.connections.close()
        while await self.landlord.admin.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
        ):
            await asyncio.sleep(0.001)


def _changed(
    before: Mapping[str, Any], after: Mapping[str, Any], asked: Sequence[str], *, reads_only: bool
) -> Iterator[str]:
    """`asked` are texts by which one knows the rows of requests that the neighbour itself sent meanwhile."""
    for table, rows in before["neighbour"].items():
        now = after["neighbour"][table]
        if gone := set(rows) - set(now):
            yield f"changes the neighbour's {table}: {sorted(gone)[0]}"
        for row in set(now) - set(rows):
            if not any(own in row for own in asked):
                yield f"plants in the neighbour's {table}: {row}"
    for table, rows in before["attacker"].items():
        now = after["attacker"][table]
        if table == "audit_events":
            if set(rows) - set(now):
                yield "changes the audit trail"
            if reads_only and any('"planted"' in row for row in set(now) - set(rows)):
                yield "writes an event in a query"
        elif reads_only and rows != now:
            yield f"writes {table} in a query"
    if before["house"] != after["house"]:
        yield f"changes the house's {[name for name, is_now in after['house'].items() if is_now != before['house'][name]]}"


@contextmanager
def _hole(run: Callable[[Session], Awaitable[None]]) -> Iterator[None]:
    """Puts the attacker's SQL where the application asks for customers: once, inside the operation's own transaction."""
    asks = customers.by_ids
    ran = False

    async def by_ids(session: Any, ids: Any, **narrow: Any) -> Any:
        nonlocal ran
        if not ran:
            ran = True
            await run(session)
            if session.opened is not None and not session.begun:
                return []  # the attacker's was the one statement
        return await asks(session, ids, **narrow)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(customers, "by_ids", by_ids)
        yield


async def _answer(connection: asyncpg.Connection, sql: str) -> Any:
    """What a text gives back: rows, what COPY sends, or nothing of several statements at once."""
    if re.match(r"\s*copy\b.*\bto stdout", sql, re.DOTALL):
        sent = bytearray()

        async def take(part: bytes) -> None:
            sent.extend(part)

        await connection._copy_out(sql, take, 10)  # type: ignore[attr-defined]
        return bytes(sent)
    if re.match(r"\s*copy\b.*\bfrom stdin", sql, re.DOTALL):
        return await connection._copy_in(sql, _nothing(), 10)  # type: ignore[attr-defined]
    if _WITHIN_TRANSACTIONS.match(sql) and ";" in sql:
        return await connection.execute(sql)
    return await connection.fetch(sql)


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


async def _quietly(connection: asyncpg.Connection, sql: str) -> bool:
    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        await connection.execute(sql)
        return True
    return False


async def _begun(connection: asyncpg.Connection) -> Any:
    await connection.execute("rollback; begin")
    return await connection.fetchval("select transaction_timestamp()")


async def _newest(admin: asyncpg.Connection, table: str, owner: Tenant) -> UUID:
    found: UUID = await admin.fetchval(
        f"select id from {table} where customer_id = $1 order by id desc limit 1", owner.customer_id
    )
    return found


async def _secrets(landlord: Landlord, rich: Belongings, mark: str) -> set[str]:
    """All by which a row of the neighbour's could be known, and the signing keys in each form that a text could give."""
    found = {mark, *(secret for secret in rich.secrets if not secret.startswith("cus_") and len(secret) > 5)}
    found |= {f"{mark.lower()}", rich.owner.key, rich.owner.key.rpartition("_")[2]}
    for rows in (await rich.rows()).values():
        for row in rows:
            found |= {text for text in _texts(orjson.loads(row)) if _is_uuid(text) or text.startswith("$2b$")}
    for table in HOUSE_TABLES:
        for of_all in await landlord.admin.fetch(f"select to_jsonb(t) as row from {table} t"):
            found -= set(_texts(orjson.loads(of_all["row"])))
    for key in await landlord.admin.fetch("select ipad, opad from app.signing_keys"):
        for block in key:
            part = block[:12]
            found |= {part.hex(), " ".join(str(byte) for byte in part),
                      " ".join(str(byte - 256 if byte > 127 else byte) for byte in part)}  # fmt: skip
    found |= {"SCRAM-SHA-256$"}
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _is_uuid(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


@asynccontextmanager
async def _running(superuser_url: str, environment: Mapping[str, str]) -> AsyncIterator[Landlord]:
    """One connection a login, as in a Lambda sandbox: who comes next has the one that the attacker had."""
    settings = Settings.from_env(environment)
    app = create_app(settings)
    admin = await asyncpg.connect(
        admin_url(superuser_url, urlsplit(settings.tenant_url).path[1:]), server_settings={"search_path": "landlord"}
    )
    async with app.router.lifespan_context(app):
        landlord = await Landlord.start(app, settings, dict(environment), admin)
        yield landlord
        await landlord.stop()
    await admin.close()


def _within(environment: Mapping[str, str], name: str) -> dict[str, str]:
    """The same environment with another database."""
    return {
        key: urlsplit(value)._replace(path=f"/{name}").geturl() if value.startswith("postgresql://") else value
        for key, value in environment.items()
    }
