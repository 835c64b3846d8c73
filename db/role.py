"""The logins that answer and work: each sees what its policies let it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    TENANT = "tenant"
    OPERATOR = "operator"
    WORKER = "worker"
