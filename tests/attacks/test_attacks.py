"""No attack reads or changes a neighbour's row; the same texts do where the guard is weak."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.attacks import asking, forging, leaving, opening, reading, writing
from tests.attacks.attack import RACE, Attack
from tests.attacks.mutants import PLAIN
from tests.attacks.target import Target, Template
from tests.db import rules

pytestmark = pytest.mark.direct("the next tenant must come upon the connection that was attacked")

ATTACKS = [*forging.ATTACKS, *reading.ATTACKS, *writing.ATTACKS, *leaving.ATTACKS, *asking.ATTACKS, *opening.ATTACKS]


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
async def test_an_attack_reads_and_changes_nothing_of_a_neighbours(target: Target, attack: Attack) -> None:
    outcome = await target.suffer(attack)
    assert (outcome.breaches, outcome.failures) == ((), ())
    expected, ended = attack.ends.split(), outcome.ends.split()
    assert len(expected) == len(ended)
    assert [end for end, allowed in zip(ended, expected, strict=True) if end not in allowed.split("|")] == [], (
        outcome.ends
    )


@pytest.mark.parametrize(
    "attack",
    [one for one in ATTACKS if one.within == "query" and not one.first and one.texts[0] != RACE],
    ids=str,
)
async def test_it_does_not_either_in_the_statement_that_opens_the_transaction(target: Target, attack: Attack) -> None:
    """Where most of it is no longer SQL: how it ends is another matter."""
    outcome = await target.suffer(replace(attack, first=True))
    assert outcome.breaches == ()
    assert outcome.ends


@pytest.mark.parametrize(
    "attack",
    [one for one in ATTACKS if one.within == "query" and one.texts[0] != RACE],
    ids=str,
)
async def test_nor_in_the_one_statement_that_is_a_querys_whole_transaction(target: Target, attack: Attack) -> None:
    """Before which nobody looked at the connection, and after which nobody does."""
    outcome = await target.suffer(replace(attack, first=True, within="lone query"))
    assert outcome.breaches == ()
    assert outcome.ends


@pytest.mark.parametrize("attack", [one for one in ATTACKS if one.leaves and not one.next_alone], ids=str)
async def test_what_is_left_for_the_next_tenant_does_nothing_where_that_asks_one_statement(
    target: Target, attack: Attack
) -> None:
    outcome = await target.suffer(replace(attack, next_alone=True))
    assert outcome.breaches == ()
    assert outcome.ends


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack.forges], ids=str)
async def test_a_forgery_reads_the_neighbour_where_the_setting_is_all_there_is(plain: Target, attack: Attack) -> None:
    """The usual design, with the same texts: so the test above attacks something."""
    outcome = await plain.suffer(attack)
    assert [breach for breach in outcome.breaches if breach.startswith("reads ")], outcome


async def test_the_database_that_is_attacked_keeps_every_rule(target: Target) -> None:
    assert await rules.faults(target.landlord.admin) == []


def test_no_two_attacks_have_one_name() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.fixture(scope="module")
async def plain(template: Template) -> AsyncIterator[Target]:
    async with template.copy(*PLAIN) as target:
        yield target
