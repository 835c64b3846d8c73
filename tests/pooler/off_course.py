"""Not of the suite: what a run through the pooler must fail for, and what it must let pass. See `test_pooler`."""

from __future__ import annotations

import pytest

from db.session import Session
from tests.landlord import Tenant


async def test_that_works_and_would_pin_a_session(acme: Tenant) -> None:
    async with acme.session() as session:
        assert await _zone(session) == "UTC"


@pytest.mark.off_script("as injected SQL would")
async def test_that_would_too_and_says_so(acme: Tenant) -> None:
    async with acme.session() as session:
        assert await _zone(session) == "UTC"


async def _zone(session: Session) -> object:
    return await session.value("select set_config('timezone', 'UTC', true)")
