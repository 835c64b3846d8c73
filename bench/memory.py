"""`python -m bench.memory`: the memory and the CPU that each function takes at its work, in the very artifacts that are deployed.

Every function runs in a process of its own, from its unzipped artifact under the Python of Lambda's runtime client, with a
database and an AWS emulator beside it. Memory is the most that the process ever held (VmHWM), after a start and after its largest work:
what Lambda reports as "Max Memory Used", less what an extension takes. The table stands in docs/operations.md, and is why
serverless.yml gives each function the memory that it has.

    make memory
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from app import utc_now
from auth import keys
from bench import billing, dashboards
from billing import deliveries
from billing.bounces import BOUNCED, CUSTOMER, NOTIFICATION
from billing.parcels import Text, Webhook
from billing.periods import Month
from db import company, migrate
from db.connection import Connections, Role
from db.session import Session
from local import aws as emulators
from local import database, postgres
from local.aws import Emulator
from local.demo import HOUSE
from schema.ids import typeid

ROOT = Path(__file__).parent.parent
RUNTIME = ROOT / "build" / "runtime" / "bin" / "python"
DASHBOARD = (ROOT / "graphiql" / "queries" / "dashboard.graphql").read_text()
EVENT = json.loads((ROOT / "tests" / "api" / "http_api_event.json").read_text())
PREFIX = "landlord/memory"
LETTERS = 20
PARCELS = 10

# The runtime client is loaded, as it is in Lambda, and events come by standard input.
_PROGRAM = """
import json, os, re, resource, sys
import awslambdaric.bootstrap
answers, sys.stdout = sys.stdout, sys.stderr
import handler

def told(answer):
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
    said = {"answer": answer, "mb": most / 1024, "cpu": used.ru_utime + used.ru_stime}
    print(json.dumps(said), file=answers, flush=True)

class Context:
    aws_request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]

