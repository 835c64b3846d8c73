"""`landlord`, put together from its commands."""

from __future__ import annotations

import click

from cli.admin import keys, migrate
from cli.bill import bill
from cli.invoice import invoice
from cli.prices import prices
from cli.usage import usage


@click.group()
def main() -> None:
    """Landlord's back office from a shell.

    Most commands ask the API at LANDLORD_URL (http://127.0.0.1:8000) with the operator's key in LANDLORD_KEY; beside a
    `make run` of this machine neither needs to be set. `migrate` and `keys` need the database itself: LANDLORD_MIGRATOR_URL.
    """


for command in (usage, bill, invoice, prices, migrate, keys):
    main.add_command(command)


if __name__ == "__main__":
    main()
