"""Readings made beforehand are those of this release and of no other, and answer without a schema."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import orjson
import pytest

from app import Settings, create_app
from local import readings
from resolvers import beforehand, manifest
from tests.landlord import Landlord
from tests.planner.test_readings import same_as_unknown

ROOT = Path(__file__).parents[2]
KNOWN = """query Known($first: Int) { customer { name invoices(first: $first) { nodes { number } } } }"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A copy of this one, with a manifest that knows one document."""
    for folder in (*beforehand._FOLDERS,):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    known = tmp_path / "resolvers" / "manifest.json"
    known.write_bytes(orjson.dumps({manifest.hash_of(KNOWN): {"operations": ["Known"], "text": KNOWN}}))
    (tmp_path / "resolvers" / beforehand.FILE).write_bytes(readings.made(known, tmp_path))
    return tmp_path


def made(release: Path) -> beforehand.Made:
    return beforehand.read(release / "resolvers" / "manifest.json", release)


def test_it_is_found_by_the_hash_of_the_whole_text_under_its_name_or_none(release: Path) -> None:
    found = made(release)
    assert found.keys() == {(manifest.hash_of(KNOWN), "Known"), (manifest.hash_of(KNOWN), None)}
    reading = found[manifest.hash_of(KNOWN), None]()
    assert (reading.facts.name, reading.facts.fields) == ("Known", ("customer",))
    assert reading.scopes == ("customers:read", "invoices:read")


@pytest.mark.parametrize(
    "changed",
    [
        "schema/schema.graphql",
        "requirements.txt",
        "db/invoices.py",
        "resolvers/shapes/invoices.py",
        "billing/standing.py",
    ],
)
def test_of_another_schema_other_sources_or_another_lock_it_is_not_used(
    release: Path, changed: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (release / changed).open("a") as file:
        file.write("\n")
    with caplog.at_level(logging.ERROR, "landlord.readings"):
        assert made(release) == {}
    assert "made of other sources" in caplog.text


def test_a_source_that_came_or_went_makes_it_another_release(release: Path) -> None:
    (release / "db" / "more.py").write_text("")
    assert made(release) == {}
    (release / "db" / "more.py").unlink()
    (release / "db" / "tickets.py").unlink()
    assert made(release) == {}


def test_where_none_were_made_there_are_none(release: Path) -> None:
    (release / "resolvers" / beforehand.FILE).unlink()
    assert made(release) == {}


async def test_it_answers_and_refuses_as_any_document_is_answered_and_refused(
    release: Path, settings: Settings, landlord: Landlord
) -> None:
    here = release / "resolvers" / "manifest.json"
    (here.with_name(beforehand.FILE)).write_bytes(readings.made(here, ROOT))  # of the release that runs
    tenant = await landlord.tenant()
    poor = await landlord.key(tenant.customer_id, ["customers:read"])
    app = create_app(replace(settings, manifest=here))
    async with app.router.lifespan_context(app):
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://beforehand.test")
        known, few = (replace(one, landlord=replace(landlord, http=http)) for one in (tenant, poor))
        assert (await known.api(KNOWN, first=1))["customer"] == {"name": "Acme", "invoices": {"nodes": []}}
        for caller, variables in ((known, {"first": "x"}), (known, {"first": 101}), (few, {"first": 1})):
            one = (await caller.post(KNOWN, variables)).json()
            same_as_unknown(one, (await caller.post(f"{KNOWN} # unknown", variables)).json())
        await known.api("mutation { revokeSession { errors { code } } }")
        ended = await known.post(KNOWN, {"first": 1})
        assert ended.status_code == 401
        same_as_unknown(ended.json(), (await known.post(f"{KNOWN} # ended", {"first": 1})).json())
