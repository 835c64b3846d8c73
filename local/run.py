"""What `make run` starts: the database, its migrations and demo data, an AWS emulator, then the API on 127.0.0.1.

Whatever is in the way on this machine is said in a sentence, with exit code 1. Ctrl-C, SIGTERM and a closed terminal
stop everything that was started.
"""

import asyncio
import errno
import os
import signal
import socket
import sys
import time
from datetime import datetime
from pathlib import Path

import asyncpg
import uvicorn

from app import Settings, create_app, utc_now
from db.migrate import ChangedMigration
from local import aws, database, demo, postgres
from local.home import Unusable, claim, write_private

ROOT = Path(__file__).parent.parent

_ACCESS_TABLE = "landlord-access"
_BUCKETS_TABLE = "landlord-buckets"


def main() -> int:
    """The exit code."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))  # uvicorn knows only the first two
    try:
        run(home=Path(os.environ.get("LANDLORD_HOME") or ROOT / ".local"), port=os.environ.get("PORT") or "8000")
    except Unusable as refusal:
        print(f"landlord: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def run(*, home: Path, port: str) -> None:
    """Serves until interrupted. Raises Unusable."""
    began = time.perf_counter()
    with _listener(port) as listener:
        home = claim(home)
        kept = _secrets(home)
        if not (ROOT / "graphiql" / "dist" / "index.html").exists():
            raise Unusable("GraphiQL is not built: `make run` builds it, with Node 20.19 or newer.")
        with postgres.start(home, durable=True) as cluster, aws.start(home) as emulator:
            os.environ.update(emulator.environment)  # boto3 goes there, whatever this user's own settings say
            aws.let_send(demo.HOUSE.email)
            for table in (_ACCESS_TABLE, _BUCKETS_TABLE):
                aws.make_table(table)
            settings = asyncio.run(_prepare(cluster, kept, now=utc_now()))
            asyncio.run(demo.publish(database.admin_url(cluster.superuser_url), now=utc_now()))
            write_private(home / "admin-url", database.admin_url(cluster.superuser_url) + "\n")
            # whoever is near could name any address in a header, and what is logged of a request is our own line
            config = uvicorn.Config(
                create_app(settings), lifespan="on", log_level="warning", access_log=False, proxy_headers=False
            )
            server = uvicorn.Server(config)
            print(_what_is_where(home, listener, emulator, seconds=time.perf_counter() - began), flush=True)
            server.run(sockets=[listener])


def _listener(port: str) -> socket.socket:
    """The port, taken before anything else is started."""
    # asyncio sends small packets at once only where a socket says that it is TCP's: else answers wait 40 ms for an ACK
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
    except (ValueError, OverflowError):
        listener.close()
        raise Unusable(f"PORT is `{port}`, which is no port: set a number from 1024 to 65535.") from None
    except OSError as problem:
        listener.close()
        if problem.errno == errno.EADDRINUSE:
            why = f"Port {port} is taken by another program: stop that program, or choose"
        else:
            why = f"Port {port} cannot be used ({problem.strerror}): choose"
        raise Unusable(f"{why} another port with PORT=8001 make run.") from None
    return listener


def _secrets(home: Path) -> dict[str, str]:
    """Drawn before the database is made, so that a database without them is one that lost them."""
    if (home / "postgres").exists() and not (home / "secrets.json").exists():
        raise Unusable(f"{home} is damaged (secrets.json is gone): put it back, or remove {home} and start afresh.")
    try:
        return database.secrets_of(home)
    except ValueError as problem:
        raise Unusable(
            f"{home} is damaged (secrets.json cannot be read: {problem}): "
            f"put it back, or remove {home} and start afresh."
        ) from None
    except OSError as problem:
        raise Unusable(f"{home} cannot be used ({problem}): is there room on its disk?") from None


async def _prepare(cluster: postgres.Cluster, kept: dict[str, str], *, now: datetime) -> Settings:
    """The database in its present state, with demo data in it; and what the application needs to know of it."""
    try:
        environment = await database.prepare(cluster.superuser_url, kept)
        environment |= await demo.plant(environment, cluster.home, now=now)
    except ChangedMigration as ahead:
        raise Unusable(
            f"{cluster.home} is newer than this program ({ahead}): set LANDLORD_HOME to a new folder."
        ) from None
    except (asyncpg.PostgresError, OSError, ValueError) as problem:
        raise Unusable(
            f"The database in {cluster.home} could not be brought up to date ({problem}): "
            f"see {cluster.home}/postgres.log, or remove {cluster.home} and start afresh with new demo data."
        ) from problem
    here = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    here |= {
        "LANDLORD_WORK_HERE": "true",
        "LANDLORD_MAIL": "ses",
        "LANDLORD_WEBHOOKS": "send",
        "LANDLORD_CONNECTIONS": "8",
    }
    here |= {"LANDLORD_ACCESS_TABLE": _ACCESS_TABLE, "LANDLORD_BUCKETS_TABLE": _BUCKETS_TABLE}
    return Settings.from_env(environment | here)


def _what_is_where(home: Path, listener: socket.socket, emulator: aws.Emulator, *, seconds: float) -> str:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    return "\n".join(
        [
            f"Landlord is ready, after {seconds:.1f} seconds. Ctrl-C stops it.",
            f"  GraphiQL       {url}/graphql   (signed in as the demo tenant)",
            f"  API            POST {url}/graphql   Authorization: Bearer <session or key>",
            f"  health         {url}/healthz  {url}/readyz",
            f"  mail sent      {emulator.url}/_ministack/ses/messages   (AWS here is an emulator: nothing leaves)",
            f"  keys           {home}/demo-keys.json",
            f"  database       psql \"$(cat '{home}/admin-url')\"",
            f"  logs           {home}/postgres.log  {home}/aws.log",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
