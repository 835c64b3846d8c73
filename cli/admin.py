"""What an administrator does with the database's own login, outside of the API: migrations, the first operator's key.

All other commands do without a database, so what speaks to one is imported when it is needed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from cli import show

if TYPE_CHECKING:
    import asyncpg

    from auth.keys import Environment

Answer = TypeVar("Answer")


@click.command()
@show.as_json
def migrate(as_json: bool) -> None:
    """Bring the database up to date; with LANDLORD_SECRETS_PREFIX also passwords and keys, from AWS Secrets Manager."""
    import release
    from auth.vault import Vault

    prefix = os.environ.get("LANDLORD_SECRETS_PREFIX", "")
    vault = Vault(os.environ.get("AWS_ENDPOINT_URL")) if prefix else None
    done = _as_migrator(lambda migrator: release.make_ready(migrator, vault, prefix=prefix))
    if as_json:
        show.in_json({"ran": done.ran, "filled": done.filled})
        return
    click.echo(f"Ran {', '.join(done.ran)}." if done.ran else "Nothing to do: the database is up to date.")
    if done.filled:
        click.echo(f"Filled {', '.join(done.filled)}.")


@click.group()
def keys() -> None:
    """API keys."""


@keys.command()
@click.option("--operator", is_flag=True, required=True, help="A key of the house, with the scope `operator`.")
@click.option(
    "--name", default="operations", show_default=True, help="What its events in the audit trail name as actor."
)
@click.option("--environment", type=click.Choice(["live", "test"]), default="live", show_default=True)
@show.as_json
def create(operator: bool, name: str, environment: Environment, as_json: bool) -> None:
    """Make an operator's key, the first one above all. It is shown this once; every other key is made by the API."""
    from auth import keys as api_keys
    from db import migrate as migrations

    made = api_keys.mint(environment)

    async def install(migrator: asyncpg.Connection) -> None:
        await migrations.install_operator_key(migrator, name, made.prefix, made.hash, ["operator"])

    _as_migrator(install)
    if as_json:
        show.in_json({"key": made.secret, "prefix": made.prefix})
    else:
        click.echo("Keep this key: it is shown this once.")
        click.echo(made.secret)


def _as_migrator(act: Callable[[asyncpg.Connection], Awaitable[Answer]]) -> Answer:
    """What `act` answers; what is in the way is said in a sentence."""
    import asyncpg

    from db import migrate as migrations

    url = os.environ.get("LANDLORD_MIGRATOR_URL")
    if not url:
        raise click.ClickException("Set LANDLORD_MIGRATOR_URL to the database's address, with the migrator's login.")

    async def connected() -> Answer:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await act(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(connected())
    except (OSError, TimeoutError) as problem:
        raise click.ClickException(f"The database does not answer: {type(problem).__name__}.") from None
    except (migrations.OldServer, migrations.ChangedMigration) as refused:
        raise click.ClickException(f"{refused}.") from None
    except asyncpg.PostgresError as problem:
        raise click.ClickException(f"The database refused: {problem.sqlstate} {type(problem).__name__}.") from None
