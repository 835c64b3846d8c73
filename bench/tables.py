"""A table of figures, shown on a terminal or written in Markdown: a heading and rows of texts, the first column to the left."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table as Shown

Table = Sequence[Sequence[str]]


def show(title: str, table: Table) -> None:
    heading, *rows = table
    shown = Shown(title=title, box=box.SIMPLE)
    for place, column in enumerate(heading):
        shown.add_column(column, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    Console(width=max(120, Console().width)).print(shown)


def markdown(table: Table) -> str:
    heading, *rows = table
    ruled = [heading, ["---", *("---:" for _ in heading[1:])], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)
