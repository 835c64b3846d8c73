"""A tenant with a row of everything, a table of the emulator's, and what the application wrote to its logs."""

from tests.auth.conftest import access_table, table, waits
from tests.aws import aws
from tests.core.conftest import lines
from tests.isolation.conftest import ledger, rich

__all__ = ["access_table", "aws", "ledger", "lines", "rich", "table", "waits"]
