"""What docs/webhooks.md tells customers to do works with what they are really sent, and it names what there is."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app import utc_now
from billing import signatures
from billing.deliveries import LEASE, PATIENCE
from billing.events import NOTIFICATION, EventType
from billing.post import SECONDS
from db import webhooks
from tests.landlord import Tenant
from tests.webhooks.depot import Depot

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "webhooks.md").read_text()
PROSE = " ".join(DOCUMENT.split())

Verify = Callable[[str, Mapping[str, str], bytes], Awaitable[str | None]]

_HARNESS = """
import { verify } from "./verify.mjs";
let text = "";
for await (const part of process.stdin) text += part;
const { secret, headers, body } = JSON.parse(text);
try { verify(secret, headers, Buffer.from(body, "base64")); console.log("null"); }
catch (problem) { console.log(JSON.stringify(problem.message)); }
"""


def example(language: str) -> str:
    [found] = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(found)


@pytest.fixture(params=["python", "js"])
def verify(request: pytest.FixtureRequest, tmp_path: Path) -> Verify:
    """The example: None where it takes the request, and otherwise why not."""
    if request.param == "python":
        there: dict[str, Any] = {}
        exec(example("python"), there)  # noqa: S102 - ours, and what this test is about

        async def in_python(secret: str, headers: Mapping[str, str], body: bytes) -> str | None:
            try:
                there["verify"](secret, dict(headers), body)
            except ValueError as problem:
                return str(problem)
            return None

        return in_python
    (tmp_path / "verify.mjs").write_text(example("js"))
    (tmp_path / "harness.mjs").write_text(_HARNESS)

    async def in_node(secret: str, headers: Mapping[str, str], body: bytes) -> str | None:
        said = {"secret": secret, "headers": dict(headers), "body": base64.b64encode(body).decode()}
        ran = await asyncio.to_thread(
            subprocess.run,
            ["node", str(tmp_path / "harness.mjs")],
            input=json.dumps(said),
            capture_output=True,
            text=True,
            check=True,
        )
        answer: str | None = json.loads(ran.stdout)
        return answer

    return in_node


async def test_the_example_takes_what_is_sent_and_nothing_else(depot: Depot, acme: Tenant, verify: Verify) -> None:
    depot.clock.now = utc_now()  # as it is where the example looks at it
    endpoint, other = await depot.endpoint(acme, "ticket.opened"), await depot.endpoint(acme, "invoice.paid")
    await depot.ticket(acme, "Grüße")
    await depot.admin.execute("update outbox set due_at = $2 where customer_id = $1", acme.customer_id, depot.clock())
    await depot.work()
    (request,) = depot.hooks.requests
    headers, body = dict(request.headers), request.body
    assert await verify(endpoint.secret, headers, body) is None
    unsigned = "not signed with this secret"
    assert await verify(other.secret, headers, body) == unsigned
    assert await verify(endpoint.secret, headers, body.replace(b"OPEN", b"SHUT")) == unsigned
    assert await verify(endpoint.secret, headers | {"webhook-id": "msg_1"}, body) == unsigned
    later = {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}
    assert await verify(endpoint.secret, headers | later, body) == unsigned
    # while a secret is changed there may be two
    both = {"webhook-signature": f"v1,{'A' * 43}= {headers['webhook-signature']}"}
    assert await verify(endpoint.secret, headers | both, body) is None


async def test_the_example_refuses_what_is_too_old(verify: Verify) -> None:
    secret = b"s" * 32
    for age, taken in ((0, True), (250, True), (350, False), (-350, False)):
        headers = signatures.headers("msg_1", b"{}", [secret], at=utc_now() - timedelta(seconds=age))
        said = await verify(signatures.shown(secret), headers, b"{}")
        assert said == (None if taken else "too old, or from the future"), age


def test_the_events_are_all_named_and_no_others() -> None:
    table = DOCUMENT.split("| event | when |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([\w.]+)`", table, re.MULTILINE) == [type.value for type in EventType]
    assert f"`{NOTIFICATION}`" in DOCUMENT


def test_the_figures_are_those_of_the_code() -> None:
    assert f"at most {webhooks.MOST} endpoints" in PROSE
    assert SECONDS == 10
    assert "within ten seconds" in PROSE
    assert PATIENCE.days == 3
    assert "After three days in which nothing has arrived" in PROSE
    assert LEASE.total_seconds() == 600
    assert "under a lease of ten minutes" in PROSE
