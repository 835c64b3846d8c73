"""Watching work in the background: an API that is away for a moment is asked again, one that stays away is told of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cli import work
from cli.api import NotAnswered
from cli.work import Work, watch

RUNNING, FINISHED = {"finishedAt": None}, {"finishedAt": "2026-11-01T00:00:00.000000Z"}
AWAY = NotAnswered("Nothing answers.")


def watched(answers: Sequence[dict[str, Any] | NotAnswered]) -> Work:
    left = iter(answers)

    def look() -> dict[str, Any]:
        answer = next(left)
        if isinstance(answer, NotAnswered):
            raise answer
        return answer

    count: Callable[[dict[str, Any]], int] = len
    return Work("Billing", look, count, count, again="landlord bill --run run_1")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_FIRST", "_LONGEST"):
        monkeypatch.setattr(work, name, 0)


def test_an_api_that_is_away_for_a_moment_is_asked_again() -> None:
    some = [AWAY] * work._PATIENCE
    assert watch(watched([RUNNING, *some, RUNNING, *some, FINISHED])) == FINISHED


def test_one_that_stays_away_is_told_of_and_how_to_look_again() -> None:
    with pytest.raises(NotAnswered, match=r"^Nothing answers\. Look again with `landlord bill --run run_1`\.$"):
        watch(watched([RUNNING, *[AWAY] * (work._PATIENCE + 1), FINISHED]))


def test_one_that_never_was_there_is_told_of_at_once() -> None:
    with pytest.raises(NotAnswered):
        watch(watched([AWAY, FINISHED]))