told(None)
for line in sys.stdin:
    told(getattr(handler, sys.argv[1])(json.loads(line), Context()))
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What a function says, the most that it has held by then (MB), and its CPU seconds so far."""

    answer: Any
    mb: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Work:
    """`start` is the CPU of import and first event, `each` that of one event after it, in seconds."""

    function: str
    what: str
    started: float
    most: float
    start: float
    each: float | None


class Function:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._read()  # loaded

    def ask(self, event: dict[str, Any]) -> Told:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Told:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the function has ended"
        return Told(**json.loads(line))


class Account:
    """What is there for functions to work on: a database, the emulator, and the folder of each unzipped artifact."""

    def __init__(self, cluster: postgres.Cluster, emulator: Emulator, folder: Path) -> None:
        self.cluster = cluster
        self.emulator = emulator
        self.folder = folder
        self.environment: dict[str, str] = {}
        self.token = self.operator = ""
        self.invoice = ""

    @contextmanager
    def function(self, entry: str, artifact: str, **environment: str) -> Iterator[Function]:
        tree = self.folder / artifact
        if not tree.exists():
            machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
            name = f"landlord-{artifact}-{machine}-py{sys.version_info[0]}.{sys.version_info[1]}.zip"
            with zipfile.ZipFile(ROOT / "build" / name) as packed:
                packed.extractall(tree)
        told = {"PATH": os.environ["PATH"], "AWS_LAMBDA_FUNCTION_NAME": entry, "_HANDLER": f"handler.{entry}"}
        with (self.folder / f"{entry}.log").open("ab") as log:
            process = subprocess.Popen(
                [RUNTIME, "-B", "-c", _PROGRAM, entry],
                cwd=tree,
                env=told | self.emulator.environment | self.environment | environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            yield Function(process)
        finally:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                assert stream is not None
                stream.close()

    async def admin(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            database.admin_url(self.cluster.superuser_url), server_settings={"search_path": "landlord"}, timeout=60
        )


def event(method: str, path: str, token: str, body: str | None = None) -> dict[str, Any]:
    """A request as the gateway hands it on."""
    http = EVENT["requestContext"]["http"] | {"method": method, "path": path}
    headers = EVENT["headers"] | {"content-type": "application/json", "authorization": f"Bearer {token}"}
    asked: dict[str, Any] = EVENT | {
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "headers": headers,
        "requestContext": EVENT["requestContext"] | {"http": http},
    }
    return asked if body is None else asked | {"body": body}


def question(query: str, token: str, **variables: Any) -> dict[str, Any]:
    return event("POST", "/graphql", token, json.dumps({"query": query, "variables": variables}))


def data(told: Told) -> Any:
    said = json.loads(told.answer["body"])
    assert told.answer["statusCode"] == 200, said
    assert "errors" not in said, said
    return said["data"]


def measure(customers: int) -> list[Work]:
    import boto3

    with tempfile.TemporaryDirectory(prefix="landlord-memory-") as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)  # under root the database runs without root's rights
        (folder / "emulator").mkdir()
        cluster = running.enter_context(postgres.start(folder / "home", durable=False))
        emulator = running.enter_context(emulators.start(folder / "emulator"))
        os.environ |= emulator.environment  # boto3's, here and in the functions
        account = Account(cluster, emulator, folder)
        migrated = list(_migrated(account))
        month = Month.of(utc_now().date()).previous()
        asyncio.run(_planted(account, month, customers))
        for table in ("access", "buckets"):
            emulators.make_table(table)
        boto3.client("s3").create_bucket(
            Bucket="papers", CreateBucketConfiguration={"LocationConstraint": emulators.REGION}
        )
        queue = boto3.client("sqs").create_queue(QueueName="billing")["QueueUrl"]
        account.environment |= {
            "LANDLORD_ACCESS_TABLE": "access",
            "LANDLORD_BUCKETS_TABLE": "buckets",
            "LANDLORD_BILLING_QUEUE_URL": queue,
        }
        works = [_authorized(account), *_answered(account, month), *_set(account)]
        works.append(_billed(account, queue, customers))
        works += [_mailed(account), _sent_back(account), *_delivered(account), _scheduled(account), *migrated]
    return works


def _authorized(account: Account) -> Work:
    asked = {**EVENT, "type": "REQUEST", "headers": {"authorization": f"Bearer {account.token}"}}
    with account.function("authorizer", "api") as function:
        first = function.ask(asked)
        assert first.answer["isAuthorized"], first.answer
        last = [function.ask(asked) for _ in range(100)][-1]
    return Work("authorizer", "a session", first.mb, last.mb, first.cpu, (last.cpu - first.cpu) / 100)


def _answered(account: Account, month: Month) -> Iterator[Work]:
    """Also starts the month's run, for the workers."""
    page = max((ROOT / "graphiql" / "dist" / "assets").iterdir(), key=lambda path: path.stat().st_size)
    with account.function("api", "api") as function:
        first = function.ask(question("{ customer { name } }", account.token))
        assert data(first)["customer"]["name"]
        large = [function.ask(question(DASHBOARD, account.token)) for _ in range(50)]
        assert len(data(large[-1])["customer"]["invoices"]["nodes"]) == 12
        yield Work("api", "a dashboard", first.mb, large[-1].mb, first.cpu, (large[-1].cpu - large[0].cpu) / 49)
        files = [function.ask(event("GET", f"/graphiql/assets/{page.name}", account.token)) for _ in range(5)]
        assert files[-1].answer["statusCode"] == 200
        what = f"the explorer's largest file, {page.stat().st_size / 1e6:.1f} MB"
        yield Work("api", what, first.mb, files[-1].mb, first.cpu, (files[-1].cpu - files[0].cpu) / 4)
        run = "mutation($m: Month!) { runBilling(input: {month: $m, issue: true}) { billingRun { id } errors { message } } }"
        started = data(function.ask(question(run, account.operator, m=str(month))))["runBilling"]
        assert started["errors"] == [], started


def _set(account: Account) -> Iterator[Work]:
    asked = event("GET", f"/invoices/{account.invoice}.pdf", account.token)
    with account.function("api", "worker", LANDLORD_PAPERS_BUCKET="papers") as function:
        first = function.ask(asked)
        assert first.answer["statusCode"] == 200, first.answer
        last = [function.ask(asked) for _ in range(20)][-1]
    yield Work("papers", "an invoice that is kept as PDF", first.mb, last.mb, first.cpu, (last.cpu - first.cpu) / 20)


def _billed(account: Account, queue: str, customers: int) -> Work:
    """Takes messages off the queue, as Lambda does, until none is left."""
    import boto3

    sqs = boto3.client("sqs")
    told: list[Told] = []
    with account.function("billing_worker", "worker") as function:
        while messages := sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            for message in messages:
                record = {"messageId": message["MessageId"], "body": message["Body"]}
                told.append(function.ask({"Records": [record]}))
                assert told[-1].answer == {"batchItemFailures": []}
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    assert len(told) >= 2
    spent = max(after.cpu - before.cpu for before, after in pairwise(told))
    return Work("billingWorker", f"a share of {customers:,} customers", told[0].mb, told[-1].mb, told[0].cpu, spent)


def _mailed(account: Account) -> Work:
    emulators.let_send(HOUSE.email)
    left = asyncio.run(_keep_letters(account, LETTERS))
    with account.function("outbox_worker", "worker", LANDLORD_PAPERS_BUCKET="papers") as function:
        first = function.ask({})
        assert first.answer == {"status": "done"}
        asyncio.run(_keep_letters(account, 0))
    assert left == LETTERS
    return Work("outboxWorker", f"{LETTERS} letters with their invoices", first.mb, first.mb, first.cpu, None)


