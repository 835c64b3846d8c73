"""What the first answer of a new sandbox takes: from the start of the process to the answer of an API Gateway event.

The artifact of this machine's Python, unzipped, alone in the process's reach; secrets come over HTTP from a stand-in of the Parameters
and Secrets extension, the database connection is made by the first event, and the event carries a session. Asked is
bench/queries/q1.graphql, once as a trusted document, once with a comment that no manifest knows. Beside it, in turns: a plain
Strawberry application (bench/naive.py) from the same packages, without authentication or an audit event, its secret read
from the extension or by boto3; and bare asyncpg (bench/floor.py), without GraphQL or authentication.

    python -m bench.cold_start [--rounds 9] [--source] [--compiled] [--tables] [--json FILE]

`--source`: the working tree instead of an artifact, with bytecode that is there already. `--compiled`: the artifact with bytecode of
all its modules, whether it brings it or not. `--tables`: also as it is deployed, with
its two DynamoDB tables, which the AWS emulator has.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from bench import dashboards, tables
from bench.peers import database as peers
from local import aws, package, postgres, readings

ROOT = Path(__file__).parent.parent
QUERIES = Path(__file__).with_name("queries")

TRUSTED, UNKNOWN = "Landlord, trusted document", "Landlord, unknown document"
DEPLOYED, DEPLOYED_UNKNOWN = f"{TRUSTED}, with its tables", f"{UNKNOWN}, with its tables"
PLAIN, USUAL, FLOOR = "plain Strawberry", "plain Strawberry, boto3", "bare asyncpg"

# CPU of the first answer, in ms
GOALS = {TRUSTED: 250, UNKNOWN: 600}

_RUN = "import sys; sys.path.append(sys.argv.pop()); from bench.sandbox import main; main()"


@dataclass(frozen=True)
class Start:
    """Milliseconds of one core, and of the clock; modules that were there in the end."""

    cpu: float
    wall: float
    modules: int


@dataclass(frozen=True)
class Sandbox:
    """How a process of this kind is started, and what it is asked."""

    kind: str
    event: Mapping[str, Any]
    environment: Mapping[str, str]


Found = dict[str, list[Start]]


def measure(*, rounds: int, source: bool = False, compiled: bool = False, deployed: bool = False) -> Found:
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder, ExitStack() as running:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        python, task = ([sys.executable], ROOT) if source else ([_python(), "-S"], _unzipped(Path(folder, "task")))
        if compiled:
            subprocess.run([*python, "-m", "compileall", "-q", "."], cwd=task, check=True)
        cluster = running.enter_context(postgres.start(Path(folder, "home"), durable=True))
        environment = asyncio.run(dashboards.plant(cluster, customers=10, events=100))
        token, caller = asyncio.run(dashboards.token(cluster, environment))
        url = asyncio.run(peers.plant(cluster))
        secrets = {
            "context": {"context_key": environment["LANDLORD_CONTEXT_KEY"]},
            "sessions": {
                "session_keys": environment["LANDLORD_SESSION_KEYS"],
                "pepper": environment["LANDLORD_PEPPER"],
            },
            "peer": {"url": url},
            "floor": {
                "url": environment["LANDLORD_TENANT_URL"],
                "context_key": environment["LANDLORD_CONTEXT_KEY"],
                "customer": str(caller.customer_id),
                "key": str(caller.key_id),
            },
        }
        port = running.enter_context(_extension(secrets))
        text = (QUERIES / "q1.graphql").read_text()
        manifest = Path(folder, "manifest.json")
        with manifest.open("wb") as output:
            command = [*python, "-m", "resolvers.manifest", str(QUERIES)]
            subprocess.run(command, cwd=task, env=_BARE, stdout=output, check=True)
        with manifest.with_name("readings.json").open("wb") as output:
            output.write(readings.made(manifest, task))

        own = {
            "_HANDLER": "handler.api",
            "LANDLORD_SECRETS": "context,sessions",
            "LANDLORD_TENANT_URL": environment["LANDLORD_TENANT_URL"],
            "LANDLORD_OPERATOR_URL": environment["LANDLORD_OPERATOR_URL"],
            "LANDLORD_MANIFEST": str(manifest),
        }
        theirs = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        known = _event(text, {"authorization": f"Bearer {token}"})
        unknown = _event(text + "# told to nobody\n", {"authorization": f"Bearer {token}"})
        plain = _event(text, {"x-customer": str(caller.customer_id)})
        kinds = {TRUSTED: Sandbox("landlord", known, own), UNKNOWN: Sandbox("landlord", unknown, own)}
        if deployed:
            shared = own | _tables(running, Path(folder))
            kinds[DEPLOYED] = Sandbox("landlord", known, shared)
            kinds[DEPLOYED_UNKNOWN] = Sandbox("landlord", unknown, shared)
        kinds[PLAIN] = Sandbox("strawberry", plain, {})
        kinds[USUAL] = Sandbox("strawberry-boto3", plain, theirs)
        kinds[FLOOR] = Sandbox("floor", plain, {})
        environment_of_all = _BARE | {"AWS_SESSION_TOKEN": "t", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": str(port)}

        found: Found = {name: [] for name in kinds}
        answers = {}
        for turn in range(-1, rounds):  # the first one warms the disk's cache
            for name, one in kinds.items():
                start, answer = _started(python, task, one, environment_of_all)
                answers[name] = answer["customer"]["name"]
                if turn >= 0:
                    found[name].append(start)
        assert len(set(answers.values())) == 1, answers
    return found


# What Lambda tells a process, where it matters here. /var/task cannot be written to.
_BARE = {
    "PATH": os.environ["PATH"],
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
}


def _started(
    python: Sequence[str], task: Path, sandbox: Sandbox, environment: Mapping[str, str]
) -> tuple[Start, dict[str, Any]]:
    """What it took, and the answer's data."""
    began = time.perf_counter()
    said = subprocess.run(
        [*python, "-c", _RUN, sandbox.kind, str(ROOT)],
        cwd=task,
        env={**environment, **sandbox.environment},
        input=json.dumps(sandbox.event).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    wall = (time.perf_counter() - began) * 1000
    told = json.loads(said.stdout)
    answer = json.loads(told["answer"]["body"])
    assert "errors" not in answer, answer
    return Start(told["cpu"], wall, told["modules"]), answer["data"]


def _python() -> str:
    """This Python without its environment: in the sandbox there is nothing but the artifact."""
    return str(getattr(sys, "_base_executable", sys.executable))


def _unzipped(folder: Path) -> Path:
    """The artifact of this machine, built anew."""
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    version = "{}.{}".format(*sys.version_info[:2])
    command = ["-m", "local.package", "--functions", "api", "--architecture", machine, "--python", version]
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    with zipfile.ZipFile(package.BUILD / f"landlord-api-{machine}-py{version}.zip") as artifact:
        artifact.extractall(folder)
    return folder


def _tables(running: ExitStack, folder: Path) -> dict[str, str]:
    """The two tables, on an emulator: what a process is told of them."""
    emulator = running.enter_context(aws.start(folder))
    with patch.dict(os.environ, emulator.environment):
        aws.make_table("access")
        aws.make_table("buckets")
    return {**emulator.environment, "LANDLORD_ACCESS_TABLE": "access", "LANDLORD_BUCKETS_TABLE": "buckets"}


def _event(query: str, headers: dict[str, str]) -> dict[str, Any]:
    """As API Gateway hands it on, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "POST /graphql",
        "rawPath": "/graphql",
        "rawQueryString": "",
        "headers": {
            "content-type": "application/json",
            "host": "api.landlord.example",
            "user-agent": "bench",
            **headers,
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.landlord.example",
            "http": {
                "method": "POST",
                "path": "/graphql",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "bench",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "POST /graphql",
            "stage": "$default",
            "timeEpoch": 1795374238000,
        },
        "body": json.dumps({"query": query}),
        "isBase64Encoded": False,
    }


@contextmanager
def _extension(secrets: Mapping[str, Mapping[str, str]]) -> Iterator[int]:
    """The port of a stand-in: of the Parameters and Secrets extension by GET, of Secrets Manager itself by POST."""

    class Answers(BaseHTTPRequestHandler):
        # headers and body in one packet, sent at once
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            (name,) = parse_qs(urlsplit(self.path).query)["secretId"]
            self._say(name)

        def do_POST(self) -> None:
            self._say(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["SecretId"])

        def _say(self, name: str) -> None:
            body = json.dumps({"Name": name, "SecretString": json.dumps(secrets[name])}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def table(found: Found) -> tables.Table:
    """A heading and rows: medians, and of the rounds' ratios to the floor."""
    rows = [["first answer of", "CPU ms", "x of the floor", "wall ms", "modules"]]
    for name, starts in found.items():
        ratio = statistics.median(one.cpu / floor.cpu for one, floor in zip(starts, found[FLOOR], strict=True))
        rows.append([
            name,
            f"{statistics.median(one.cpu for one in starts):,.0f}",
            f"{ratio:.2f}",
            f"{statistics.median(one.wall for one in starts):,.0f}",
            f"{starts[0].modules:,}",
        ])  # fmt: skip
    return rows


def show(found: Found) -> None:
    tables.show(f"A new sandbox, medians of {len(found[FLOOR])} starts each", table(found))
    for name, goal in GOALS.items():
        cpu = statistics.median(one.cpu for one in found[name])
        print(f"Goal: {name} in {goal} ms of CPU at most: {'met' if cpu <= goal else 'missed'}.")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--source", action="store_true", help="start the working tree, and build no artifact")
    parser.add_argument("--compiled", action="store_true", help="compile the artifact's modules first")
    parser.add_argument(
        "--tables", action="store_true", help="also with the two tables (`make ground` installs the emulator)"
    )
    parser.add_argument("--json", type=Path, help="also write every figure there")
    asked = parser.parse_args(arguments)
    found = measure(rounds=asked.rounds, source=asked.source, compiled=asked.compiled, deployed=asked.tables)
    show(found)
    if asked.json is not None:
        asked.json.write_text(json.dumps({name: [asdict(one) for one in starts] for name, starts in found.items()}))


if __name__ == "__main__":
    main()
