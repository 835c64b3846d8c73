"""The whole of serverless.yml, deployed by osls to the AWS emulator and used over its gateway, then removed again.

`make deployed` runs it. The artifacts are those of this machine's Python and processor, otherwise as they would be uploaded. Of the
template the emulator is given all but what it cannot take:

- `AWS::RDS::*`: it has no Aurora and no proxy. The database is a PostgreSQL of our own, so functions are told of it, with
  passwords, where on AWS they would be told of the proxy, and have none.
- `AWS::SecretsManager::RotationSchedule`: it turns nothing by the clock. tests/db/test_release.py turns the secrets.
- `AWS::EC2::*`: functions run beside it, in no network; and it does not know the addresses of one (`CidrBlock`).

Of a bucket it makes no more than a name, versions and the blocks against the public. So lock, encryption and lifecycle are given to its
S3 from the template, by S3's own API, which takes or refuses them; nothing can be said here about policies (it asks nobody
who he is), access logs and owners.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from billing import price_list, prices
from billing.periods import Month
from db import company, migrate
from db.session import Session
from local import aws as emulators
from local import database, postgres
from local.aws import Emulator
from tests.aws import PostOffice

Answer = TypeVar("Answer")

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "build" / "deployed"
STAGE = "dev"
PREFIX = f"landlord/{STAGE}"
NOT_TAKEN = ("AWS::RDS::", "AWS::SecretsManager::RotationSchedule", "AWS::EC2::")
DASHBOARD = (ROOT / "graphiql" / "queries" / "dashboard.graphql").read_text()

# Of the form of an ARN, so that a part of it can be taken.
_NOT_HERE = "arn:aws:rds:here:none:db-proxy:not-here"
ADDRESS = "bills@initech.example"
_SECONDS = 120  # of patience: functions are started as they are asked, on a machine that may be busy


@dataclass
class Deployment:
    """The stack as its callers see it. `gateway` is the address of the HTTP API."""

    emulator: Emulator
    gateway: str
    environment: dict[str, str]
    admin_url: str

    def client(self, service: str) -> Any:
        import boto3

        return boto3.client(service)

    def resource(self, logical: str) -> str:
        """What the stack made of this resource: its name."""
        of_stack = {"StackName": f"landlord-{STAGE}", "LogicalResourceId": logical}
        detail = self.client("cloudformation").describe_stack_resource(**of_stack)["StackResourceDetail"]
        name: str = detail["PhysicalResourceId"]
        return name

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        answer = self.client("lambda").invoke(FunctionName=f"landlord-{STAGE}-{function}", Payload=json.dumps(event))
        said = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, said
        return said

    def secret(self, name: str) -> dict[str, str]:
        value: dict[str, str] = json.loads(
            self.client("secretsmanager").get_secret_value(SecretId=f"{PREFIX}/{name}")["SecretString"]
        )
        return value

    def post(self, query: str, bearer: str | None, **variables: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer of a question through the gateway and its authorizer."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer}"
        body = json.dumps({"query": query, "variables": variables}).encode()
        return self._send(urllib.request.Request(f"{self.gateway}/graphql", body, headers))

    def pdf(self, invoice_id: str, bearer: str) -> bytes:
        """Through the gateway, which has the function's answer in base64."""
        headers = {"authorization": f"Bearer {bearer}"}
        request = urllib.request.Request(f"{self.gateway}/invoices/{invoice_id}.pdf", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
            said: bytes = answer.read()
            return said

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        return self._send(urllib.request.Request(f"{self.gateway}{path}"))

    def _send(self, request: urllib.request.Request) -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, json.load(refused)

    def ask(self, query: str, bearer: str | None, **variables: Any) -> Any:
        """The one root field's answer."""
        status, said = self.post(query, bearer, **variables)
        assert (status, said.get("errors")) == (200, None), said
        [answer] = said["data"].values()
        return answer


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    home = tmp_path_factory.mktemp("deployed")
    with (
        pytest.MonkeyPatch.context() as patch,
        postgres.start(home / "home", durable=False) as cluster,
        emulators.start(home) as emulator,
    ):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        passwords = {login: secrets.token_hex(24) for login in ("migrator", "tenant", "operator", "worker")}
        asyncio.run(_bootstrap(cluster, passwords["migrator"]))
        _edit(cluster, passwords)
        osls("deploy")
        try:
            import boto3

            [api] = [
                api for api in boto3.client("apigatewayv2").get_apis()["Items"] if api["Name"] == f"{STAGE}-landlord"
            ]
            gateway = f"{emulator.url}/_aws/execute-api/{api['ApiId']}/$default"
            yield Deployment(emulator, gateway, emulator.environment, database.admin_url(cluster.superuser_url))
        finally:
            with suppress(subprocess.CalledProcessError):
                osls("remove")


def osls(command: str) -> str:
    asked = ["npx", "--no-install", "osls", command, "--stage", STAGE]
    if command == "deploy":
        asked += ["--package", str(PACKAGE)]
    ran = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


def _edit(cluster: postgres.Cluster, passwords: dict[str, str]) -> None:
    """Take out of the package what the emulator cannot take, and tell functions of the database that is here."""
    path = PACKAGE / "cloudformation-template-update-stack.json"
    template = json.loads(path.read_text())
    resources: dict[str, Any] = template["Resources"]
    gone = {name for name, resource in resources.items() if resource["Type"].startswith(NOT_TAKEN)}
    for name in gone:
        del resources[name]
    parts = urlsplit(cluster.superuser_url)
    for resource in resources.values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::Function":
            variables = properties.get("Environment", {}).get("Variables", {})
            for login in passwords:
                if f"LANDLORD_{login.upper()}_URL" in variables:
                    url = f"postgresql://landlord_{login}:{passwords[login]}@{parts.hostname}:{parts.port}/landlord"
                    variables[f"LANDLORD_{login.upper()}_URL"] = url
            variables.pop("LANDLORD_POOLED", None)
            properties.pop("VpcConfig", None)
        elif resource["Type"] == "AWS::SecretsManager::Secret" and "/logins/" in properties["Name"]:
            login = properties["Name"].rpartition("/")[2]
            del properties["GenerateSecretString"]
            properties["SecretString"] = json.dumps({"username": f"landlord_{login}", "password": passwords[login]})
    template = _without(template, gone)
    path.write_text(json.dumps(template))
    state = PACKAGE / "serverless-state.json"
    whole = json.loads(state.read_text())
    whole["service"]["provider"]["compiledCloudFormationTemplate"] = template
    state.write_text(json.dumps(whole))


def _without(node: Any, gone: set[str]) -> Any:
    """The template with a word, of the form of an ARN, in the place of each reference to what is gone."""
    if isinstance(node, list):
        return [_without(one, gone) for one in node]
    if isinstance(node, str):
        for name in gone:
            node = re.sub(rf"\$\{{{name}(\.\w+)*\}}", _NOT_HERE, node)
        return node
    if not isinstance(node, dict):
        return node
    if node.get("Ref") in gone or (node.get("Fn::GetAtt") or [None])[0] in gone:
        return _NOT_HERE
    return {
        name: [one for one in value if one not in gone] if name == "DependsOn" else _without(value, gone)
        for name, value in node.items()
    }


async def _tried(admin_url: str) -> str | None:
    """What came of the last try to send the one webhook."""
    admin = await asyncpg.connect(admin_url)
    try:
        said: str | None = await admin.fetchval("select last_failure from landlord.outbox where kind = 'webhook'")
        return said
    finally:
        await admin.close()


async def _bootstrap(cluster: postgres.Cluster, password: str) -> None:
    """What an administrator does by hand (docs/operations.md, "Deploy")."""
    superuser = await asyncpg.connect(cluster.superuser_url)
    await migrate.bootstrap(superuser, password)
    await superuser.execute("create database landlord owner landlord_migrator")
    await superuser.close()


def test_it_is_used_as_customers_and_operators_use_it(deployment: Deployment) -> None:
    done = deployment.invoke("migrate", {})
    assert done["ran"] == [step.version for step in migrate.migrations()]
    assert done["filled"] == ["context", "sessions", "webhooks", "operator", "schedule"]
    assert deployment.get("/readyz") == (200, {"status": "ready", "problems": []})

    asyncio.run(_furnish(deployment.admin_url))

    # an operator signs in, and takes on a customer, its use of last month and a key
    month = Month.of(datetime.now(UTC).date()).previous()
    operator = _sign_in(deployment, deployment.secret("operator")["operator_key"])
    customer = deployment.ask(
        "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } errors { message } } }",
        operator,
        input={
            "name": "Initech", "tier": "STANDARD", "email": ADDRESS, "taxJurisdiction": "US-WA",
            "activeFrom": f"{month}-01", "idempotencyKey": "Initech",
        },
    )  # fmt: skip
    assert customer["errors"] == []
    customer_id = customer["customer"]["id"]
    used = deployment.ask(
        "mutation($input: RecordUsageInput!) { recordUsage(input: $input) { errors { message } } }",
        operator,
        input={
            "customerId": customer_id,
            "month": str(month),
            "usage": {"accountCount": 12, "cloudtrailEvents": "12345678"},
        },
    )
    assert used["errors"] == []
    key = deployment.ask(
        "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret errors { message } } }",
        operator,
        input={"customerId": customer_id, "name": "front end", "scopes": ["write"]},
    )["secret"]

    # its front end signs in, and is shown the dashboard; who is nobody is refused by the authorizer
    tenant = _sign_in(deployment, key)
    status, shown = deployment.post(DASHBOARD, tenant)
    assert (status, shown.get("errors"), shown["data"]["customer"]["name"]) == (200, None, "Initech")
    assert deployment.post(DASHBOARD, "garbage")[0] == 403
    assert deployment.post(DASHBOARD, None)[0] == 401

    # its own server is to hear of invoices; there is none behind this name, nor any names where this runs
    hook = deployment.ask(
        "mutation($input: CreateWebhookEndpointInput!) { createWebhookEndpoint(input: $input) { secret errors { code } } }",
        tenant,
        input={"url": "https://hooks.initech.invalid/landlord", "eventTypes": ["invoice.issued"]},
    )
    assert (hook["errors"], hook["secret"][:6]) == ([], "whsec_")

    # the month is billed by whoever the queue calls
    run = deployment.ask(
        "mutation($input: RunBillingInput!) { runBilling(input: $input) { billingRun { id } errors { message } } }",
        operator,
        input={"month": str(month), "issue": True, "idempotencyKey": f"run of {month}"},
    )["billingRun"]["id"]
    question = "query($id: ID!) { billingRun(id: $id) { status finishedAt invoicesIssued customersTotal } }"
    billed = _until(lambda: deployment.ask(question, operator, id=run), lambda said: said["finishedAt"] is not None)
    assert (billed["invoicesIssued"], billed["customersTotal"]) == (1, 1)
    [invoice] = deployment.ask("{ invoices(first: 1) { nodes { id number status totalAmount } } }", tenant)["nodes"]
    assert invoice["status"] == "ISSUED"

    # and the invoice is sent by mail
    def mails() -> list[dict[str, Any]]:
        assert deployment.invoke("outboxWorker", {})["status"] == "done"
        return PostOffice(deployment.emulator).taken(ADDRESS)

    [mail] = _until(mails, lambda taken: len(taken) > 0)
    assert mail["Subject"] == f"Invoice {invoice['number']} for {month}"

    # with the paper that is in the bucket from now on, and that everybody gets
    s3, papers = deployment.client("s3"), deployment.resource("Papers")
    [kept] = s3.list_object_versions(Bucket=papers)["Versions"]
    made = s3.get_object(Bucket=papers, Key=kept["Key"])["Body"].read()
    assert made[:5] == b"%PDF-"
    assert deployment.pdf(invoice["id"], tenant) == made
    assert len(s3.list_object_versions(Bucket=papers)["Versions"]) == 1
    # it comes from there: were another there, it would be that one
    s3.put_object(Bucket=papers, Key=kept["Key"], Body=made + b"% of an earlier release")
    assert deployment.pdf(invoice["id"], tenant) == made + b"% of an earlier release"

    # what became of the webhook comes back from the function without a database, by two queues
    tried = _until(lambda: asyncio.run(_tried(deployment.admin_url)), lambda said: said is not None)
    assert tried in ("The server's name leads nowhere.", "The server did not answer within 10 seconds.")

    # what ends is over at the gateway too, though nobody asks the database there
    ended = deployment.ask("mutation { revokeSession { errors { code } } }", tenant)
    assert ended["errors"] == []
    _until(lambda: deployment.post("{ viewer { name } }", tenant)[0], lambda status: status == 403)


def test_a_secret_turns_while_it_is_used(deployment: Deployment) -> None:
    operator = _sign_in(deployment, deployment.secret("operator")["operator_key"])
    client = deployment.client("secretsmanager")
    for name in ("context", "sessions"):
        arn, version = client.describe_secret(SecretId=f"{PREFIX}/{name}")["ARN"], str(uuid4())
        before = deployment.secret(name)
        for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
            deployment.invoke("rotate", {"Step": step, "SecretId": arn, "ClientRequestToken": version})
            assert deployment.ask("{ viewer { kind } }", operator) == {"kind": "OPERATOR"}
        assert deployment.secret(name) != before


def test_buckets_are_as_s3_takes_them_from_the_template_and_the_archive_gives_nothing_back_before_its_day(
    deployment: Deployment,
) -> None:
    from botocore.exceptions import ClientError

    s3 = deployment.client("s3")
    template = json.loads((PACKAGE / "cloudformation-template-update-stack.json").read_text())["Resources"]
    for logical in ("Archive", "Papers", "AccessLogs"):
        bucket, properties = deployment.resource(logical), template[logical]["Properties"]
        blocks = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert blocks == properties["PublicAccessBlockConfiguration"]
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=_lifecycle(properties))
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=_encryption(properties, deployment))
    lock = template["Archive"]["Properties"]["ObjectLockConfiguration"]
    archive = deployment.resource("Archive")
    s3.put_object_lock_configuration(Bucket=archive, ObjectLockConfiguration=lock)
    assert s3.get_object_lock_configuration(Bucket=archive)["ObjectLockConfiguration"] == lock
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 1}

    began = datetime.now(UTC)
    put = s3.put_object(Bucket=archive, Key="2026-10/events", Body=b"a month", ChecksumAlgorithm="SHA256")
    version = {"Bucket": archive, "Key": "2026-10/events", "VersionId": put["VersionId"]}
    retention = s3.get_object_retention(**version)["Retention"]
    assert retention["Mode"] == "GOVERNANCE"
    assert retention["RetainUntilDate"] > began + timedelta(hours=23, minutes=59)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**version)
    # a delete without a version hides it, and it is there all the same
    s3.delete_object(Bucket=archive, Key="2026-10/events")
    assert s3.get_object(**version)["Body"].read() == b"a month"


