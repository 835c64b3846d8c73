"""One sandbox, as Lambda starts it: a new process that answers one event, and says what that took of a core.

`python -c "from bench.sandbox import main; main()" KIND` reads the event from its standard input, and is started where the
artifact lies: nothing may be imported here that the answer does not need. Each kind gets its secrets as it would there.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = "api"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def landlord(event: dict[str, Any]) -> dict[str, Any]:
    import handler

    return handler.api(event, Context())


def strawberry(event: dict[str, Any]) -> dict[str, Any]:
    """A plain Strawberry application behind Mangum."""
    from mangum import Mangum

    from bench.naive import application

    answer: dict[str, Any] = Mangum(application(_secret("peer")["url"]), lifespan="off")(event, Context())  # type: ignore[arg-type]
    return answer


def strawberry_boto3(event: dict[str, Any]) -> dict[str, Any]:
    """The same, with boto3 for its secret."""
    import boto3
    from mangum import Mangum

    from bench.naive import application

    url = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId="peer")["SecretString"])["url"]
    answer: dict[str, Any] = Mangum(application(url), lifespan="off")(event, Context())  # type: ignore[arg-type]
    return answer


def floor(event: dict[str, Any]) -> dict[str, Any]:
    """asyncpg, and the answer's three columns by hand: nobody is authenticated, and nothing is GraphQL."""
    import asyncio
    import base64
    from uuid import UUID

    from auth.contexts import ContextKey
    from bench.floor import Floor

    told = _secret("floor")
    kid, _, key = told["context_key"].partition(":")
    one = Floor(told["url"], ContextKey(kid, base64.b64decode(key)), UUID(told["customer"]), UUID(told["key"]))
    return {"statusCode": 200, "body": asyncio.run(one.answer("Q1")).decode()}


def _secret(name: str) -> dict[str, str]:
    """From the extension beside us."""
    import http.client
    import os

    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"]))
    token = {"X-Aws-Parameters-Secrets-Token": os.environ["AWS_SESSION_TOKEN"]}
    connection.request("GET", f"/secretsmanager/get?secretId={name}", headers=token)
    found: dict[str, str] = json.loads(json.loads(connection.getresponse().read())["SecretString"])
    return found


def main() -> None:
    kinds = {"landlord": landlord, "strawberry": strawberry, "strawberry-boto3": strawberry_boto3, "floor": floor}
    event = json.load(sys.stdin)
    answer = kinds[sys.argv[1]](event)
    cpu = time.process_time_ns() / 1e6
    sys.stdout.write(json.dumps({"cpu": cpu, "modules": len(sys.modules), "answer": answer}) + "\n")
    sys.stdout.flush()
