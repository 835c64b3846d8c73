"""The local PostgreSQL: it starts whatever the last start left behind, keeps its data, and leaves what is not ours."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from local.home import Unusable
from local.postgres import Cluster, find, start

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.direct("it starts a database of its own")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was started once and stopped, for copying: making one takes a second."""
    home = tmp_path_factory.mktemp("made") / "home"
    start(home, durable=False).stop()
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "home"))


@pytest.fixture
def orphan(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A launcher that was killed; its server lives on. Its output is the server's URL."""
    program = (
        "import os, signal, sys; from pathlib import Path; from local.postgres import start\n"
        "cluster = start(Path(sys.argv[1]), durable=True)\n"
        "print(cluster.superuser_url, end='', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, home], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.wait() == -signal.SIGKILL
        yield process


async def value(cluster: Cluster | str, sql: str, *, user: str | None = None, password: str | None = None) -> Any:
    url = cluster if isinstance(cluster, str) else cluster.superuser_url
    connection = await asyncpg.connect(url, user=user, password=password)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_second_start_finds_what_the_first_one_wrote_under_the_same_password(tmp_path: Path) -> None:
    with start(tmp_path / "home", durable=True) as first:
        await value(first, "create table kept as select 42 as answer")
    with start(tmp_path / "home", durable=True) as second:
        assert await value(second, "select answer from kept") == 42
    assert first.superuser_url.rpartition(":")[0] == second.superuser_url.rpartition(":")[0]


async def test_nobody_enters_without_the_password(home: Path) -> None:
    with start(home, durable=True) as cluster:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await value(cluster, "select 1", password="guessed")
        methods = "select array_agg(distinct auth_method) from pg_hba_file_rules where error is null"
        assert await value(cluster, methods) == ["scram-sha-256"]


async def test_it_listens_on_the_loopback_address_alone(home: Path) -> None:
    with start(home, durable=True) as cluster:
        where = "select current_setting('listen_addresses') || '|' || current_setting('unix_socket_directories')"
        assert await value(cluster, where) == "127.0.0.1|"


async def test_the_admin_url_works_and_only_this_user_may_read_it(home: Path) -> None:
    with start(home, durable=True) as cluster:
        assert await value((home / "admin-url").read_text().strip(), "select session_user::text") == "postgres"
    assert (home / "admin-url").read_text() == cluster.superuser_url + "\n"
    assert [(home / name).stat().st_mode & 0o777 for name in ("admin-url", "postgres-password")] == [0o600, 0o600]
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("durable", "fsync"), [(True, "on|on|on"), (False, "off|off|off")])
async def test_commits_outlast_a_crash_only_where_asked(home: Path, durable: bool, fsync: str) -> None:
    with start(home, durable=durable) as cluster:
        settings = (
            "select concat_ws('|', current_setting('fsync'),"
            " current_setting('synchronous_commit'), current_setting('full_page_writes'))"
        )
        assert await value(cluster, settings) == fsync


async def test_a_number_left_by_a_killed_machine_is_not_taken_for_a_server(home: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file = home / "postgres" / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{home / 'postgres'}\n1\n5432\n\n127.0.0.1\n0 0\nready   \n")
        with start(home, durable=True) as cluster:
            assert await value(cluster, "select 1") == 1
        assert stranger.poll() is None
        stranger.kill()


async def test_a_server_that_outlived_its_launcher_is_stopped_and_its_commits_are_kept(
    home: Path, orphan: subprocess.Popen[str]
) -> None:
    assert orphan.stdout is not None
    url = orphan.stdout.read()
    await value(url, "create table kept as select 42 as answer")
    with start(home, durable=True) as cluster:
        assert await value(cluster, "select answer from kept") == 42
        with pytest.raises(ConnectionRefusedError):
            await value(url, "select 1")


async def test_a_server_killed_in_the_middle_of_work_recovers(home: Path) -> None:
    with start(home, durable=True) as killed:
        await value(killed, "create table kept as select 42 as answer")
        os.killpg(killed._server.pid, signal.SIGKILL)
        killed._server.wait()
    assert (home / "postgres" / "postmaster.pid").exists()
    with start(home, durable=True) as cluster:
        assert await value(cluster, "select answer from kept") == 42


def test_a_second_launcher_is_refused_while_the_first_one_runs(home: Path) -> None:
    with start(home, durable=True) as first:
        with pytest.raises(Unusable, match=r"^A Landlord is already running on .*/home: stop it, or set LANDLORD_HOME"):
            start(home, durable=True)
        assert first._server.poll() is None


async def test_a_first_start_that_was_killed_half_way_is_done_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    start(home, durable=False).stop()
    (home / "postgres").rename(home / "postgres.new")
    (home / "postgres.new" / "PG_VERSION").unlink()
    with start(home, durable=False) as cluster:
        assert await value(cluster, "select 1") == 1
    assert not (home / "postgres.new").exists()


def test_a_folder_with_somebody_elses_files_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to-anna.txt").write_text("Dear Anna")
    before = contents(tmp_path)
    with pytest.raises(
        Unusable, match=r"holds files that Landlord did not make.*: set LANDLORD_HOME to a new or empty"
    ):
        start(tmp_path, durable=True)
    assert contents(tmp_path) == before


def test_a_file_in_the_place_of_the_home_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(Unusable, match=r"/home is a file: set LANDLORD_HOME to a folder\.$"):
        start(tmp_path / "home", durable=True)
    assert contents(tmp_path) == {"home": b"not a folder"}


@pytest.mark.parametrize("lost", ["postgres/PG_VERSION", "postgres-password", "postgres/global/pg_control"])
def test_a_damaged_home_is_named_and_not_mended(home: Path, lost: str) -> None:
    (home / lost).unlink()
    before = {name for name in contents(home) if not name.endswith((".lock", ".log"))}
    with pytest.raises(Unusable, match=str(home)):
        start(home, durable=True)
    assert {name for name in contents(home) if not name.endswith((".lock", ".log"))} == before


def test_a_home_made_by_another_major_version_is_named_and_left_as_it_is(home: Path) -> None:
    (home / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(
        Unusable, match=r"was made by PostgreSQL 16, and this is 18: set LANDLORD_POSTGRES_BIN to version 16"
    ):
        start(home, durable=True)


@pytest.mark.parametrize(
    ("version", "accepted"),
    [
        ("14.23", False), ("15.18 (Debian 15.18-0+deb12u1)", False), ("16.14", False), ("17.5", False), ("17.6", True),
        ("18.0", True), ("19beta1", True),
    ],
)  # fmt: skip
def test_a_server_that_is_too_old_is_refused(tmp_path: Path, version: str, accepted: bool) -> None:
    for program in ("postgres", "initdb"):
        (tmp_path / program).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (tmp_path / program).chmod(0o755)
    if accepted:
        assert find(str(tmp_path)).folder == tmp_path
    else:
        with pytest.raises(Unusable, match=r"^PostgreSQL 1.* is too old: Landlord needs 17\.6 or newer"):
            find(str(tmp_path))


def test_a_setting_that_names_no_postgresql_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"does not hold `postgres` and `initdb`: LANDLORD_POSTGRES_BIN"):
        find(str(tmp_path))


def test_an_ordinary_user_starts_it_too() -> None:
    """Root tries it as user 65534; everybody else has shown it above."""
    if os.geteuid() != 0:
        return
    python = _python_for_everybody()
    if python is None:
        pytest.skip("no Python on this machine can be run by another user than root")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        os.chown(folder, 65534, 65534)
        program = (
            "from pathlib import Path; import os, sys; from local.postgres import start\n"
            "with start(Path(sys.argv[1]), durable=True) as cluster: print(os.geteuid(), cluster._server.poll())"
        )
        ran = subprocess.run(
            [*_AS_NOBODY, python, "-c", program, folder / "home"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"], "LANDLORD_POSTGRES_BIN": str(find(None).folder)},
        )
        assert (ran.stdout, ran.stderr) == ("65534 None\n", "")
        assert (folder / "home" / "admin-url").stat().st_uid == 65534
    finally:
        shutil.rmtree(folder)


_AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def _python_for_everybody() -> str | None:
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            subprocess.run(
                [*_AS_NOBODY, python, "-c", "import local.postgres"], cwd=ROOT, check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    return None
