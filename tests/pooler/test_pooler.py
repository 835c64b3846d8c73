"""`make pooler` runs through a pooler that shares its connections, and fails for what would pin one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from app import Settings
from db.connection import Connections, Role
from tests.pooler import bouncer

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def pooled(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--pooler"):
        pytest.skip("there is a pooler with --pooler alone: make pooler")


@pytest.mark.off_script("it asks where it is, as the application never does")
async def test_many_connections_share_a_few_of_the_servers_and_none_keeps_its_own(settings: Settings) -> None:
    clients = [Connections({Role.WORKER: settings.worker_url}, pooled=settings.pooled) for _ in range(12)]

    async def backends(connections: Connections) -> set[int]:
        found = set()
        for _ in range(20):
            async with connections.transaction(Role.WORKER) as session:
                found.add(await session.value("select pg_backend_pid()"))
        return found

    seen = await asyncio.gather(*[backends(connections) for connections in clients])
    for connections in clients:
        await connections.close()
    assert len(set().union(*seen)) <= bouncer.BACKENDS
    assert any(len(one) > 1 for one in seen)


def test_a_run_in_which_a_session_would_be_pinned_fails_though_every_test_passes() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "1", "--pooler"]
    ran = subprocess.run([*command, "tests/pooler/off_course.py"], cwd=ROOT, capture_output=True, text=True)
    assert "2 passed" in ran.stdout, ran.stdout + ran.stderr
    assert ran.returncode == pytest.ExitCode.TESTS_FAILED
    # the driver parses an unnamed statement twice: to ask of its types, and to run it
    assert "2 x changes a setting: landlord_tenant in tests/pooler/off_course.py::test_that_works_and" in ran.stdout
    assert "2 said off script" in ran.stdout
