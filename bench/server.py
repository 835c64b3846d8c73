"""The application in a process of its own, as a bench meets it: over HTTP, with the worker in its background.

`python -m bench.server` takes its settings from the environment, listens on a free port of 127.0.0.1 and says which.
`graphql-core` as an argument: it answers without plans. `floor` and a caller in JSON: `bench.floor` stands in its place.
"""

from __future__ import annotations

import gc
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import uvicorn

from app import Settings, create_app
from auth.contexts import ContextKey
from bench.floor import Floor
from resolvers.buckets import ALLOWANCES, Allowance
from resolvers.planner import Planner

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A running application."""

    port: int
    pid: int

    def client(self, token: str | None) -> Client:
        return Client(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), token)

    def cpu(self) -> float:
        """Seconds that the process has used so far, to the nanosecond."""
        used = [path.read_text().split()[0] for path in Path(f"/proc/{self.pid}/task").glob("*/schedstat")]
        return sum(map(int, used)) / 1e9


@dataclass
class Client:
    """One caller over one connection that is kept open."""

    connection: http.client.HTTPConnection
    token: str | None

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer's data. Raises AssertionError where there are errors."""
        answer = json.loads(self.send(json.dumps({"query": query, "variables": variables}).encode()))
        assert "errors" not in answer, answer
        return answer["data"]

    def send(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        self.connection.request("POST", "/graphql", body, headers)
        return self.connection.getresponse().read()


@contextmanager
def start(environment: Mapping[str, str], *arguments: str) -> Iterator[Server]:
    """Serves until the block is left."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.server", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield Server(port=int(process.stdout.readline()), pid=process.pid)
        finally:
            process.terminate()


def cluster_cpu(home: Path) -> float:
    """Seconds that all processes of the PostgreSQL in `home` have used so far, ended ones too."""
    postmaster = (home / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]
    used = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = path.read_text()
        except OSError:
            continue
        if path.parent.name == postmaster:
            used += _ticks(stat, 11, 15)  # with those of its ended children
        elif stat.rpartition(") ")[2].split()[1] == postmaster:
            used += _ticks(stat, 11, 13)
    return used / _TICKS


def _ticks(stat: str, first: int, end: int) -> int:
    """Of /proc/PID/stat: utime and stime are 11 and 12, those of ended children 13 and 14, counted after the name."""
    return sum(map(int, stat.rpartition(") ")[2].split()[first:end]))


def _application(kind: str = "", caller: str = "") -> Any:
    settings = Settings.from_env()
    if kind == "floor":
        told = json.loads(caller)
        return Floor(
            settings.tenant_url,
            ContextKey(*settings.context_key),
            UUID(told["customer"]),
            UUID(told["key"]),
            relaxed=settings.relaxed_reads,
            connections=settings.connections,
        )
    if kind == "graphql-core":
        Planner.of = classmethod(lambda *_: None)  # type: ignore[method-assign, assignment]
    # one caller asks for all: nobody's bucket is to run dry
    return create_app(settings, allowances=dict.fromkeys(ALLOWANCES, Allowance(10**9, 10**9)))


def main() -> None:
    # asyncio sends small packets at once (TCP_NODELAY) where the socket says that it is TCP's; without it each answer waits
    # 40 ms for the client's delayed acknowledgement
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        application = _application(*sys.argv[1:])
        gc.collect()
        gc.freeze()  # as handler.py does
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", timeout_keep_alive=600))
        print(listener.getsockname()[1], flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
