"""The very artifact, under Lambda's own runtime client: a cold start, 1,000 warm requests of two tenants, and a freeze during which the
database is started anew. No answer is wrong, and the sandbox is never started a second time.

`make runtime` runs it. Lambda's part is a Runtime API of our own: it hands out events, freezes the sandbox between them, and
takes the answers. The artifact is that of this machine's processor, and of its Python or LANDLORD_RUNTIME_PYTHON, unzipped into an empty
folder; nothing else of ours, and no other package but the runtime client, is in the sandbox's reach.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import pytest

from local import postgres
from tests.api.test_lambda import DASHBOARD, QUESTION, asks, event, said
from tests.landlord import Landlord, Tenant

ROOT = Path(__file__).parents[2]
OTHER = os.environ.get("LANDLORD_RUNTIME_PYTHON")  # another Python than this one
RUNTIME = ROOT / "build" / (f"runtime-{OTHER}" if OTHER else "runtime") / "bin" / "python"
MACHINE = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
ARTIFACT = ROOT / "build" / f"landlord-api-{MACHINE}-py{OTHER or '{}.{}'.format(*sys.version_info[:2])}.zip"
FREEZE = float(os.environ.get("LANDLORD_FREEZE") or 60)  # seconds
REQUESTS = 1000
DASHBOARDS = 50


@dataclass
class Lambda:
    """Lambda's side of the Runtime API, for one sandbox. `ready` is set once it has asked for its first event."""

    events: queue.Queue[tuple[str, dict[str, Any]]] = field(default_factory=queue.Queue)
    answers: queue.Queue[tuple[str, Any]] = field(default_factory=queue.Queue)
    ready: threading.Event = field(default_factory=threading.Event)

    def handler(lambda_) -> type[BaseHTTPRequestHandler]:
        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # headers and body in one packet, sent at once: else each call waits for an ACK
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                lambda_.ready.set()
                request_id, body = lambda_.events.get()
                deadline = str(int((time.time() + 29) * 1000))
                self._send(200, json.dumps(body).encode(), {
                    "Content-Type": "application/json",  # without one the client crashes
                    "Lambda-Runtime-Aws-Request-Id": request_id,
                    "Lambda-Runtime-Deadline-Ms": deadline,
                    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:0:function:landlord-api",
                })  # fmt: skip

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
                *_, request_id, kind = self.path.split("/")
                lambda_.answers.put((request_id if kind == "response" else f"{request_id}/{kind}", body))
                self._send(202, b"")

            def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Answers


