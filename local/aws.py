"""The AWS emulator of this machine: ministack, in an environment of its own, on 127.0.0.1 and at no other address.

    with aws.start(home) as emulator:
        os.environ |= emulator.environment

What it was told is gone with it. It ends with the program that started it, however that one ends. `python -m local.aws`
installs it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from local.home import Unusable
from local.postgres import free_port

ROOT = Path(__file__).parent.parent
REGION = "eu-central-1"

_LOCK = ROOT / "requirements-aws.txt"
_SECONDS_TO_START = 60
_SECONDS_TO_STOP = 10

# Its standard input ends when we do.
_PROGRAM = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from ministack.app import main
main()
"""


@dataclass(frozen=True, slots=True)
class Emulator:
    """`environment` is what boto3 reads, and leads it here alone."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def start(home: Path) -> Iterator[Emulator]:
    """An emulator that answers; its log and what it keeps on disk lie in `home`. Raises Unusable."""
    python = installed()
    folder = home / "aws"
    folder.mkdir(exist_ok=True)
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))} | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "LAMBDA_EXECUTOR": "local",
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "TMPDIR": str(folder),
    }
    log = home / "aws.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [python, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,  # Ctrl-C is for us: it stops after what still asks it
        )
    try:
        url = f"http://127.0.0.1:{port}"
        if not _answers(running, f"{url}/_ministack/health"):
            raise Unusable(f"The AWS emulator did not start: {log} says why.")
        yield Emulator(url)
    finally:
        running.terminate()
        with suppress(subprocess.TimeoutExpired):
            running.wait(_SECONDS_TO_STOP)
        running.kill()
        running.wait()
        assert running.stdin is not None
        running.stdin.close()


def let_send(address: str) -> None:
    """Make the address one that SES sends from, where `Emulator.environment` is in force."""
    import boto3

    with suppress((ses := boto3.client("sesv2")).exceptions.AlreadyExistsException):
        ses.create_email_identity(EmailIdentity=address)


def make_table(name: str) -> None:
    """What infra/access.yml and infra/buckets.yml make: a table that `auth.dynamo` asks, where `Emulator.environment` is in force."""
    import boto3

    key = {"AttributeName": "key"}
    boto3.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[key | {"AttributeType": "S"}],
        KeySchema=[key | {"KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


def _answers(running: subprocess.Popen[bytes], url: str) -> bool:
    give_up = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < give_up and running.poll() is None:
        with suppress(urllib.error.URLError, TimeoutError, ConnectionError), urllib.request.urlopen(url, timeout=5):
            return True
        time.sleep(0.02)
    return False


def installed() -> Path:
    """The Python of the emulator's environment, made where it is not there or out of date. Raises Unusable."""
    folder = ROOT / "build" / "aws"
    python, mark = folder / "bin" / "python", folder / ".made-from"
    wanted = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "aws.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not mark.exists() or mark.read_text() != wanted:
            _install(folder, python)
            mark.write_text(wanted)
    return python


def _install(folder: Path, python: Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    try:
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(uv, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(_LOCK))
    except (OSError, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or str(problem)
        raise Unusable(f"The AWS emulator could not be installed: {said.strip()}") from None


def _run(program: Path, *arguments: str) -> None:
    subprocess.run([program, *arguments], check=True, capture_output=True, text=True)


if __name__ == "__main__":
    installed()
