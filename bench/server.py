"""A server in a process of its own, as a bench meets it: over HTTP, with what it uses of the machine.

`python -m bench.server` is the application, with the worker in its background. It takes its settings from the environment,
listens on a free port of 127.0.0.1 and says which. `graphql-core` as an argument: it answers without plans; `rows`: no list
is JSON that the database wrote. `floor` or `bare` and a caller in JSON: `bench.floor` or `bench.bare` stands in its place;
`naive`: `bench.naive`, over PEERS_URL. Where `make bench` has made build/bench, uvicorn finds uvloop and httptools there, as its
documentation recommends for production.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

_FASTER = Path(__file__).parent.parent / "build" / "bench"
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
        return _used(self.pid) / 1e9

    def memory(self) -> float:
        """Megabytes of it that lie in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


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
    path = {"PYTHONPATH": str(_FASTER)} if _FASTER.is_dir() else {}
    with running([sys.executable, "-m", "bench.server", *arguments], {**environment, **path}) as server:
        yield server


@contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    """A program that writes the number of its port, and serves until the block is left."""
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True) as process:
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


def backends_cpu(home: Path) -> dict[int, int]:
    """Nanoseconds that each living process of the PostgreSQL in `home` has used so far; see `since`."""
    postmaster = (home / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0]
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            if path.read_text().rpartition(") ")[2].split()[1] == postmaster:
                found[int(path.parent.name)] = _used(int(path.parent.name))
        except OSError:
            continue
    return found


def since(before: Mapping[int, int], after: Mapping[int, int]) -> float:
    """Seconds that those of `after` have used meanwhile."""
    return sum(used - before.get(pid, 0) for pid, used in after.items()) / 1e9


def _used(pid: int) -> int:
    """Nanoseconds of all threads, in the kernel and out of it."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def _ticks(stat: str, first: int, end: int) -> int:
    """Of /proc/PID/stat: utime and stime are 11 and 12, those of ended children 13 and 14, counted after the name."""
    return sum(map(int, stat.rpartition(") ")[2].split()[first:end]))


def _application(kind: str = "", caller: str = "") -> Any:
    connections = int(os.environ.get("LANDLORD_CONNECTIONS") or 1)
    if kind == "naive":
        from bench import naive

        return naive.application(os.environ["PEERS_URL"], connections)
    from app import Settings, create_app
    from auth.contexts import ContextKey
    from bench import bare
    from bench.floor import Floor
    from resolvers import reading
    from resolvers.buckets import ALLOWANCES, Allowance
    from resolvers.planner import Planner

    settings = Settings.from_env()
    told = json.loads(caller or "{}")
    floor = (settings.tenant_url, ContextKey(*settings.context_key))
    if kind == "floor":
        return Floor(
            *floor,
            UUID(told["customer"]),
            UUID(told["key"]),
            relaxed=settings.relaxed_reads,
            connections=connections,
        )
    if kind == "rows":
        reading.listing = lambda *_: None  # type: ignore[attr-defined]
    if kind == "graphql-core":
        Planner.of = classmethod(lambda *_: None)  # type: ignore[method-assign, assignment]
    # one caller asks for all: nobody's bucket is to run dry
    application = create_app(settings, allowances=dict.fromkeys(ALLOWANCES, Allowance(10**9, 10**9)))
    if kind == "bare":
        sent = asyncio.run(bare.recorded(application, told["token"]))
        return bare.Bare(*floor, UUID(told["customer"]), UUID(told["key"]), sent=sent, connections=connections)
    return application


def main() -> None:
    import uvicorn

    # asyncio sends small packets at once (TCP_NODELAY) where the socket says that it is TCP's; without it each answer waits
    # 40 ms for the client's delayed acknowledgement
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        application = _application(*sys.argv[1:])
        if sys.argv[1:2] != ["naive"]:
            gc.collect()
            gc.freeze()  # as handler.py does
        config = uvicorn.Config(
            application, log_level="warning", access_log=False, proxy_headers=False, timeout_keep_alive=600
        )
        server = uvicorn.Server(config)
        print(listener.getsockname()[1], flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main()