def _sent_back(account: Account) -> Work:
    """The letters that `_mailed` has sent."""
    told = []
    with account.function("bounced", "api") as function:
        for customer_id, notification_id in asyncio.run(_letters(account)):
            tags = {CUSTOMER: [str(customer_id)], NOTIFICATION: [str(notification_id)]}
            recipient = {"emailAddress": "bills@example.com", "diagnosticCode": "smtp; 550 5.1.1 no such user"}
            detail = {
                "mail": {"tags": tags},
                "bounce": {"bounceSubType": "General", "bouncedRecipients": [recipient]},
            }
            told.append(function.ask({"detail-type": BOUNCED, "detail": detail}))
            assert told[-1].answer == {"status": "done"}
    each = (told[-1].cpu - told[0].cpu) / (len(told) - 1)
    return Work("bounces", "a letter sent back", told[0].mb, told[-1].mb, told[0].cpu, each)


async def _letters(account: Account) -> list[tuple[UUID, UUID]]:
    """Customer and notification of each that was sent."""
    admin = await account.admin()
    sent = await admin.fetch(
        "select customer_id, notification_id from outbox where kind = 'email' and sent_at is not null"
    )
    await admin.close()
    return [(one["customer_id"], one["notification_id"]) for one in sent]


def _delivered(account: Account) -> Iterator[Work]:
    """Ten webhooks at once, which is a batch: to a name that leads nowhere, since nothing here is public. Then ten texts."""
    import boto3

    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName="receipts")["QueueUrl"]
    webhooks, texts = asyncio.run(_parcels(account))
    with account.function("sender", "api", LANDLORD_RECEIPTS_QUEUE_URL=queue) as function:
        told = [function.ask({"Records": records}) for records in (webhooks, texts)]
    assert [one.answer for one in told] == [{"batchItemFailures": []}] * 2
    yield Work("sender", "ten webhooks, ten texts", told[0].mb, told[1].mb, told[0].cpu, told[1].cpu - told[0].cpu)
    batches = []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
        batches.append([{"messageId": message["MessageId"], "body": message["Body"]} for message in messages])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    with account.function("receipts", "api") as function:
        told = [function.ask({"Records": records}) for records in batches]
    assert sum(map(len, batches)) == 2 * PARCELS
    assert all(one.answer == {"batchItemFailures": []} for one in told)
    used = (told[-1].cpu - told[0].cpu) / (len(told) - 1)
    yield Work("receipts", "ten receipts", told[0].mb, told[-1].mb, told[0].cpu, used)


async def _parcels(account: Account) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Webhooks and texts, as the queue has them, of messages that were claimed."""
    admin = await account.admin()
    await admin.execute(_WAITING, PARCELS, orjson.dumps({"id": "msg_1", "body": "x" * 1000}).decode())
    await admin.close()
    connections = Connections({Role.WORKER: account.environment["LANDLORD_WORKER_URL"]})
    parcels = await deliveries.claim(connections, clock=utc_now, most=10 * PARCELS)
    await connections.close()
    kinds: dict[type, list[dict[str, str]]] = {Webhook: [], Text: []}
    for parcel in parcels:
        kinds[type(parcel.content)].append({"messageId": str(parcel.message_id), "body": parcel.written()})
    return kinds[Webhook], kinds[Text]


_WAITING = """
    with customer as (select id from customers order by id limit 1), endpoint as (
        insert into webhook_endpoints (customer_id, url, secret)
        select id, 'https://hooks.nobody.invalid/', 'local:' || repeat('x', 32)::bytea from customer returning customer_id, id
    ), notice as (
        insert into notifications (customer_id, title, message, channel, delivery_address)
        select id, 'x', 'x', 'sms', '+12125550143' from customer returning customer_id, id
    )
    insert into outbox (customer_id, kind, key, payload, endpoint_id, notification_id)
    select customer_id, 'webhook', 'memory/' || n, $2::text::jsonb, id, null::uuid from endpoint, generate_series(1, $1::int) n
     union all
    select customer_id, 'sms', 'memory-text/' || n, '{}', null, id from notice, generate_series(1, $1::int) n
