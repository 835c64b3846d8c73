"""Debian's PgBouncer in transaction mode, in front of a server: RDS Proxy's stand-in."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local import postgres
from local.home import write_private

# Of each login and database: so few that clients come upon each other's connections all the time.
BACKENDS = 4
_SECONDS_TO_START = 30


def program() -> str | None:
    """Where it is, if Debian's package is installed."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def start(home: Path, *, server: int, passwords: Mapping[str, str]) -> Iterator[int]:
    """Its port. It takes these logins, to any database of the server on this port; both ports are of 127.0.0.1."""
    found = program()
    assert found is not None
    port = postgres.free_port()
    home.mkdir()
    write_private(home / "users", "".join(f'"{login}" "{password}"\n' for login, password in passwords.items()))
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": home / "users",
        "pool_mode": "transaction",
        "default_pool_size": BACKENDS,
        "max_client_conn": 400,
        "server_idle_timeout": 10,  # databases come and go here
        "log_connections": 0,
        "log_disconnections": 0,
    }
    write_private(
        home / "pgbouncer.ini",
        f"[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in settings.items()),
    )
    with (home / "log").open("wb") as log:
        bouncer = subprocess.Popen(
            postgres.unprivileged([found, str(home / "pgbouncer.ini")]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(bouncer, port, home / "log")
        yield port
    finally:
        bouncer.terminate()
        bouncer.wait()


def _wait(bouncer: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + _SECONDS_TO_START
    while bouncer.poll() is None and time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"PgBouncer did not start: {log.read_text()}")
