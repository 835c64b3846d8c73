"""How answers read: tables and sentences for people, JSON for scripts, progress on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

# where nobody looks on, what is written has a width all the same
_WIDTH = 110

as_json = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


def aside() -> Console:
    """Standard error: what is said while something goes on, so that output can be piped."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def in_json(value: object) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def table(*columns: str | tuple[str, str], rows: Iterable[Sequence[str]]) -> None:
    """Prints one. A column is its title, or (title, "right"); cells are text, never markup, whoever wrote them."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        title, justify = (column, "left") if isinstance(column, str) else column
        made.add_column(title, justify="right" if justify == "right" else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else int(os.environ.get("COLUMNS") or _WIDTH)
    Console(highlight=False, markup=False, emoji=False, width=width).print(made)


def failures(found: Sequence[Mapping[str, Any]]) -> None:
    """Prints the customers with whom something could not be done, each with its code and what to do about it."""
    rows = [[one["customer"]["name"], one["customer"]["id"], one["code"], one["reason"]] for one in found]
    table("failed", "", "code", "what to do", rows=rows)


def amount(value: Decimal | str) -> str:
    """`2,448.25`."""
    return f"{Decimal(value):,.2f}"


def signed(value: Decimal) -> str:
    """`+50.00`, `-12.00`."""
    return f"{value:+,.2f}"


def number(value: Decimal | str) -> str:
    """`12,345,678` or `0.045`: exact, no exponent, no zeros at the end."""
    text = f"{Decimal(value):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain(value: Any) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
