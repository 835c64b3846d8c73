"""Each defence is missed when it is gone: an attack that comes to nothing succeeds on a database without it.

`make attacks` runs it, and tells which attack caught which mutant, and how.
"""

from __future__ import annotations

import pytest

from tests.attacks.attack import Attack
from tests.attacks.mutants import MUTANTS, Edit, Mutant
from tests.attacks.target import Template
from tests.attacks.test_attacks import ATTACKS


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
async def test_a_missing_defence_is_noticed(template: Template, mutant: Mutant) -> None:
    async with template.copy() as target:
        for change in mutant.changes:
            statement = await change.statement(target.landlord.admin) if isinstance(change, Edit) else change
            await target.landlord.admin.execute(statement)
        await target.look_again()
        for attack in map(named, mutant.caught_by):
            outcome = await target.suffer(attack)
            print(f"{mutant}\n    {attack}\n        {'; '.join(breach[:100] for breach in outcome.breaches)}")
            assert outcome.breaches, f"survives `{attack}`: {outcome}"


def named(beginning: str) -> Attack:
    [found] = [attack for attack in ATTACKS if attack.name == beginning or attack.name.startswith(beginning + " ")] or [
        attack for attack in ATTACKS if attack.name.startswith(beginning)
    ]
    return found
