"""What a new sandbox imports for its first answer: a budget of modules, since each takes its time while somebody waits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.test_lambda import asks
from tests.landlord import Landlord, Tenant

ROOT = Path(__file__).parents[2]

# With Python's own; what the emulator, commands, mails, PDFs and KMS need is not among them.
BUDGET = 755  # 745 of them now
LATER = {"boto3", "botocore", "bcrypt", "click", "cryptography", "httpx", "pytest", "rich", "typst", "uvicorn"}

SANDBOX = """
import json, sys
import handler
class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
answer = handler.api(json.loads(sys.stdin.read()), Context())
print(json.dumps({"answer": json.loads(answer["body"]), "modules": sorted(sys.modules)}))
"""


@pytest.fixture
def first(landlord: Landlord, acme: Tenant, environment: dict[str, str]) -> dict[str, Any]:
    """The answer, and the modules that were there by then."""
    told = subprocess.run(
        [sys.executable, "-c", SANDBOX],
        cwd=ROOT,
        env=os.environ | environment | {"_HANDLER": "handler.api"},
        input=json.dumps(asks("{ customer { id name tier } }", acme.token)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(told.stdout)
    assert found["answer"]["data"] == {"customer": {"id": acme.id, "name": "Acme", "tier": "STANDARD"}}
    return found


def test_the_first_answer_needs_few_modules(first: dict[str, Any]) -> None:
    modules = first["modules"]
    assert LATER & {name.partition(".")[0] for name in modules} == set()
    assert len(modules) <= BUDGET, f"{len(modules)}: import what is not always needed where it is used, or say why more"
