"""A database is believed to be ours only by its certificate: signed by the authority that we name, and for the name that we ask."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

import handler
from db import migrate
from db.connection import Connections, Role
from db.errors import Unavailable
from local import postgres


@dataclass(frozen=True)
class Secured:
    """A server that shows a certificate for 127.0.0.1, and the files of its authority and of one that it does not know."""

    url: str
    ours: Path
    foreign: Path

    def asked(self, mode: str, authority: Path | None = None, host: str = "127.0.0.1") -> str:
        url = self.url.replace("127.0.0.1", host) + f"?sslmode={mode}"
        return url if authority is None else f"{url}&sslrootcert={authority}"


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        2,
        "-subj",
        f"/CN={name}",
        "-keyout",
        key,
        "-out",
        certificate,
    )
    return certificate


@pytest.fixture(scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    folder = tmp_path_factory.mktemp("tls")
    with postgres.start(folder / "home", durable=False) as running:
        superuser = await asyncpg.connect(running.superuser_url)
        try:
            await superuser.execute("alter system set ssl_cert_file = 'server.pem'")
            await superuser.execute("alter system set ssl = on")
        except asyncpg.PostgresError as refused:
            await superuser.close()
            pytest.skip(f"this PostgreSQL was built without TLS; `make older` has one with it ({refused})")
        ours, foreign = authority(folder, "ours"), authority(folder, "foreign")
        home = running.home / "postgres"
        request, names = folder / "server.csr", folder / "names"
        names.write_text("subjectAltName = IP:127.0.0.1")
        openssl(
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=server",
            "-keyout",
            home / "server.key",
            "-out",
            request,
        )
        openssl("x509", "-req", "-in", request, "-CA", ours, "-CAkey", ours.with_suffix(".key"), "-CAcreateserial", "-days", 2,
                "-extfile", names, "-out", home / "server.pem")  # fmt: skip
        (home / "server.key").chmod(0o600)
        await superuser.execute("select pg_reload_conf()")
        await migrate.bootstrap(superuser, "secret")
        await superuser.execute("create database landlord owner landlord_migrator")
        await superuser.close()
        url = f"postgresql://landlord_migrator:secret@127.0.0.1:{running.port}/landlord"
        yield Secured(url, ours, foreign)


async def test_whoever_shows_the_right_certificate_is_asked_under_tls(secured: Secured) -> None:
    migrator = await asyncpg.connect(secured.asked("verify-full", secured.ours))
    assert await migrator.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()") is True
    await migrator.close()


@pytest.mark.parametrize(("authority", "host"), [("foreign", "127.0.0.1"), ("ours", "localhost")])
async def test_whoever_is_vouched_for_by_others_or_has_another_name_is_not_asked(
    secured: Secured, authority: str, host: str
) -> None:
    asked = secured.asked("verify-full", getattr(secured, authority), host)
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncpg.connect(asked)
    connections = Connections({Role.TENANT: asked})
    with pytest.raises(Unavailable) as refused:
        async with connections.transaction(Role.TENANT):
            pass
    assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)
    # encryption alone would have asked it
    await (await asyncpg.connect(secured.asked("require", host=host))).close()


def test_migrate_and_rotate_ask_nobody_else_either(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    async def version(migrator: asyncpg.Connection) -> str:
        found: str = await migrator.fetchval("select version()")
        return found

    monkeypatch.setenv("LANDLORD_MIGRATOR_URL", secured.asked("verify-full", secured.ours))
    assert handler._as_migrator(version).startswith("PostgreSQL")
    monkeypatch.setenv("LANDLORD_MIGRATOR_URL", secured.asked("verify-full", secured.foreign))
    with pytest.raises(ssl.SSLCertVerificationError):
        handler._as_migrator(version)
