"""Runs a command against a Landlord of its own: `python -m local.against npm run audits -- {url}`.

The server is the one of `make run`, with a home and a port that nobody else has, and both are gone afterwards.
`{url}` in the command becomes its address; the command finds the demo tenant's key in LANDLORD_API_KEY, the demo
operator's in LANDLORD_OPERATOR_KEY. Its exit code is ours.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from local.postgres import free_port

_SECONDS_TO_START = 180


def main(command: Sequence[str]) -> int:
    """The exit code of `command`, or 1 if the server did not come up."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.default_int_handler)
    url = f"http://127.0.0.1:{(port := free_port())}"
    with tempfile.TemporaryDirectory(prefix="landlord-") as folder:
        home = Path(folder, "home")
        environment = os.environ | {"LANDLORD_HOME": str(home), "PORT": str(port)}
        server = subprocess.Popen([sys.executable, "-m", "local.run"], env=environment, start_new_session=True)
        try:
            if not _answers(server, f"{url}/healthz"):
                print("landlord: the server did not come up.", file=sys.stderr)
                return 1
            demo = json.loads((home / "demo-keys.json").read_text())
            keys = {"LANDLORD_API_KEY": demo["tenant"], "LANDLORD_OPERATOR_KEY": demo["operator"]}
            words = [word.replace("{url}", url) for word in command]
            return subprocess.run(words, env=os.environ | keys).returncode
        except KeyboardInterrupt:
            return 130
        finally:
            server.terminate()
            server.wait()


def _answers(server: subprocess.Popen[bytes], url: str) -> bool:
    """Waits until `url` answers; False if the server ends first, or never does."""
    give_up = time.monotonic() + _SECONDS_TO_START
    while server.poll() is None and time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.1)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
