"""`make run` on a machine where something is in the way, and on one where nothing is: a sentence, or a server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import run
from local.home import Unusable, claim
from local.postgres import free_port

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.direct("it starts a database of its own")


def test_a_taken_port_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Unusable, match=rf"^Port {port} is taken by another program: stop that program, or choose"):
            run.run(home=tmp_path / "home", port=str(port))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("port", ["abc", "-1", "65536", "8000.5"])
def test_a_port_that_is_none_is_named_and_nothing_is_made(tmp_path: Path, port: str) -> None:
    with pytest.raises(Unusable, match=rf"^PORT is `{port}`, which is no port: set a number from 1024 to 65535\.$"):
        run.run(home=tmp_path / "home", port=port)
    assert not (tmp_path / "home").exists()


def test_the_listener_is_one_whose_answers_asyncio_sends_at_once() -> None:
    """asyncio sets TCP_NODELAY by this alone; without it every answer on a kept connection takes 40 ms longer."""
    with run._listener(str(free_port())) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_home_that_lost_its_secrets_is_named_and_not_given_new_ones(tmp_path: Path) -> None:
    home = claim(tmp_path / "home")
    (home / "postgres").mkdir()
    with pytest.raises(Unusable, match=rf"^{home} is damaged \(secrets\.json is gone\): put it back, or remove {home}"):
        run.run(home=home, port="0")
    assert sorted(path.name for path in home.iterdir()) == [".landlord-home", "postgres"]


def test_secrets_that_cannot_be_read_are_named_and_left_as_they_are(tmp_path: Path) -> None:
    home = claim(tmp_path / "home")
    (home / "secrets.json").write_text("{")
    with pytest.raises(
        Unusable, match=rf"^{home} is damaged \(secrets\.json cannot be read: .*\): put it back, or remove"
    ):
        run.run(home=home, port="0")
    assert (home / "secrets.json").read_text() == "{"


def test_a_refusal_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Anna")
    ran = subprocess.run(
        [sys.executable, "-m", "local.run"],
        cwd=ROOT,
        env=os.environ | {"LANDLORD_HOME": str(tmp_path), "PORT": "0"},
        capture_output=True,
        text=True,
    )
    sentence = (
        f"landlord: {tmp_path} holds files that Landlord did not make, so it stays as it is: "
        "set LANDLORD_HOME to a new or empty folder.\n"
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", sentence)


_BUILT = pytest.mark.skipif(
    not (ROOT / "graphiql/dist/index.html").exists(), reason="`make test` builds GraphiQL first"
)


@_BUILT
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_answers_and_then_stops_with_all_that_it_started(tmp_path: Path, stop: signal.Signals) -> None:
    home = tmp_path / "home"
    with _running(home) as (server, _):
        assert sorted(json.loads((home / "demo-keys.json").read_text())) == ["operator", "tenant"]
        assert (home / "demo-keys.json").stat().st_mode & 0o777 == 0o600
        assert (home / "postgres" / "postmaster.pid").exists()
        server.send_signal(stop)
        _, errors = server.communicate()
    assert (server.returncode, errors) == (0, b"")
    assert not (home / "postgres" / "postmaster.pid").exists()


@_BUILT
def test_whoever_names_another_address_in_a_header_stands_in_the_trail_with_his_own(tmp_path: Path) -> None:
    with _running(tmp_path / "home") as (server, url):
        key = json.loads((tmp_path / "home" / "demo-keys.json").read_text())["tenant"]
        asked = urllib.request.Request(
            f"{url}/graphql",
            b'{"query": "{ auditEvents(first: 1) { nodes { actorIp } } }"}',
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "X-Forwarded-For": "192.0.2.6"},
        )
        urllib.request.urlopen(asked, timeout=30).close()
        with urllib.request.urlopen(asked, timeout=30) as answer:  # of the call before
            assert json.load(answer)["data"]["auditEvents"]["nodes"] == [{"actorIp": "127.0.0.1"}]
        server.send_signal(signal.SIGINT)
        server.communicate()


@contextmanager
def _running(home: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """What `make run` starts, once it answers; and where."""
    port = free_port()
    environment = os.environ | {"LANDLORD_HOME": str(home), "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-m", "local.run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        try:
            assert _answer(server, f"http://127.0.0.1:{port}/healthz") == 200
            yield server, f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def _answer(server: subprocess.Popen[bytes], url: str) -> int:
    """The status of `url` once somebody answers there; 0 if `server` ends first."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                status: int = answer.status
                return status
        except urllib.error.URLError:
            time.sleep(0.1)
    return 0
