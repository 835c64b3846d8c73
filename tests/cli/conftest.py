"""The real `landlord` in a process of its own, against a real server on 127.0.0.1 and a real database."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvicorn
from click.testing import CliRunner

from app import Settings, create_app, utc_now
from cli.main import main
from db.connection import Connections
from tests.landlord import Tenant
from tests.ledger import Ledger

COMMAND = Path(sys.executable).with_name("landlord")
ANOTHER_MACHINES = ("LANDLORD_", "AWS_", "HTTP_PROXY", "COLUMNS")


@dataclass(frozen=True)
class Ran:
    """How the command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """What a person reads: without rules, empty lines, and the room between columns."""
        lines = (" ".join(line.split()) for line in self.out.splitlines())
        return [line for line in lines if line.strip("─ ")]


@dataclass(frozen=True)
class Shell:
    """Where commands are typed. Nobody bills in the server's background: `work` does while a command runs."""

    url: str
    key: str
    ledger: Ledger

    def environment(self, **settings: str) -> dict[str, str]:
        """A clean one, with these settings; one that is empty is not set."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ANOTHER_MACHINES)}
        ours = {"LANDLORD_URL": self.url, "LANDLORD_KEY": self.key, "COLUMNS": "120"} | settings
        return kept | {name: value for name, value in ours.items() if value}

    @asynccontextmanager
    async def typed(self, *words: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """A command that runs."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            COMMAND, *words, env=self.environment(**settings), stdout=pipe, stderr=pipe
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def ended(self, process: asyncio.subprocess.Process) -> Ran:
        out, err = await process.communicate()
        assert self.key not in out.decode() + err.decode()
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def run(self, *words: str, work: bool = False, **settings: str) -> Ran:
        """A whole command; with `work` somebody bills meanwhile."""
        async with self.typed(*words, **settings) as process:
            ended = asyncio.create_task(self.ended(process))
            while work and not ended.done():
                # by the clock of the server, which says what is overdue
                await self.ledger.work(now=utc_now())
                await asyncio.sleep(0.05)
            return await ended

    async def asks(self, operation: str) -> None:
        """Returns once the operation of this name has been asked for once more, by whomever."""
        count = "select count(*) from audit_events where metadata ->> 'operation' = $1"
        before = await self.ledger.admin.fetchval(count, operation)
        while await self.ledger.admin.fetchval(count, operation) == before:
            await asyncio.sleep(0.01)

    async def here(self, *words: str, **settings: str) -> Ran:
        """As `run`, in this process: for what is refused, of which a process of its own would show no more."""
        environment = {name: None for name in os.environ if name.startswith(ANOTHER_MACHINES)}
        invoke = partial(CliRunner().invoke, main, words, env={**environment, **self.environment(**settings)})
        done = await asyncio.to_thread(invoke)
        assert self.key not in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return Ran(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
async def ledger(house: Tenant, connections: Connections, admin: asyncpg.Connection) -> Ledger:
    books = Ledger(house, connections, admin)
    await books.open()
    return books


@pytest.fixture(scope="session")
async def url(settings: Settings) -> AsyncIterator[str]:
    """Of a server in a thread, with a loop of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(settings), lifespan="on", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def shell(url: str, ledger: Ledger, one_way: None) -> Shell:
    """What is polled moves on between two answers, so queries are answered once."""
    return Shell(url, ledger.house.key, ledger)
