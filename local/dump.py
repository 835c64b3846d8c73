"""Prints sql/schema.sql: the database as all migrations leave it, to be read, and its diff to be reviewed.

    python -m local.dump > sql/schema.sql

Not for loading: databases are made by migrations. Months of the audit trail are left out, since they follow the date.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local import database, postgres

HEAD = """\
-- The database as sql/migrations leave it: roles, then all that they own and may. Printed by `make schema`, never edited.
-- The audit trail's months are left out: `landlord.make_audit_partition` makes them as time goes by.
"""

# what differs from one printing to the next, what pg_dump tells itself, and titles that repeat the statement below them
_NOISE = re.compile(
    r"^(?:\\(?:un)?restrict .*|-- Dumped .*|SET .*;|SELECT pg_catalog\.set_config.*|--\n-- .*\n--)\n", re.MULTILINE
)


def main() -> None:
    """Whatever LANDLORD_POSTGRES_BIN says, by the PostgreSQL that we bring: each version writes its own way."""
    os.environ.pop("LANDLORD_POSTGRES_BIN", None)
    with tempfile.TemporaryDirectory(prefix="landlord-dump-") as folder:
        Path(folder).chmod(0o755)  # under root the server runs without root's rights
        with postgres.start(Path(folder, "home"), durable=False) as cluster:
            asyncio.run(database.prepare(cluster.superuser_url, database.secrets_of(cluster.home)))
            sys.stdout.write(dump(postgres.find(None), database.admin_url(cluster.superuser_url)))


def dump(installation: postgres.Installation, admin_url: str) -> str:
    """The text of sql/schema.sql for the database of this URL, asked as its superuser."""
    roles = _said(installation, "pg_dumpall", admin_url, "--roles-only", "--no-role-passwords")
    ours = [line for line in roles.splitlines() if "landlord_" in line and not line.startswith("--")]
    everything = _said(installation, "pg_dump", admin_url, "--schema-only", "--exclude-table=landlord.audit_events_2*")
    told = re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", everything)).strip()
    return "\n".join([HEAD, *ours, "", told, ""])


def _said(installation: postgres.Installation, program: str, admin_url: str, *options: str) -> str:
    url = urlsplit(admin_url)
    where = {
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port),
        "PGUSER": url.username or "",
        "PGPASSWORD": unquote(url.password or ""),  # not in the command line, which everybody on this machine can read
        "PGDATABASE": url.path.removeprefix("/"),
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        [installation.folder / program, *options], check=True, stdout=subprocess.PIPE, text=True, env=others | where
    ).stdout


if __name__ == "__main__":
    main()
