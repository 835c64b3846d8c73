"""What the benches say of figures: ratios, goals, round trips, and that a peer reads its own customer's rows alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from bench import comparison, growth, report, roundtrips, tables
from bench.comparison import FLOOR, OURS, POSTGRAPHILE, Answered, Compared, Turn
from bench.growth import Cost
from bench.peers import database as peers
from local import database, postgres
from schema.ids import typeid

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance.md"


def compared(**cpu: tuple[float, ...]) -> Compared:
    """Of one query: the server's CPU in each round, by who answered."""
    names = {"ours": OURS, "postgraphile": POSTGRAPHILE, "floor": FLOOR}
    turns = {names[who]: [Turn(one, 0.1, [one, one]) for one in each] for who, each in cpu.items()}
    return Compared({"q1": {name: Answered(each) for name, each in turns.items()}})


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_medians() -> None:
    """A round in which the machine was busy made everybody slow."""
    found = compared(ours=(1, 10, 2), postgraphile=(4, 20, 6))
    assert found.ratio("q1", OURS, POSTGRAPHILE, lambda turn: turn.cpu) == pytest.approx(1 / 3)
    assert found.ratio("q1", POSTGRAPHILE, OURS, lambda turn: turn.cpu) == pytest.approx(3)


def test_a_goal_is_met_up_to_its_bound_and_not_beyond() -> None:
    assert report.Goal("q1", 0.5, 0.5).met
    assert not report.Goal("q1", 0.51, 0.5).met


def test_a_missed_goal_says_what_our_statement_takes_by_itself() -> None:
    assert report._told(report.Goal("q1", 0.6, 1 / 3, 0.375)) == ["q1", "0.60", "0.33", "missed", "0.38"]
    assert report._told(report.Goal("a first answer", 162, 250)) == ["a first answer", "162.00", "250.00", "met", ""]


def test_what_peers_call_an_id_is_what_our_typeid_holds() -> None:
    id = uuid4()
    ours = {"customer": {"id": typeid("cus", id), "lines": [{"id": typeid("inv", id), "name": "inv_1"}]}}
    theirs = {"customer": {"id": str(id), "lines": [{"id": str(id), "name": "inv_1"}]}}
    assert comparison._plain(ours) == comparison._plain(theirs) == theirs


def test_the_dearest_page_of_the_longest_trail_counts() -> None:
    """Round by round: the second one was slow for everybody."""
    costs = [
        Cost("newest", 1_000, [(9, 9), (90, 90)], blocks=1),
        Cost("newest", 10_000, [(1, 1), (10, 10)], blocks=10),
        Cost("newest", 1_000_000, [(2, 1), (20, 10)], blocks=15),
        Cost("filtered", 10_000, [(1, 1), (10, 10)], blocks=10),
        Cost("filtered", 1_000_000, [(3, 2), (30, 20)], blocks=12),
    ]
    assert growth.cpu_at_scale(costs) == 2.5
    assert growth.blocks_at_scale(costs) == 1.5


def test_a_slope_is_what_one_more_item_takes_in_microseconds() -> None:
    costs = [Cost("page", 1, [(1.0, 0.5)]), Cost("page", 50, [(1.2, 0.9)]), Cost("page", 101, [(2.0, 1.5)])]
    assert growth.slope(costs) == 20


def test_a_table_in_markdown_has_a_rule_below_its_heading() -> None:
    assert tables.markdown([["a", "b"], ["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


@pytest.mark.direct("it counts on the wire to PostgreSQL itself")
async def test_a_round_trip_is_counted_for_each_time_that_a_client_waits(cluster: postgres.Cluster) -> None:
    with roundtrips.counting(cluster.port) as heard:
        connection = await asyncpg.connect(heard.through(cluster.superuser_url))
        await connection.fetch("select $1::int", 1)  # prepared here
        before = heard.waits
        await connection.execute("begin; select 1")
        for number in range(5):
            assert await connection.fetchval("select $1::int", number) == number
        await connection.execute("commit")
        assert heard.waits - before == 7
        await connection.fetch("select $1::int + 1", 1)  # prepared first, and then asked
        assert heard.waits - before == 9
        await connection.close()


@pytest.fixture(scope="module")
def own() -> Iterator[postgres.Cluster]:
    """A cluster that nobody else uses: what peers are given they are given in all of it."""
    with tempfile.TemporaryDirectory(prefix="landlord-peers-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        with postgres.start(Path(folder, "home"), durable=False) as cluster:
            yield cluster


async def test_a_peer_reads_the_rows_of_one_customer_and_none_without(own: postgres.Cluster) -> None:
    await database.prepare(own.superuser_url, database.secrets_of(own.home))
    url = await peers.plant(own)
    admin = await asyncpg.connect(database.admin_url(own.superuser_url), server_settings={"search_path": "landlord"})
    made = await admin.fetch(
        """
        with made as (
            insert into customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)
            select name, 'a@b.example', 'a@b.example', 'DE', 'taxable', '2025-01-01' from unnest('{Acme,Globex}'::text[]) as name
            returning id, name
        ), tier as (
            insert into tier_history (customer_id, starts_on, tier) select id, '2025-01-01', 'standard' from made
        ), ticket as (
            insert into support_tickets (customer_id, subject, created_by) select id, name || ' asks', 'me' from made
        )
        select id, name from made order by name
        """
    )
    views = await admin.fetch(
        "select relname from pg_class where relnamespace = 'peers'::regnamespace and relkind = 'v'"
    )
    await admin.close()
    acme, globex = made

    peer = await asyncpg.connect(url)
    assert not await peer.fetchval("select rolsuper or rolbypassrls from pg_roles where rolname = current_user")
    for view in views:
        with pytest.raises(asyncpg.UndefinedObjectError, match=r"peers\.customer_id"):
            await peer.fetch(f"select * from peers.{view['relname']}")
    for one, other in ((acme, globex), (globex, acme)):
        async with peer.transaction():
            await peer.execute("select set_config('peers.customer_id', $1, true)", str(one["id"]))
            assert [(row["name"], row["tier"]) for row in await peer.fetch("select * from peers.customers")] == [
                (one["name"], "STANDARD")
            ]
            assert await peer.fetchval("select array_agg(subject) from peers.tickets") == [f"{one['name']} asks"]
            assert await peer.fetch("select * from peers.tickets where customer_id = $1", other["id"]) == []
    await peer.close()


def test_the_readme_claims_what_the_last_run_found() -> None:
    readme = (ROOT / "README.md").read_text()
    (claim,) = report._SENTENCE.findall(readme)
    there = claim.replace("[docs/performance.md](docs/performance.md)", "[performance.md](performance.md)")
    assert " ".join(there.split()) in " ".join(PAGE.read_text().split())
    assert report.said_anew(readme, "It is quick.").count("It is quick.") == 1
