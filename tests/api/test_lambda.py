"""`handler.api` answers real API Gateway events, twice on one sandbox with its connection held."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

from tests.landlord import Tenant

ROOT = Path(__file__).parents[2]
EVENT = json.loads((Path(__file__).parent / "http_api_event.json").read_text())

# A sandbox: one process that handles one event after the other, and says which backend it held.
SANDBOX = """
import json, sys
import handler
class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "landlord-api"
    def get_remaining_time_in_millis(self): return 30000
for line in sys.stdin:
    print(json.dumps(handler.api(json.loads(line), Context())), flush=True)
"""


def event(query: str, token: str | None, **variables: Any) -> dict[str, Any]:
    headers = {**EVENT["headers"], "content-type": "application/json", "accept": "application/graphql-response+json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    body = json.dumps({"query": query, "variables": variables})
    return {**EVENT, "headers": headers, "body": body}


class Sandbox:
    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SANDBOX],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def invoke(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


CREATE = "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } errors { code } } }"
OPEN = 'mutation { openTicket(input: {subject: "Help", body: "please"}) { ticket { subject } errors { code } } }'
QUESTION = "{ customer { id name tier } tickets { nodes { subject } } }"
BACKENDS = "select array_agg(pid) from pg_stat_activity where usename = 'landlord_tenant' and not pid = any($1::int[])"


async def test_one_sandbox_signs_in_asks_and_writes_over_one_held_connection(
    acme: Tenant, environment: dict[str, str]
) -> None:
    admin = acme.landlord.admin
    await acme.api(QUESTION)  # the connection of the application here is open, and is none of the sandbox's
    others = await admin.fetchval("select coalesce(array_agg(pid), '{}') from pg_stat_activity")
    with Sandbox(environment) as sandbox:
        created = sandbox.invoke(event(CREATE, None, key=acme.key))
        assert created["statusCode"] == 200
        token = json.loads(created["body"])["data"]["createSession"]["session"]["token"]
        held = await admin.fetchval(BACKENDS, others)
        assert len(held) == 1
        assert json.loads(sandbox.invoke(event(OPEN, token))["body"])["data"]["openTicket"]["errors"] == []
        for _ in range(2):
            answer = sandbox.invoke(event(QUESTION, token))
            assert answer["statusCode"] == 200
            assert answer["headers"]["content-type"] == "application/graphql-response+json; charset=utf-8"
            assert json.loads(answer["body"])["data"] == await acme.api(QUESTION)
        assert await admin.fetchval(BACKENDS, others) == held

        # as after a freeze: the connection looks open, and is dead
        await admin.execute("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", held)
        assert json.loads(sandbox.invoke(event(QUESTION, token))["body"])["data"] == await acme.api(QUESTION)
        refused = sandbox.invoke(event(QUESTION, None))
        assert refused["statusCode"] == 401
    address = await admin.fetchval(
        "select actor_ip from audit_events where customer_id = $1 and event_type = 'ticket.opened'", acme.customer_id
    )
    assert address == EVENT["requestContext"]["http"]["sourceIp"]


async def test_health_and_an_encoded_body_are_answered_too(acme: Tenant, environment: dict[str, str]) -> None:
    with Sandbox(environment) as sandbox:
        http = {**EVENT["requestContext"]["http"], "method": "GET", "path": "/healthz"}
        health = {
            **EVENT,
            "rawPath": "/healthz",
            "requestContext": {**EVENT["requestContext"], "http": http},
            "body": None,
        }
        assert json.loads(sandbox.invoke(health)["body"]) == {"status": "ok"}
        plain = event("{ viewer { name } }", acme.token)
        encoded = {**plain, "body": b64encode(plain["body"].encode()).decode(), "isBase64Encoded": True}
        assert json.loads(sandbox.invoke(encoded)["body"]) == {"data": {"viewer": {"name": "front end"}}}