"""


def _scheduled(account: Account) -> Work:
    asked = [{"job": job, "time": utc_now().isoformat()} for job in ("reminders", "ends", "runs")]
    with account.function("scheduled", "worker") as function:
        told = [function.ask(one) for one in asked]
    return Work("scheduled", "reminders, ends, runs", told[0].mb, told[-1].mb, told[0].cpu, None)


def _migrated(account: Account) -> Iterator[Work]:
    """Of a database with nothing in it; its logins are then those of the other one, too."""
    import boto3

    vault = boto3.client("secretsmanager")
    kept = database.secrets_of(account.cluster.home)
    for login in ("tenant", "operator", "worker"):
        value = json.dumps({"username": f"landlord_{login}", "password": kept[login]})
        vault.create_secret(Name=f"{PREFIX}/logins/{login}", SecretString=value)
    for empty in ("context", "sessions", "webhooks", "operator", "schedule"):
        vault.create_secret(Name=f"{PREFIX}/{empty}")
    asyncio.run(_bare(account.cluster.superuser_url, kept["migrator"]))
    place = account.cluster.superuser_url.rpartition("@")[2].partition("/")[0]
    url = f"postgresql://landlord_migrator:{kept['migrator']}@{place}/bare"
    told = {"LANDLORD_MIGRATOR_URL": url, "LANDLORD_SECRETS_PREFIX": PREFIX}
    with account.function("migrate", "worker", **told) as function:
        first = function.ask({})
        assert len(first.answer["ran"]) == len(migrate.migrations())
        second = function.ask({})
    yield Work("migrate", "all migrations", first.mb, second.mb, first.cpu, second.cpu - first.cpu)
    step = {"SecretId": vault.describe_secret(SecretId=f"{PREFIX}/context")["ARN"], "ClientRequestToken": str(uuid4())}
    with account.function("rotate", "worker", **told) as function:
        turns = [
            function.ask(step | {"Step": one}) for one in ("createSecret", "setSecret", "testSecret", "finishSecret")
        ]
    used = turns[-1].cpu - turns[0].cpu
    yield Work("rotate", "a signing key", turns[0].mb, turns[-1].mb, turns[0].cpu, used)


async def _bare(superuser_url: str, password: str) -> None:
    superuser = await asyncpg.connect(superuser_url)
    await migrate.bootstrap(superuser, password)
    await superuser.execute("create database bare owner landlord_migrator")
    await superuser.close()


async def _planted(account: Account, month: Month, customers: int) -> None:
    account.environment = await dashboards.plant(account.cluster, customers=20, events=dashboards.EVENTS)
    account.token, caller = await dashboards.token(account.cluster, account.environment)
    admin = await account.admin()
    await company.add(Session(admin), HOUSE, at=utc_now())
    newest = "select id from invoices where customer_id = $1 order by id desc limit 1"
    account.invoice = typeid("inv", await admin.fetchval(newest, caller.customer_id))
    await admin.execute(billing._PLANT, customers, [month.first], timeout=600)
    await admin.execute("vacuum analyze", timeout=600)
    await admin.close()
    minted = keys.mint("test")
    migrator = await asyncpg.connect(account.environment["LANDLORD_MIGRATOR_URL"])
    await migrate.install_operator_key(migrator, "bench", minted.prefix, minted.hash, ["operator"])
    await migrator.close()
    account.operator = minted.secret


async def _keep_letters(account: Account, most: int) -> int:
    """Leaves so many letters to be sent; how many there are."""
    admin = await account.admin()
    await admin.execute(
        "delete from outbox where sent_at is null and id not in (select id from outbox where sent_at is null order by id limit $1)",
        most,
    )
    left: int = await admin.fetchval("select count(*) from outbox where sent_at is null")
    await admin.close()
    return left


def given() -> dict[str, int]:
    """The memory of each function in serverless.yml, in MB."""
    text = (ROOT / "serverless.yml").read_text()
    return {
        name: int(size)
        for name, size in re.findall(r"^  (\w+):\n(?:    .*\n|  #.*\n)*?    memorySize: (\d+)", text, re.MULTILINE)
    }


def table(works: Sequence[Work]) -> str:
    """As docs/operations.md has it."""
    has = given()
    lines = [
        "| function | its work | MB after a start | MB at most | of | CPU of a start | CPU of the work |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for work in works:
        each = "" if work.each is None else _time(work.each)
        lines.append(
            f"| `{work.function}` | {work.what} | {work.started:.0f} | {work.most:.0f} | {has[work.function]:,} |"
            f" {_time(work.start)} | {each} |"
        )
    return "\n".join(lines)


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def show(works: Sequence[Work]) -> None:
    shown = Table(title="Memory and CPU of functions", box=box.SIMPLE)
    first, *rest = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table(works).splitlines()]
    for heading in first:
        shown.add_column(heading)
    for row in rest[1:]:
        shown.add_row(*row)
    Console(width=140).print(shown)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=2000, help="to bill; default: 2000, a message's share")
    parser.add_argument("--markdown", action="store_true", help="as the documentation has it")
    asked = parser.parse_args(arguments)
    works = measure(asked.customers)
    if asked.markdown:
        print(table(works))
    else:
        show(works)


if __name__ == "__main__":
    main()
