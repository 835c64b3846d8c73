"""What a new sandbox imports for its first answer: a budget of modules, since each takes its time while somebody waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from local import readings
from resolvers import beforehand, manifest
from tests.api.test_lambda import asks
from tests.landlord import Landlord, Tenant

ROOT = Path(__file__).parents[2]

# With Python's own; what the emulator, commands, mails, PDFs and KMS need is not among them.
UNKNOWN = 750  # 731 of them now
TRUSTED = 370  # 355 of them now
LATER = {"boto3", "botocore", "bcrypt", "click", "cryptography", "httpx", "pytest", "rich", "typst", "uvicorn"}
# nor what knows what any document means, where this one's reading was made beforehand
SCHEMA = {"graphql", "strawberry"}

TEXT = "query Trusted { customer { id name tier } }"
SANDBOX = """
import json, sys
import handler
class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
answer = handler.api(json.loads(sys.stdin.read()), Context())
print(json.dumps({"answer": json.loads(answer["body"]), "modules": sorted(sys.modules)}))
"""


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A manifest with one document, and its reading."""
    path = tmp_path / "manifest.json"
    path.write_bytes(orjson.dumps({manifest.hash_of(TEXT): {"operations": ["Trusted"], "text": TEXT}}))
    path.with_name(beforehand.FILE).write_bytes(readings.made(path, ROOT))
    return path


@pytest.mark.parametrize(
    ("text", "budget", "without"), [(f"{TEXT} # unknown", UNKNOWN, LATER), (TEXT, TRUSTED, LATER | SCHEMA)]
)
def test_the_first_answer_needs_few_modules(
    landlord: Landlord,
    acme: Tenant,
    environment: dict[str, str],
    known: Path,
    text: str,
    budget: int,
    without: set[str],
) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SANDBOX],
        cwd=ROOT,
        env=os.environ | environment | {"_HANDLER": "handler.api", "LANDLORD_MANIFEST": str(known)},
        input=json.dumps(asks(text, acme.token)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(told.stdout)
    assert found["answer"]["data"] == {"customer": {"id": acme.id, "name": "Acme", "tier": "STANDARD"}}
    modules = found["modules"]
    assert without & {name.partition(".")[0] for name in modules} == set()
    assert len(modules) <= budget, f"{len(modules)}: import what is not always needed where it is used, or say why more"
