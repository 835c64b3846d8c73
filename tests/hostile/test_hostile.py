"""Whoever means harm is refused in a word, or answered without any: never with a fault of ours."""

from __future__ import annotations

import pytest

from tests.core.conftest import Lines, lines
from tests.hostile.corpus import Hostile, corpus
from tests.landlord import Landlord, Tenant

__all__ = ["lines"]

CORPUS = corpus()

each_of_them = pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.name)


@pytest.fixture(scope="module")
async def caller(landlord: Landlord) -> Tenant:
    return await landlord.tenant("Mallory", tier="gov_federal")


@each_of_them
async def test_it_is_refused_or_answered_and_never_a_fault(
    landlord: Landlord, caller: Tenant, hostile: Hostile, lines: Lines
) -> None:
    response = await landlord.http.post(
        "/graphql",
        content=hostile.body,
        headers={"authorization": f"Bearer {caller.token}", **hostile.headers},
    )
    answer = response.json()
    codes = [error["extensions"]["code"] for error in answer.get("errors", [])]
    assert (response.status_code, sorted(set(codes))) == (hostile.status, [hostile.code] if hostile.code else []), (
        answer
    )
    assert len(codes) <= 5
    assert len(response.content) < 500_000
    assert ("data" in answer) is (hostile.code is None or "data" in answer)
    assert lines("faults") == []


async def test_a_stranger_is_not_even_parsed_for(landlord: Landlord) -> None:
    """Whatever is in it: without credentials all that is no `createSession` is refused alike."""
    seen = set()
    for hostile in CORPUS:
        response = await landlord.http.post("/graphql", content=hostile.body, headers=dict(hostile.headers))
        seen.add(response.status_code)
        assert response.status_code in (hostile.status, 400, 401, 429), hostile.name
    assert 200 not in seen


def test_there_are_enough_of_them_and_each_is_small_but_those_that_are_large() -> None:
    assert len(CORPUS) > 75
    assert [hostile.name for hostile in CORPUS if len(hostile.body) > 64 * 1024] == [
        "8 MB of spaces",
        "8 MB in one variable",
    ]
