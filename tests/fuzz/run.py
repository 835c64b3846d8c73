"""Schemathesis against a running Landlord, with a tenant's key and with an operator's: `python -m tests.fuzz.run URL`.

It reads the schema by introspection and asks each field of Query and Mutation with random arguments and selections, some
of them wrong: how many of each field, and from which seed, EXAMPLES and SEED say. LANDLORD_API_KEY and LANDLORD_OPERATOR_KEY
are the callers'. The exit code is that of the worse run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = ROOT / "build" / "fuzz" / "bin" / "st"
SEED = int(os.environ["SEED"])
EXAMPLES = int(os.environ["EXAMPLES"])  # of each root field

# what the fuzzer may name of what there is
_NAMES = """
    { customers(first: 3) { nodes { id
        invoices(first: 3) { nodes { id payments { id } creditNotes { id } } }
        tickets(first: 3) { nodes { id comments(first: 1) { nodes { id } } } }
        notifications(first: 1) { nodes { id } } auditEvents(first: 2) { nodes { id } }
    } } }
"""


def main(url: str) -> int:
    worse = 0
    for whose, name in (("tenant", "LANDLORD_API_KEY"), ("operator", "LANDLORD_OPERATOR_KEY")):
        key = os.environ[name]
        ids = sorted(_ids(_asked(url, key, _NAMES)))
        assert ids, f"the {whose} has nothing to ask about"
        with tempfile.TemporaryDirectory(prefix="landlord-fuzz-") as folder:
            tally = Path(folder, "tally")
            environment = os.environ | {
                "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
                "LANDLORD_TALLY": str(tally),
                "LANDLORD_IDS": json.dumps(ids),
                "PYTHONPATH": str(ROOT),
            }
            code = subprocess.run(_command(url, key), cwd=folder, env=environment).returncode
            answers = Counter(tally.read_text().splitlines()) if tally.exists() else Counter()
        worse = max(worse, code, int(not answers))
        print(f"{whose}: {answers.total()} requests, seed {SEED}, {EXAMPLES} examples a field; answered:", flush=True)
        for codes, count in answers.most_common():
            print(f"  {count:6} {codes}", flush=True)
    return worse


def _command(url: str, key: str) -> list[str]:
    return [
        str(SCHEMATHESIS), "run", f"{url}/graphql",
        "--header", f"Authorization: Bearer {key}", "--header", "Accept: application/graphql-response+json",
        "--checks", "no_fault", "--max-examples", str(EXAMPLES), "--seed", str(SEED),
        "--mode", "all", "--suppress-health-check", "all", "--no-color", "--continue-on-failure", "--warnings", "off",
    ]  # fmt: skip


def _asked(url: str, key: str, query: str) -> Any:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/graphql", json.dumps({"query": query}).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def _ids(value: Any) -> set[str]:
    if isinstance(value, list):
        return {id for one in value for id in _ids(one)}
    if not isinstance(value, dict):
        return set()
    return {id for one in value.values() for id in _ids(one)} | ({value["id"]} if "id" in value else set())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
