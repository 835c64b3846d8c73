"""What it costs to know who asks, in microseconds of one request: by a session, by a key, by a key never seen before.

In one process, without HTTP, up to the caller; what `app.open` then asks of the credentials is part of every operation.
A key that another sandbox has verified costs a question to DynamoDB besides, which no emulator can time.

    python -m bench.authentication [--requests 2000]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from app import Settings, connect, utc_now
from auth import keys, sessions
from auth.cache import MemoryCache
from auth.keyring import Keyring
from auth.signin import SignIn
from auth.throttle import Throttle
from bench import tables
from db import migrate
from local import database, postgres

GOAL = 150  # microseconds with a session


@dataclass(frozen=True)
class Measured:
    """Microseconds of each request."""

    name: str
    each: Sequence[float]

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.each, n=100, method="inclusive")[percent - 1]


def measure(requests: int) -> list[Measured]:
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        with postgres.start(Path(folder) / "home", durable=False) as cluster:
            return asyncio.run(_measured(cluster, requests))


async def _measured(cluster: postgres.Cluster, requests: int) -> list[Measured]:
    environment = await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home))
    key = keys.mint("test")
    migrator = await asyncpg.connect(environment["LANDLORD_MIGRATOR_URL"])
    await migrate.install_operator_key(migrator, "bench", key.prefix, key.hash, ["operator"])
    await migrator.close()
    settings = Settings.from_env(environment)
    keyring = Keyring(*settings.signing())
    connections = connect(settings)
    sign_in = SignIn(connections, keyring, MemoryCache(), Throttle())
    verified = await sign_in.verified(key.secret, address=None, now=utc_now())
    token, _ = sessions.issue(keyring.sessions, verified.caller(), key_expires_at=None, now=utc_now())

    async def by_session() -> object:
        return await sign_in.caller(f"Bearer {token}", address="192.0.2.1", now=utc_now())

    async def by_key() -> object:
        return await sign_in.caller(f"Bearer {key.secret}", address="192.0.2.1", now=now)

    async def by_new_key() -> object:
        anew = replace(sign_in, cache=MemoryCache())
        return await anew.caller(f"Bearer {key.secret}", address="192.0.2.1", now=utc_now())

    try:
        session = await _timed("a session", by_session, requests)
        now = utc_now()
        await sign_in.cache.put(key.secret, verified, now=now)
        known = await _timed("a key verified within five seconds", by_key, requests)
        new = await _timed("a key to be verified (PostgreSQL, bcrypt)", by_new_key, max(10, requests // 100))
    finally:
        await connections.close()
    return [session, known, new]


async def _timed(name: str, ask: Callable[[], Awaitable[object]], requests: int) -> Measured:
    each = []
    for number in range(requests + requests // 10):
        began = time.perf_counter_ns()
        caller = await ask()
        took = (time.perf_counter_ns() - began) / 1000
        assert caller is not None
        if number >= requests // 10:  # the first ones warm up
            each.append(took)
    return Measured(name, each)


def table(found: Sequence[Measured]) -> tables.Table:
    rows = [["who asks with", "p50", "p99"]]
    rows += [[one.name, f"{one.percentile(50):,.0f}", f"{one.percentile(99):,.0f}"] for one in found]
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.authentication", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000, help="of each kind; a hundredth where bcrypt is in it")
    asked = parser.parse_args(arguments)
    found = measure(asked.requests)
    tables.show("Authentication of a request, in microseconds", table(found))
    met = "met" if found[0].percentile(50) < GOAL else "missed"
    print(f"Goal: a session under {GOAL} microseconds (p50): {met}.")


if __name__ == "__main__":
    main()
