"""What the application wrote to its logs."""

from tests.core.conftest import lines

__all__ = ["lines"]
