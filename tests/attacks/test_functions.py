"""No function of ours that the tenant role may execute says anything of a neighbour."""

from __future__ import annotations

import pytest

from tests.attacks import functions
from tests.attacks.target import Target

pytestmark = pytest.mark.direct("the next tenant must come upon the connection that was attacked")


async def test_no_function_that_the_tenant_may_execute_says_anything_of_a_neighbour(target: Target) -> None:
    """Which these are is written down in tests/db/grants.txt."""
    attack = await functions.ours(target.landlord.admin)
    outcome = await target.suffer(attack)
    assert (outcome.breaches, outcome.failures) == ((), ())
    # a call that cannot be made asks nothing
    assert {"42883", "42601", "42P01"} & set(outcome.ends.split()) == set()
