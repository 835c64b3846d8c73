"""The schema that the peers read, and the login that they read it by."""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from local import database, postgres

_VIEWS = Path(__file__).with_name("views.sql")


async def plant(cluster: postgres.Cluster) -> str:
    """The URL of the login `peer`, which sees one customer's rows: those of `peers.customer_id`, a setting."""
    url = database.admin_url(cluster.superuser_url)
    password = secrets.token_urlsafe(24)
    admin = await asyncpg.connect(url, timeout=60)
    await admin.execute(_VIEWS.read_text())
    await admin.execute(await admin.fetchval("select format('alter role peer password %L', $1::text)", password))
    await admin.close()
    parts = urlsplit(url)
    return parts._replace(netloc=f"peer:{password}@{parts.hostname}:{parts.port}").geturl()
