"""The demo data: planted once, the same for everybody, billed to the cent, and with everything in it that it promises."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from app import Settings, create_app, utc_now
from auth import keys
from billing import price_list, prices, rating
from billing.invoicing import bands_of
from billing.periods import Days, Month, TierDays
from billing.prices import StoredRateCard
from billing.rate_card import TaxRates
from billing.rating import Adjustment, Tax, Usage
from billing.usage import usage_of
from db import invoices
from db.enums import LineKind, TaxStatus, Tier
from db.invoices import InvoiceRow, LineRow
from db.session import Session, columns
from db.usage import UsageRow
from local import database, demo, postgres
from local.demo import books, notices, threads, trail
from local.demo.books import Books, Prices
from local.demo.moments import Calendar
from local.demo.people import COMPANIES, SHOWCASE
from tests.conftest import Prepare

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
# a month's first instant, after one of 28 days: nothing of the month has happened, and what was due on the 29th is near
FIRST_INSTANT = datetime(2027, 3, 1, tzinfo=UTC)

# What is drawn anew at each planting, and the transaction's own number.
DRAWN = {("api_keys", "key_hash"), ("webhook_endpoints", "secret"), ("audit_events", "xid")}


@dataclass
class Planted:
    """A database with demo data, and the folder with its keys."""

    environment: dict[str, str]
    home: Path
    admin: asyncpg.Connection
    now: datetime

    async def plant(self, now: datetime | None = None) -> dict[str, str]:
        return await demo.plant(self.environment, self.home, now=now or self.now)

    @property
    def keys(self) -> dict[str, str]:
        held: dict[str, str] = json.loads((self.home / "demo-keys.json").read_text())
        return held

    async def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every table with its rows, but for what is drawn anew, and without the two keys that somebody holds."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        columns = await self.admin.fetch(
            """
            select c.relname as table, array_agg(a.attname::text order by a.attnum) as columns
              from pg_class c
              join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
             where c.relnamespace = 'landlord'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
             group by c.relname
            """
        )
        for table, names in columns:
            kept = ", ".join(name for name in names if (table, name) not in DRAWN)
            held = "where name not in ('operations', 'demo')" if table == "api_keys" else ""
            found[table] = sorted(
                (tuple(row) for row in await self.admin.fetch(f"select {kept} from {table} {held}")), key=repr
            )
        return found


@asynccontextmanager
async def prepared(
    cluster: postgres.Cluster, prepare: Prepare, name: str, folder: Path, now: datetime
) -> AsyncIterator[Planted]:
    """A database of this name with no demo data yet, and a folder of its own for its keys."""
    environment = await prepare(f"demo_{name}")
    folder.mkdir()
    shutil.copy(cluster.home / "admin-url", folder / "admin-url")
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url, f"demo_{name}"), server_settings={"search_path": "landlord"}
    )
    yield Planted(environment, folder, admin, now)
    await admin.close()


@pytest.fixture(scope="module")
async def planted(
    cluster: postgres.Cluster, prepare: Prepare, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Planted]:
    """At NOW; for tests that only look."""
    async with prepared(cluster, prepare, "one", tmp_path_factory.mktemp("demo") / "home", NOW) as fresh:
        await fresh.plant()
        yield fresh


@pytest.fixture(scope="module")
async def again(
    cluster: postgres.Cluster, prepare: Prepare, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Planted]:
    """At NOW as well; keys may come and go here."""
    async with prepared(cluster, prepare, "two", tmp_path_factory.mktemp("demo") / "home", NOW) as fresh:
        await fresh.plant()
        yield fresh


@pytest.fixture(scope="module")
async def early(
    cluster: postgres.Cluster, prepare: Prepare, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Planted]:
    """At FIRST_INSTANT; for tests that only look."""
    async with prepared(cluster, prepare, "early", tmp_path_factory.mktemp("demo") / "home", FIRST_INSTANT) as fresh:
        await fresh.plant()
        yield fresh


@pytest.fixture(params=["planted", "early"])
def either(request: pytest.FixtureRequest, planted: Planted, early: Planted) -> Planted:
    return planted if request.param == "planted" else early


# ---------------------------------------------------------------- planted once, and the same everywhere


@pytest.mark.parametrize("later", [NOW, datetime(2027, 1, 5, tzinfo=UTC)], ids=["at once", "months later"])
async def test_a_second_planting_changes_nothing(planted: Planted, later: datetime) -> None:
    before, held, mode = await planted.contents(), planted.keys, (planted.home / "demo-keys.json").stat()
    count = await planted.admin.fetchval("select count(*) from api_keys")
    assert await planted.plant(later) == {"LANDLORD_DEMO_KEY": held["tenant"]}
    assert await planted.contents() == before
    assert await planted.admin.fetchval("select count(*) from api_keys") == count
    assert (planted.keys, (planted.home / "demo-keys.json").stat().st_mtime_ns) == (held, mode.st_mtime_ns)


async def test_two_plantings_at_one_instant_have_the_same_names_ids_and_figures(
    planted: Planted, again: Planted
) -> None:
    one, two = await planted.contents(), await again.contents()
    assert sorted(table for table, rows in one.items() if not rows) == [
        "audit_seals", "credit_uses", "ended_sessions", "idempotency_keys", "usage_readings", "usage_sync_items",
        "usage_syncs",
    ]  # fmt: skip
    for table, rows in one.items():
        assert rows == two[table], table


async def test_each_planting_has_keys_of_its_own(planted: Planted, again: Planted) -> None:
    assert len({*planted.keys.values(), *again.keys.values()}) == 4


def test_as_the_month_goes_on_what_happened_before_stays_the_same() -> None:
    earlier, later = (instants(at(day)) for day in (9, 22))
    # what is said of this month's use is told anew each day
    assert {one for one in earlier if one not in later} == {
        (f"usage of {company.slug}", datetime(2026, 11, 9, tzinfo=UTC))
        for company in COMPANIES
        if company.closed is None
    }


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 12, 31, 12, tzinfo=UTC),
        datetime(2028, 2, 29, 12, tzinfo=UTC),
        datetime(2028, 3, 31, 23, 59, tzinfo=UTC),
    ],
    ids=str,
)
def test_it_can_be_planted_on_any_day(now: datetime) -> None:
    calendar = Calendar(now)
    assert max(instant for _, instant in instants(calendar)) <= now
    bills = kept(calendar).of(SHOWCASE).invoices
    assert [bill.month for bill in bills] == [calendar.month(ago) for ago in range(12, 0, -1)]
    assert [bill.due > 0 for bill in bills] == [*[False] * 11, True]


# ---------------------------------------------------------------- the two keys


async def test_the_keys_are_for_this_user_alone_and_open_what_they_say(planted: Planted) -> None:
    assert (planted.home / "demo-keys.json").stat().st_mode & 0o777 == 0o600
    stored = {}
    for name, key in planted.keys.items():
        parsed = keys.parse(key)
        assert parsed is not None
        row = await planted.admin.fetchrow(
            "select k.key_hash, k.scopes, c.name from api_keys k left join customers c on c.id = k.customer_id"
            " where prefix = $1",
            parsed.prefix,
        )
        assert row is not None
        assert await keys.verify(key, row["key_hash"])
        stored[name] = (row["scopes"], row["name"])
    assert stored == {"operator": (["operator"], None), "tenant": (["write"], SHOWCASE.name)}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"tenant": 5}', '{"operator": "lz_test_x", "tenant": null}'])
async def test_keys_that_are_gone_or_damaged_are_replaced_and_nothing_else(again: Planted, damage: str) -> None:
    before, lost = await again.contents(), again.keys
    (again.home / "demo-keys.json").write_text(damage)
    assert await again.plant() == {"LANDLORD_DEMO_KEY": again.keys["tenant"]}
    assert not {*lost.values()} & {*again.keys.values()}
    assert await again.contents() == before


async def test_a_key_that_was_revoked_is_replaced_and_the_other_one_stays(again: Planted) -> None:
    held = again.keys
    parsed = keys.parse(held["tenant"])
    assert parsed is not None
    await again.admin.execute("update api_keys set revoked_at = $2 where prefix = $1", parsed.prefix, NOW)
    await again.plant()
    assert again.keys["operator"] == held["operator"]
    assert again.keys["tenant"] != held["tenant"]


async def test_keys_of_another_database_are_replaced(again: Planted, planted: Planted) -> None:
    shutil.copy(planted.home / "demo-keys.json", again.home / "demo-keys.json")
    await again.plant()
    assert not {*planted.keys.values()} & {*again.keys.values()}


# ---------------------------------------------------------------- ids and instants


async def test_every_id_says_when_its_row_was_made(either: Planted) -> None:
    admin = either.admin
    made = {
        "payments": "received_at",
        "credit_notes": "issued_at",
        "audit_events": "created_at",
    } | dict.fromkeys(
        (
            "customers", "rate_cards", "invoices", "billing_runs", "api_keys", "support_tickets", "ticket_comments",
            "notifications", "webhook_endpoints", "outbox",
        ),
        "created_at",
    )  # fmt: skip
    for table, column in made.items():
        rows = await admin.fetch(
            f"select id, {column} as at, app.made_at(id) as said, app.first_id({column}) as first from {table}"
        )
        assert rows, table
        for id, at, said, first in rows:
            # the 64 bits of the instant, and the variant that a UUID has
            assert (said, id.int >> 64, id.variant, id.version) == (at, first.int >> 64, first.variant, 7), table


async def test_nothing_happened_after_the_planting(either: Planted) -> None:
    admin = either.admin
    planned = {("api_keys", "expires_at"), ("support_tickets", "first_response_due_at")}
    columns = await admin.fetch(
        """
        select c.relname as table, a.attname as column
          from pg_class c
          join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where c.relnamespace = 'landlord'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
           and a.atttypid = 'timestamptz'::regtype
        """
    )
    latest = {
        (table, column): await admin.fetchval(f"select max({column}) from {table}")
        for table, column in columns
        if (table, column) not in planned
    }
    assert len(latest) > 40
    assert {place: at for place, at in latest.items() if at is not None and at > either.now} == {}


async def test_the_trail_lies_in_the_partitions_of_its_months(either: Planted) -> None:
    admin = either.admin
    assert await admin.fetchval("select count(*) from audit_events_default") == 0
    months = "select count(distinct date_trunc('month', created_at)) from audit_events where customer_id = $1"
    assert await admin.fetchval(months, await showcase(admin)) == 14  # it was entered in the month before its first


# ---------------------------------------------------------------- money


async def test_every_invoice_is_what_its_own_inputs_come_to(planted: Planted) -> None:
    ledger = await Ledger.read(planted.admin)
    for invoice in ledger.invoices:
        wanted = ledger.rated(invoice)
        stored = ledger.lines[invoice.id]
        assert [said(line) for line in stored] == [
            (
                line.position,
                line.kind,
                line.metric,
                line.tier,
                None if line.adjusted_month is None else line.adjusted_month.first,
                line.description,
                line.quantity,
                line.billable,
                list(line.bands),
                line.amount,
            )
            for line in wanted.lines
        ]
        assert [getattr(invoice, name) for name in AMOUNTS] == [getattr(wanted, name) for name in AMOUNTS]
    assert len(ledger.invoices) == 185


async def test_what_was_charged_for_a_month_is_what_its_newest_use_comes_to(planted: Planted) -> None:
    """So that no run has anything to adjust."""
    ledger = await Ledger.read(planted.admin)
    living = [invoice for invoice in ledger.invoices if invoice.status != "cancelled"]
    charged = {
        (invoice.customer_id, invoice.month): invoice.usage_charges - invoice.volume_discount for invoice in living
    }
    adjusted = 0
    for invoice in living:
        for line in ledger.lines[invoice.id]:
            if line.adjusted_month is not None:
                charged[invoice.customer_id, line.adjusted_month] += line.amount
                adjusted += 1
    for invoice in living:
        newest = max(row.revision for row in ledger.revisions[invoice.customer_id, invoice.month])
        assert charged[invoice.customer_id, invoice.month] == ledger.charge(invoice, newest)
    assert adjusted == 2


async def test_numbers_are_gapless_and_in_the_order_of_issue(either: Planted) -> None:
    admin = either.admin
    rows = await admin.fetch(
        """
        select c.invoice_prefix as prefix, last_invoice as last, array_agg(i.number order by i.id) as numbers
          from invoices i join customers c on c.id = i.customer_id join invoice_counters n on n.customer_id = c.id
         group by c.invoice_prefix, n.last_invoice
        """
    )
    assert len(rows) == 16
    for prefix, last, numbers in rows:
        assert numbers == [f"{prefix}-{count:04}" for count in range(1, last + 1)]


# ---------------------------------------------------------------- what it promises

INVOICES = "from invoices i join customers c on c.id = i.customer_id where"
OVERDUE = "i.status = 'issued' and i.due_on < '2026-11-22'"
ONE_OF_EACH = {
    "tiers": ("select count(distinct tier) from invoices", 4),
    "a tier changed within a month": (
        "select count(distinct customer_id) from invoice_lines where kind = 'base'"
        " group by invoice_id having count(*) > 1",
        1,
    ),
    "a tier change to come": ("select count(*) from tier_history where starts_on = '2026-12-01'", 1),
    "jurisdictions": ("select count(distinct tax_jurisdiction) from customers", 11),
    "exempt": ("select count(*) from customers where tax_status = 'exempt'", 3),
    "reverse charge": ("select count(*) from customers where tax_status = 'reverse_charge'", 2),
    "a Japanese name": ("select count(*) from customers where name ~ '[ぁ-ん]'", 1),
    "an Arabic name": ("select count(*) from customers where name ~ '[ء-ي]'", 1),
    "one that started within a month": (
        "select count(*) from customers where active_from = '2026-05-17' and name = 'Copperleaf Biometrics'",
        1,
    ),
    "one that is closed": ("select count(*) from customers where closed_on = '2026-08-12'", 1),
    "one that is suspended": ("select count(*) from customers where suspended_at is not null", 1),
    "late usage": (
        "select count(*) from usage_metrics u join invoices i using (customer_id, month)"
        " where u.revision = 2 and u.recorded_at > i.issued_at and i.status <> 'cancelled' and i.usage_revision = 1",
        2,
    ),
    "adjustments": ("select count(*) from invoice_lines where kind = 'adjustment'", 2),
    "volume discounts": ("select count(distinct customer_id) from invoice_lines where kind = 'discount'", 4),
    "a cancelled invoice that was billed again": (
        f"select count(*) {INVOICES} i.status = 'cancelled' and exists (select from invoices again"
        " where again.customer_id = i.customer_id and again.month = i.month and again.status = 'paid')",
        1,
    ),
    "overdue ones": (f"select count(*) {INVOICES} {OVERDUE}", 6),
    "one that is paid in part": (f"select count(*) {INVOICES} {OVERDUE} and amount_paid > 0", 1),
    "ones paid in two payments": (
        f"select count(*) {INVOICES} i.status = 'paid'"
        " and (select count(*) from payments p where p.customer_id = i.customer_id and p.invoice_id = i.id) = 2",
        1,
    ),
    "a credit note": (f"select count(*) {INVOICES} i.amount_credited = 412.38 and i.status = 'paid'", 1),
    "a disputed invoice": (
        f"select count(*) {INVOICES} {OVERDUE} and exists (select from support_tickets t"
        " where t.customer_id = i.customer_id and t.subject = 'We dispute ' || i.number and t.status = 'open')",
        1,
    ),
    "internal comments": ("select count(*) from ticket_comments where internal", 9),
    "notifications sent": ("select count(*) from notifications where status = 'sent'", 204),
    "notifications pending": ("select count(*) from notifications where status = 'pending'", 1),
    "notifications failed": ("select count(*) from notifications where status = 'failed'", 1),
    "endpoints": ("select count(*) from webhook_endpoints where deleted_at is null and is_active", 3),
    "a rotated key": (
        "select count(*) from api_keys new join api_keys old on old.id = new.rotated_from"
        " where old.expires_at > new.created_at and old.name = new.name and old.scopes = new.scopes",
        1,
    ),
    "runs that failed for somebody": ("select count(*) from billing_runs where status = 'completed_with_failures'", 2),
    "why they failed": ("select count(distinct code) from billing_run_items", 2),
    "refusals": ("select count(*) from audit_events where status = 'denied'", 6),
    "events of the house": ("select count(*) from audit_events where customer_id is null", 19),
}


@pytest.mark.parametrize("what", ONE_OF_EACH)
async def test_the_year_has(planted: Planted, what: str) -> None:
    question, count = ONE_OF_EACH[what]
    assert await planted.admin.fetchval(question) == count


async def test_the_showcase_has_a_year_of_everything(planted: Planted) -> None:
    admin, customer = planted.admin, await showcase(planted.admin)
    months = await admin.fetch("select distinct month from usage_metrics where customer_id = $1 order by 1", customer)
    assert [row["month"] for row in months] == [Month(2025, 11).shift(count).first for count in range(13)]
    bills = await admin.fetch(
        """
        select month, status, total_amount,
               (select sum(amount) from invoice_lines l where l.customer_id = i.customer_id and l.invoice_id = i.id) as sum
          from invoices i where customer_id = $1 order by id
        """,
        customer,
    )
    assert [row["month"] for row in bills] == [row["month"] for row in months][:12]
    assert [row["status"] for row in bills] == [*["paid"] * 11, "issued"]
    assert [row["total_amount"] for row in bills] == [row["sum"] for row in bills]
    assert bills[-1]["total_amount"] == Decimal("14244.70")
    tickets = await admin.fetch("select status, priority from support_tickets where customer_id = $1", customer)
    assert len(tickets) == 30
    assert {row["status"] for row in tickets} == {"open", "in_progress", "waiting_on_customer", "resolved", "closed"}
    assert {row["priority"] for row in tickets} == {"low", "normal", "high", "urgent"}
    assert await admin.fetchval("select count(*) from audit_events where customer_id = $1", customer) == 520


async def test_even_on_the_first_instant_of_a_month_the_showcase_fills_its_page(early: Planted) -> None:
    admin, customer = early.admin, await showcase(early.admin)
    count = "select count(*) from {} where customer_id = $1"
    assert await admin.fetchval(count.format("invoices"), customer) == 12
    assert await admin.fetchval(count.format("support_tickets"), customer) == 26
    newest = await admin.fetchrow(
        "select month, cloudtrail_events, account_count from usage_metrics where customer_id = $1"
        " order by month desc limit 1",
        customer,
    )
    assert newest is not None
    assert tuple(newest) == (date(2027, 3, 1), 0, 60)


async def test_the_first_tab_of_the_explorer_shows_the_showcase(
    cluster: postgres.Cluster, prepare: Prepare, tmp_path: Path
) -> None:
    """Planted now, since the application looks at the clock: its key, its session-less sign-in, its year."""
    query = (ROOT / "graphiql" / "queries" / "dashboard.graphql").read_text()
    async with prepared(cluster, prepare, "now", tmp_path / "home", utc_now()) as fresh:
        held = await fresh.plant()
        app = create_app(Settings.from_env(fresh.environment | held))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://landlord.test") as http,
        ):
            authorization = {"Authorization": f"Bearer {held['LANDLORD_DEMO_KEY']}"}
            answer = (await http.post("/graphql", json={"query": query}, headers=authorization)).json()
            operator = {"Authorization": f"Bearer {fresh.keys['operator']}"}
            everyone = {"query": "{ customers(first: 100) { totalCount nodes { name } } }"}
            all_of_them = (await http.post("/graphql", json=everyone, headers=operator)).json()
    assert "errors" not in answer
    customer = answer["data"]["customer"]
    assert customer["name"] == SHOWCASE.name
    assert len(customer["usage"]) == 12
    bills = customer["invoices"]["nodes"]
    assert [bill["status"] for bill in bills] == ["ISSUED", *["PAID"] * 11]
    assert customer["balanceDue"] == bills[0]["totalAmount"] == bills[0]["amountDue"]
    assert all(len(bill["lines"]) >= 8 for bill in bills)
    assert len(customer["tickets"]["nodes"]) == 20
    assert len(customer["auditEvents"]["nodes"]) == 20
    assert {node["name"] for node in all_of_them["data"]["customers"]["nodes"]} == {one.name for one in COMPANIES}


# ---------------------------------------------------------------- how it is looked at

AMOUNTS = (
    "tier", "currency", "tier_base_cost", "usage_charges", "volume_discount", "adjustments", "subtotal", "tax_rate",
    "tax_amount", "total_amount",
)  # fmt: skip


def at(day: int) -> Calendar:
    return Calendar(NOW.replace(day=day))


def kept(calendar: Calendar) -> Books:
    first = price_list.read(price_list.FIRST_PRICE_LIST)
    card = StoredRateCard(UUID(int=1), first.card)
    return books.keep(calendar, Prices({card.id: card}, TaxRates(first.tax_rates)))


def instants(calendar: Calendar) -> set[tuple[str, datetime]]:
    """All that happened, by a name of its own."""
    ledger = kept(calendar)
    said = threads.threads(calendar, ledger)
    found: set[tuple[str, datetime]] = set()
    for event in trail.events(calendar, ledger, said, []):
        if event.event_type != "usage.recorded":
            found.add((str(event.row()), event.at))
    for account in ledger.accounts.values():
        for revisions in account.usage.values():
            found |= {(f"usage of {account.company.slug}", row.recorded_at) for row in revisions}
    for thread in said:
        found |= {(str(comment), comment.created_at) for comment in thread.comments}
    for invoice in ledger.invoices:
        found.add((f"{invoice.id} {invoice.number} {invoice.bill.rating}", invoice.issued_at))
        found |= {(str(payment), payment.received_at) for payment in invoice.payments}
    found |= {(str(row), row.created_at) for row in notices.notifications(calendar, ledger)}
    return found


async def showcase(admin: asyncpg.Connection) -> UUID:
    id: UUID = await admin.fetchval("select id from customers where name = $1", SHOWCASE.name)
    return id


def said(line: LineRow) -> tuple[Any, ...]:
    return (
        line.position,
        line.kind,
        line.metric,
        line.tier,
        line.adjusted_month,
        line.description,
        line.quantity,
        line.billable,
        bands_of(line.bands),
        line.amount,
    )


@dataclass
class Ledger:
    """All invoices with what they were computed from, as it stands in the database."""

    invoices: list[InvoiceRow]
    lines: dict[UUID, list[LineRow]]
    corrections: dict[tuple[UUID, date], tuple[int, Decimal]]
    revisions: dict[tuple[UUID, date], list[UsageRow]]
    cards: dict[UUID, StoredRateCard]
    tax_rates: TaxRates

    @classmethod
    async def read(cls, admin: asyncpg.Connection) -> Ledger:
        session = Session(admin)
        bills = await invoices.by_ids(session, await session.values("select id from invoices"))
        lines: dict[UUID, list[LineRow]] = {}
        for line in await invoices.lines_by_invoices(session, [bill.key for bill in bills]):
            lines.setdefault(line.invoice_id, []).append(line)
        corrections = await admin.fetch(
            "select invoice_id, adjusted_month, usage_revision, charged_before from invoice_lines"
            " where kind = 'adjustment'"
        )
        revisions: dict[tuple[UUID, date], list[UsageRow]] = {}
        for row in await session.all(UsageRow, f"select {columns(UsageRow)} from usage_metrics"):
            revisions.setdefault((row.customer_id, row.month), []).append(row)
        cards = {stored.id: stored for stored in await prices.all_cards(session)}
        return cls(
            bills,
            lines,
            {(invoice, month): (revision, before) for invoice, month, revision, before in corrections},
            revisions,
            cards,
            await prices.all_tax_rates(session),
        )

    def rated(self, invoice: InvoiceRow) -> rating.Rating:
        """The invoice computed again, from what it names."""
        month = Month.of(invoice.month)
        periods = tuple(
            TierDays(Tier(one["tier"]), Days(date.fromisoformat(one["from"]), date.fromisoformat(one["to"])))
            for one in json.loads(invoice.tier_periods)
        )
        tax = Tax(
            jurisdiction=invoice.tax_jurisdiction,
            status=TaxStatus(invoice.tax_status),
            rate=self.tax_rates.on(month.last, invoice.tax_jurisdiction),
        )
        adjustments = []
        for line in self.lines[invoice.id]:
            if line.kind == LineKind.ADJUSTMENT and line.adjusted_month is not None:
                revision, before = self.corrections[invoice.id, line.adjusted_month]
                corrected = next(
                    one
                    for one in self.invoices
                    if (one.customer_id, one.month) == (invoice.customer_id, line.adjusted_month)
                )
                newest = self.charge(corrected, revision)
                adjustments.append(Adjustment(Month.of(line.adjusted_month), newest=newest, charged=before))
        used = self.used(invoice, invoice.usage_revision)
        return rating.rate(self.cards[invoice.rate_card_id].card, periods, month, used, tax, adjustments)

    def charge(self, invoice: InvoiceRow, revision: int) -> Decimal:
        """What this revision of the invoice's month comes to under its price list and tier."""
        card = self.cards[invoice.rate_card_id].card
        return rating.usage_charge(card, Tier(invoice.tier), self.used(invoice, revision)).net

    def used(self, invoice: InvoiceRow, revision: int) -> Usage:
        rows = self.revisions[invoice.customer_id, invoice.month]
        return usage_of(next(row for row in rows if row.revision == revision))
