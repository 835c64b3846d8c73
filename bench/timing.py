"""Whether time tells a public prefix that some key has from one that none has: wrong keys of both, one after the other.

Each key is tried once, each from an address of its own, so that nobody is throttled. Over HTTP, both ways in: as a bearer,
and exchanged for a session. What is compared is the median; noise is what two halves of the same kind differ by.

    python -m bench.timing [--tries 200]
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import ipaddress
import json
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from rich import box
from rich.console import Console
from rich.table import Table

from auth import keys
from bench import server
from bench.server import Server
from local import database, postgres

_SIGN_IN = "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } } }"
_PLANT = """
    with made as (
        insert into customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)
        select 'Acme', 'a@b.example', 'a@b.example', 'DE', 'taxable', '2025-01-01' from unnest($1::text[]) returning id
    )
    insert into api_keys (customer_id, name, prefix, key_hash, scopes)
    select made.id, 'key', prefixes.prefix, $2, '{read}'
      from (select id, row_number() over () as n from made) as made
      join unnest($1::text[]) with ordinality as prefixes (prefix, n) using (n)
"""
_WARM_UP = 10


@dataclass(frozen=True)
class Compared:
    """Milliseconds of each try, in the order of the tries."""

    way: str
    known: Sequence[float]
    unknown: Sequence[float]


def measure(tries: int) -> list[Compared]:
    ways: dict[str, Callable[[str], tuple[dict[str, str], bytes]]] = {"bearer": _bearer, "createSession": _exchange}
    with tempfile.TemporaryDirectory(prefix="landlord-bench-") as folder:
        Path(folder).chmod(0o755)  # under root the database runs without root's rights
        with postgres.start(Path(folder, "home"), durable=True) as cluster:
            known = [f"lz_test_{_random(12)}" for _ in range(len(ways) * (tries + _WARM_UP))]
            environment = asyncio.run(_planted(cluster, known))
            with server.start(environment) as running:
                addresses = map(str, ipaddress.ip_network("127.1.0.0/16").hosts())
                left = iter(known)
                return [_compared(running, way, sent, left, addresses, tries) for way, sent in ways.items()]


def _compared(
    running: Server,
    way: str,
    sent: Callable[[str], tuple[dict[str, str], bytes]],
    known: Iterator[str],
    addresses: Iterator[str],
    tries: int,
) -> Compared:
    """In pairs, now the one first and now the other."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(_WARM_UP + tries):
        for is_known in random.sample((True, False), 2):
            prefix = next(known) if is_known else f"lz_test_{_random(12)}"
            headers, body = sent(_guess(prefix))
            took[is_known].append(_refused(running, next(addresses), headers, body))
    return Compared(way, took[True][_WARM_UP:], took[False][_WARM_UP:])


def _refused(running: Server, address: str, headers: dict[str, str], body: bytes) -> float:
    """Milliseconds until the refusal is there. Linux lends every address of 127.0.0.0/8 to whoever asks."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=60, source_address=(address, 0))
    connection.connect()
    began = time.perf_counter()
    connection.request("POST", "/graphql", body, {"Content-Type": "application/json"} | headers)
    answer = connection.getresponse()
    said = json.loads(answer.read())
    took = (time.perf_counter() - began) * 1000
    connection.close()
    assert [error["extensions"]["code"] for error in said["errors"]] == ["UNAUTHENTICATED"], said
    return took


def _bearer(key: str) -> tuple[dict[str, str], bytes]:
    return {"Authorization": f"Bearer {key}"}, json.dumps({"query": "{ viewer { name } }"}).encode()


def _exchange(key: str) -> tuple[dict[str, str], bytes]:
    return {}, json.dumps({"query": _SIGN_IN, "variables": {"key": key}}).encode()


def _guess(prefix: str) -> str:
    """A key of this prefix that passes the checksum, and is nobody's."""
    body = f"{prefix}_{_random(43)}"
    return body + keys._checksum(body)


def _random(length: int) -> str:
    return "".join(secrets.choice(keys._ALPHABET) for _ in range(length))


async def _planted(cluster: postgres.Cluster, prefixes: list[str]) -> dict[str, str]:
    environment = await database.prepare(cluster.superuser_url, database.secrets_of(cluster.home))
    admin = await asyncpg.connect(
        database.admin_url(cluster.superuser_url), server_settings={"search_path": "landlord"}
    )
    await admin.execute(_PLANT, prefixes, keys.mint("test").hash)
    await admin.execute("vacuum analyze")
    await admin.close()
    return environment


def show(found: Sequence[Compared]) -> None:
    table = Table(title=f"Wrong keys, {len(found[0].known)} of each kind, medians in ms", box=box.SIMPLE)
    for heading in ("way in", "known prefix", "unknown prefix", "difference", "noise"):
        table.add_column(heading, justify="left" if heading == "way in" else "right", no_wrap=True)
    for one in found:
        table.add_row(
            one.way,
            f"{statistics.median(one.known):.2f}",
            f"{statistics.median(one.unknown):.2f}",
            f"{_difference(one.known, one.unknown):+.1f} %",
            f"{_difference(one.known[::2], one.known[1::2]):+.1f} %",
        )
    Console().print(table)


def _difference(of: Sequence[float], other: Sequence[float]) -> float:
    """Of the medians, in percent."""
    return (statistics.median(other) / statistics.median(of) - 1) * 100


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.timing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tries", type=int, default=200, help="of each kind and way; default: 200")
    show(measure(parser.parse_args(arguments).tries))


if __name__ == "__main__":
    main()