def _lifecycle(properties: dict[str, Any]) -> dict[str, Any]:
    """As S3's own API names what CloudFormation's template says."""
    rules = []
    for said in properties["LifecycleConfiguration"]["Rules"]:
        rule = {"ID": said["Id"], "Status": said["Status"], "Filter": {}}
        if "Transitions" in said:
            rule["Transitions"] = [
                {"Days": one["TransitionInDays"], "StorageClass": one["StorageClass"]} for one in said["Transitions"]
            ]
        if "ExpirationInDays" in said:
            rule["Expiration"] = {"Days": said["ExpirationInDays"]}
        rule |= {
            name: said[name]
            for name in ("AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration")
            if name in said
        }
        rules.append(rule)
    return {"Rules": rules}


def _encryption(properties: dict[str, Any], deployment: Deployment) -> dict[str, Any]:
    [rule] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    default = dict(rule["ServerSideEncryptionByDefault"])
    if default["SSEAlgorithm"] == "aws:kms":
        default["KMSMasterKeyID"] = deployment.resource("DataKey")
    return {
        "Rules": [
            {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": rule.get("BucketKeyEnabled", False)}
        ]
    }


def test_it_leaves_nothing_behind_but_what_is_to_outlive_it(deployment: Deployment) -> None:
    buckets = {logical: deployment.resource(logical) for logical in ("Archive", "Papers", "AccessLogs")}
    osls("remove")
    s3 = deployment.client("s3")
    assert {one["Name"] for one in s3.list_buckets()["Buckets"]} == set(buckets.values())
    versions = {name: s3.list_object_versions(Bucket=bucket).get("Versions", []) for name, bucket in buckets.items()}
    assert {name: len(found) for name, found in versions.items()} == {"Archive": 1, "Papers": 2, "AccessLogs": 0}
    functions = deployment.client("lambda").list_functions()["Functions"]
    queues = deployment.client("sqs").list_queues().get("QueueUrls", [])
    assert (functions, queues, deployment.client("apigatewayv2").get_apis()["Items"]) == ([], [], [])
    assert len(deployment.client("dynamodb").list_tables()["TableNames"]) == 1
    keys = [
        deployment.client("kms").describe_key(KeyId=key["KeyId"])
        for key in deployment.client("kms").list_keys()["Keys"]
    ]
    kept = [key for key in keys if "Landlord dev" in key["KeyMetadata"]["Description"]]
    assert [key["KeyMetadata"]["KeyState"] for key in kept] == ["Enabled", "Enabled"]


def _sign_in(deployment: Deployment, key: str) -> str:
    query = "mutation($key: String!) { createSession(input: {apiKey: $key}) { session { token } errors { message } } }"
    said = deployment.ask(query, None, key=key)
    assert said["errors"] == []
    token: str = said["session"]["token"]
    return token


async def _furnish(admin_url: str) -> None:
    """What a new house enters once: its price list, and its own name and address."""
    admin = await asyncpg.connect(admin_url, server_settings={"search_path": "landlord"})
    session = Session(admin)
    now = datetime.now(UTC)
    await prices.add(session, price_list.read(price_list.FIRST_PRICE_LIST), now=now)
    house = company.CompanyRow(
        date(2020, 1, 1),
        "Landlord",
        ["1 Main Street"],
        "DE123456789",
        f"billing@{STAGE}.landlord.example",
        ["by transfer"],
    )
    assert await company.add(session, house, at=now)
    await admin.close()


def _until(look: Callable[[], Answer], enough: Callable[[Answer], bool]) -> Answer:
    """What is seen once it is enough; the last look if it never is."""
    give_up = time.monotonic() + _SECONDS
    while not enough(seen := look()) and time.monotonic() < give_up:
        time.sleep(0.5)
    return seen
