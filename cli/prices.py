"""`landlord prices`: price lists, which are added and never changed."""

from __future__ import annotations

from pathlib import Path

import click

from cli import api, show
from cli.api import Refused

_ADD = """
    mutation Add($input: AddRateCardInput!) {
        addRateCard(input: $input) { rateCard { id name currency effectiveFrom } errors { message } }
    }
"""


@click.group()
def prices() -> None:
    """Price lists: they are added, and never changed."""


@prices.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@show.as_json
def add(file: Path, as_json: bool) -> None:
    """Add the price list in FILE, in force from its first day until the next one's.

    FILE is JSON as billing/price_list.json is. A mistake in it is refused with its line, and then nothing is added.
    """
    try:
        document = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{file} is no UTF-8 text.") from None
    with api.connected() as asked:
        try:
            added = asked.change(_ADD, input={"document": document})["rateCard"]
        except Refused as refused:
            raise Refused(f"{file}: {refused.message}") from None
    if as_json:
        show.in_json(added)
    else:
        name, day = added["name"], added["effectiveFrom"]
        click.echo(f"Added “{name}” in {added['currency']}, in force from {day} on: {added['id']}")
