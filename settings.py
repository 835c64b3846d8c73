"""What a process is told: by its environment, and by the secrets that the environment names."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from auth import secrets
from auth.contexts import ContextKey
from auth.sessions import SigningKeys
from db.role import Role

if TYPE_CHECKING:
    from auth.keys import Environment

_PREFIX: Final = "LANDLORD_"
NEEDED: Final = frozenset(
    {
        "LANDLORD_TENANT_URL",
        "LANDLORD_OPERATOR_URL",
        "LANDLORD_WORKER_URL",
        "LANDLORD_CONTEXT_KEY",
        "LANDLORD_SESSION_KEYS",
    }
)


class MissingSettings(Exception):
    """Names every setting that is missing or cannot be read, all at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Settings:
    """What the environment and its secrets say.

    Keys are `LANDLORD_..._KEY(S)`: `kid:base64`, several divided by commas, the first signs.
    """

    tenant_url: str = field(repr=False)
    operator_url: str = field(repr=False)
    worker_url: str = field(repr=False)
    context_key: tuple[str, bytes] = field(repr=False)
    session_keys: Mapping[str, bytes] = field(repr=False)
    issuer: str = "https://api.landlord.example"
    audience: str = "landlord-api"
    key_environment: Environment = "live"
    connections: int = 1
    pooled: bool = False
    relaxed_reads: bool = False  # the event of a query is committed without waiting for the disk
    work_here: bool = False  # read usage, bill, remind and send mail in this process, in the background
    mail: bool = False  # by SES; without it mail waits in the outbox
    webhooks: bool = False  # sent by this process; without it they wait in the outbox, where no queue is named
    access_table: str | None = None  # in DynamoDB, what all processes know together; without it each for itself
    pepper: bytes = field(default=b"", repr=False)  # of the keys remembered there
    webhook_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # of which webhooks' secrets are made
    aws_endpoint: str | None = None  # another address than Amazon's own: the emulator's
    papers_bucket: str | None = None  # in S3, for the first PDF of each invoice; without it each is set anew
    buckets_table: str | None = None  # in DynamoDB: what callers asked of all processes; without it each counts alone
    allow_ad_hoc: bool = True  # otherwise only documents of the manifest run
    manifest: Path | None = None  # another one than what `make manifest` writes
    billing_queue_url: str | None = None  # who works on runs is told over SQS; without it only who works here
    parcels_queue_url: str | None = None  # where the sender of webhooks and texts finds them
    receipts_queue_url: str | None = None  # and tells what became of each
    schedule_key: str | None = field(default=None, repr=False)  # of the operator in whose name months begin
    demo_key: str | None = field(default=None, repr=False)  # local only: whom GraphiQL is signed in as from the start

    @classmethod
    def load(
        cls, environ: Mapping[str, str] = os.environ, *, needs: Collection[str] = NEEDED, fresh: bool = False
    ) -> Settings:
        """As `from_env`, with what the secrets named in LANDLORD_SECRETS say. Blocks. Raises MissingSettings, NoSecret.

        `fresh`: as the secrets are now, and not as somebody beside us remembers them.
        """
        names = [name for name in environ.get("LANDLORD_SECRETS", "").split(",") if name]
        said = secrets.read(names, environ, fresh=fresh)
        return cls.from_env({**environ, **{_PREFIX + key.upper(): text for key, text in said.items()}}, needs=needs)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, *, needs: Collection[str] = NEEDED) -> Settings:
        """`needs`: what this process cannot do without; the rest of it may be empty. Raises MissingSettings."""
        problems: list[str] = []
        # whoever answers with a shared table names keys in it
        answers = "LANDLORD_TENANT_URL" in needs and environ.get("LANDLORD_ACCESS_TABLE")
        wanted = {*needs, "LANDLORD_PEPPER"} if answers else set(needs)

        def text(name: str) -> str:
            value = environ.get(name, "")
            if not value and name in wanted:
                problems.append(f"{name} is not set")
            return value

        def signing(name: str) -> dict[str, bytes]:
            found = {}
            for entry in filter(None, text(name).split(",")):
                kid, _, encoded = entry.partition(":")
                try:
                    found[kid] = base64.b64decode(encoded, validate=True)
                except binascii.Error:
                    problems.append(f"{name} is not `kid:base64`")
            return found

        tenant_url = text("LANDLORD_TENANT_URL")
        operator_url = text("LANDLORD_OPERATOR_URL")
        worker_url = text("LANDLORD_WORKER_URL")
        context_keys = signing("LANDLORD_CONTEXT_KEY")
        session_keys = signing("LANDLORD_SESSION_KEYS")
        pepper = next(iter(signing("LANDLORD_PEPPER").values()), b"")
        webhook_keys = signing("LANDLORD_WEBHOOK_KEYS")
        receipts_queue_url = text("LANDLORD_RECEIPTS_QUEUE_URL") or None
        if problems:
            raise MissingSettings(problems)
        return cls(
            tenant_url=tenant_url,
            operator_url=operator_url,
            worker_url=worker_url,
            context_key=next(iter(context_keys.items()), ("", b"")),
            session_keys=session_keys,
            issuer=environ.get("LANDLORD_ISSUER", cls.issuer),
            audience=environ.get("LANDLORD_AUDIENCE", cls.audience),
            key_environment="test" if environ.get("LANDLORD_KEY_ENVIRONMENT") == "test" else "live",
            connections=int(environ.get("LANDLORD_CONNECTIONS", cls.connections)),
            pooled=environ.get("LANDLORD_POOLED", "") == "true",
            relaxed_reads=environ.get("LANDLORD_RELAXED_READS", "") == "true",
            work_here=environ.get("LANDLORD_WORK_HERE", "") == "true",
            mail=environ.get("LANDLORD_MAIL", "") == "ses",
            webhooks=environ.get("LANDLORD_WEBHOOKS", "") == "send",
            access_table=environ.get("LANDLORD_ACCESS_TABLE") or None,
            pepper=pepper,
            webhook_keys=webhook_keys,
            aws_endpoint=environ.get("AWS_ENDPOINT_URL") or None,
            papers_bucket=environ.get("LANDLORD_PAPERS_BUCKET") or None,
            buckets_table=environ.get("LANDLORD_BUCKETS_TABLE") or None,
            allow_ad_hoc=environ.get("LANDLORD_ALLOW_AD_HOC", "") != "false",
            manifest=Path(environ["LANDLORD_MANIFEST"]) if environ.get("LANDLORD_MANIFEST") else None,
            billing_queue_url=environ.get("LANDLORD_BILLING_QUEUE_URL") or None,
            parcels_queue_url=environ.get("LANDLORD_PARCELS_QUEUE_URL") or None,
            receipts_queue_url=receipts_queue_url,
            schedule_key=environ.get("LANDLORD_SCHEDULE_KEY") or None,
            demo_key=environ.get("LANDLORD_DEMO_KEY"),
        )

    @property
    def urls(self) -> dict[Role, str]:
        """How those logins connect that this process has."""
        urls = {Role.TENANT: self.tenant_url, Role.OPERATOR: self.operator_url, Role.WORKER: self.worker_url}
        return {role: url for role, url in urls.items() if url}

    def signing(self) -> tuple[SigningKeys, ContextKey | None]:
        """What sessions and contexts are signed with."""
        sessions = SigningKeys(
            secrets=self.session_keys,
            current=next(iter(self.session_keys)),
            issuer=self.issuer,
            audience=self.audience,
        )
        return sessions, ContextKey(*self.context_key) if self.context_key[0] else None