class RuntimeApi(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # a sandbox that is killed hangs up


@dataclass
class Sandbox:
    """`log` is where it writes to."""

    process: subprocess.Popen[bytes]
    side: Lambda
    log: Path

    def data(self, query: str, tenant: Tenant) -> Any:
        """What is answered to a question that nothing is wrong with."""
        answer = self.invoke(asks(query, tenant.token))
        assert (answer["statusCode"], said(answer).get("errors")) == (200, None), answer["body"]
        return said(answer)["data"]

    def invoke(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the function answers. Raises AssertionError where the runtime client reports a failure."""
        request_id = str(uuid4())
        self.side.events.put((request_id, asked))
        while True:
            try:
                answered, body = self.side.answers.get(timeout=1)
            except queue.Empty:
                assert self.process.poll() is None, f"the sandbox has ended with {self.process.returncode}"
            else:
                break
        assert answered == request_id, (answered, body)
        answer: dict[str, Any] = body
        return answer

    @property
    def cpu(self) -> float:
        """Seconds of a core that it has used: what Lambda's time is made of, whatever else this machine does."""
        ticks = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def sandbox(environment: dict[str, str], folder: Path) -> Iterator[Sandbox]:
    side = Lambda()
    server = RuntimeApi(("127.0.0.1", 0), side.handler())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = {name: value for name, value in environment.items() if name.startswith("LANDLORD_")}
    told |= {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "landlord-api",
        "AWS_REGION": "eu-central-1",
        "_HANDLER": "handler.api",
    }
    path = folder.parent / "log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [RUNTIME, "-m", "awslambdaric", "handler.api"], cwd=folder, env=told, stdout=log, stderr=log
        )
    try:
        yield Sandbox(process, side, path)
    except BaseException as failed:
        failed.add_note("The sandbox wrote last:\n" + path.read_text()[-5000:])
        raise
    finally:
        process.kill()
        process.wait()
        server.shutdown()
        server.server_close()


@pytest.fixture
def unzipped(tmp_path: Path) -> Path:
    with zipfile.ZipFile(ARTIFACT) as artifact:
        artifact.extractall(tmp_path / "task")
    return tmp_path / "task"


async def test_a_start_compiles_nothing(
    landlord: Landlord, acme: Tenant, environment: dict[str, str], unzipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever Python has to compile it writes down, where it can; in Lambda it cannot, and would compile it at every start."""
    expected = await acme.api(QUESTION)
    compiled, bare = set(unzipped.rglob("*.pyc")), unzipped.with_name("bare") / "task"
    shutil.copytree(unzipped, bare, ignore=shutil.ignore_patterns("__pycache__"))
    cpu = {}
    for folder in (unzipped, bare):
        with sandbox(environment, folder) as lambda_:
            assert lambda_.data(QUESTION, acme) == expected
            cpu[folder] = lambda_.cpu
    assert len(compiled) > 500
    assert set(unzipped.rglob("*.pyc")) == compiled
    assert len(set(bare.rglob("*.pyc"))) > 300
    with capsys.disabled():
        print(
            f"\na start and its answer: {cpu[unzipped] * 1000:.0f} ms of a core; where nothing is compiled {cpu[bare] * 1000:.0f} ms"
        )


async def test_one_sandbox_answers_rightly_whatever_happens_around_it(
    landlord: Landlord,
    cluster: postgres.Cluster,
    environment: dict[str, str],
    unzipped: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # of a tier whose bucket holds all that is asked here, however quickly
    acme, globex = [await landlord.tenant(name, tier="gov_federal") for name in ("Acme", "Globex")]
    expected = {}
    for tenant in (acme, globex):
        await tenant.api('mutation { openTicket(input: {subject: "Help", body: "please"}) { errors { code } } }')
        expected[tenant.key_id] = await tenant.api(QUESTION)
    assert expected[acme.key_id] != expected[globex.key_id]

    began = time.perf_counter()
    with sandbox(environment, unzipped) as lambda_:
        assert lambda_.side.ready.wait(300)
        imported = time.perf_counter() - began
        assert lambda_.data(QUESTION, acme) == expected[acme.key_id]
        cold, started = time.perf_counter() - began, lambda_.cpu

        took = []
        for number in range(REQUESTS):
            tenant = (acme, globex)[number % 2]
            at = time.perf_counter()
            assert lambda_.data(QUESTION, tenant) == expected[tenant.key_id]
            took.append(time.perf_counter() - at)
        assert lambda_.invoke(asks(QUESTION, None))["statusCode"] == 401
        small, dashboards = lambda_.cpu, []
        for _ in range(DASHBOARDS):
            at = time.perf_counter()
            assert lambda_.data(DASHBOARD, acme)["customer"]["name"] == "Acme"
            dashboards.append(time.perf_counter() - at)
        large = lambda_.cpu

        lambda_.process.send_signal(signal.SIGSTOP)
        landlord.admin.terminate()  # or the end of this test would say goodbye to a server that is gone
        with restarted(cluster):
            time.sleep(FREEZE)
            lambda_.process.send_signal(signal.SIGCONT)
            at = time.perf_counter()
            for tenant in (acme, globex, acme):
                assert lambda_.data(QUESTION, tenant) == expected[tenant.key_id]
            thawed = time.perf_counter() - at
            assert said(lambda_.invoke(event("GET", "/readyz"))) == {"status": "ready", "problems": []}
        # the one process, to the end; nothing was answered that nobody asked
        assert lambda_.process.poll() is None
        assert lambda_.side.answers.empty()
        # and each request left one line, in the form that CloudWatch makes metrics of
        lines = [json.loads(line) for line in lambda_.log.read_text().splitlines()]
        asked = 1 + REQUESTS + 1 + DASHBOARDS + 3
        assert [line["logger"] for line in lines if "_aws" in line] == ["landlord.requests"] * asked

    took.sort()
    with capsys.disabled():
        print(
            f"\n{ARTIFACT.name}: the first answer {cold * 1000:.0f} ms after the start, {imported * 1000:.0f} ms of it before any"
            f" event; {started * 1000:.0f} ms of a core\n"
            f"{REQUESTS} warm: median {median(took) * 1000:.1f} ms, 99th {took[-len(took) // 100] * 1000:.1f} ms;"
            f" {(small - started) / REQUESTS * 1000:.1f} ms of a core each\n"
            f"a dashboard: median {median(dashboards) * 1000:.1f} ms; {(large - small) / len(dashboards) * 1000:.1f} ms of a core\n"
            f"after {FREEZE:.0f} s frozen: three answers in {thawed * 1000:.0f} ms"
        )


@contextmanager
def restarted(cluster: postgres.Cluster) -> Iterator[None]:
    """The database stopped, and started anew at the same address: every connection there was is dead."""
    cluster._server.send_signal(signal.SIGINT)
    cluster._server.wait(60)
    command = [str(part) for part in cluster._server.args]  # type: ignore[union-attr]
    quiet = subprocess.DEVNULL
    env = postgres._environment()
    server = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, env=env, start_new_session=True)
    try:
        while (postgres._status(cluster.home) or ("", ""))[1] != "ready":
            assert server.poll() is None, "the database did not start again"
            time.sleep(0.05)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
