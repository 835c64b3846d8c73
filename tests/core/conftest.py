"""What the core wrote to its logs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

# `lines("requests")`, `lines("faults")`: the JSON lines of that log so far
Lines: TypeAlias = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    caplog.set_level(logging.INFO, logger="landlord")

    def of(log: str) -> list[dict[str, Any]]:
        return [json.loads(record.getMessage()) for record in caplog.records if record.name == f"landlord.{log}"]

    return of
