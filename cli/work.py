"""Work that goes on in the background of the API, watched until it is finished: a bar on standard error."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import show
from cli.api import NotAnswered

# seconds between two looks, longer each time
_FIRST, _LONGEST, _LONGER = 0.1, 2.0, 1.3
# once somebody was there, so many looks in a row may find nobody: a restart takes a while
_PATIENCE = 15

INTERRUPTED = 130


@dataclass(frozen=True)
class Work:
    """`look` asks how it stands: an object with `finishedAt`; `done` counts what of `total` is done.

    `again` is the command that looks once more.
    """

    title: str
    look: Callable[[], dict[str, Any]]
    done: Callable[[dict[str, Any]], int]
    total: Callable[[dict[str, Any]], int]
    again: str


def watch(work: Work) -> dict[str, Any]:
    """How it stands when it is finished. Whoever stops watching leaves it going, and is told how to look again."""
    console = show.aside()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task(work.title, total=None)
            pause, patience = _FIRST, 0
            while True:
                try:
                    found = work.look()
                except NotAnswered as problem:
                    if not patience:
                        raise NotAnswered(f"{problem.message} Look again with `{work.again}`.") from None
                    patience -= 1
                else:
                    patience = _PATIENCE
                    bar.update(task, completed=work.done(found), total=work.total(found))
                    if found["finishedAt"] is not None:
                        return found
                time.sleep(pause)
                pause = min(_LONGEST, pause * _LONGER)
    except KeyboardInterrupt:
        click.echo(f"The work goes on without you: look again with `{work.again}`.", err=True)
        raise SystemExit(INTERRUPTED) from None


def pages(look: Callable[[str | None], dict[str, Any]]) -> list[dict[str, Any]]:
    """All nodes of a connection, page by page; `look` asks for the one after a cursor."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        page = look(after)
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]
