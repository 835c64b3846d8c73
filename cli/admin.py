"""What an administrator does with the database's own login, outside of the API: migrations, the first operator's key."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import click

from auth import keys as api_keys
from cli import show
from db import migrate as migrations

Answer = TypeVar("Answer")


@click.command()
@show.as_json
def migrate(as_json: bool) -> None:
    """Bring the database up to date."""
    ran = _as_migrator(migrations.migrate)
    if as_json:
        show.in_json({"ran": ran})
    elif ran:
        click.echo(f"Ran {', '.join(ran)}.")
    else:
        click.echo("Nothing to do: the database is up to date.")


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
def create(operator: bool, name: str, environment: api_keys.Environment, as_json: bool) -> None:
    """Make an operator's key, the first one above all. It is shown this once; every other key is made by the API."""
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
    except migrations.ChangedMigration as ahead:
        raise click.ClickException(f"{ahead}.") from None
    except asyncpg.PostgresError as problem:
        raise click.ClickException(f"The database refused: {problem.sqlstate} {type(problem).__name__}.") from None
