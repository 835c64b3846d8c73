"""No function of the server's that the tenant role may execute reads or changes a neighbour's row; `make attacks` runs it."""

from __future__ import annotations

from tests.attacks import functions
from tests.attacks.target import Target


async def test_no_function_of_the_server_says_anything_of_a_neighbour(target: Target) -> None:
    called = ran = 0
    for attack in await functions.servers(target.landlord.admin):
        outcome = await target.suffer(attack)
        assert (outcome.breaches, outcome.failures) == ((), ()), attack
        called += len(attack.texts)
        ran += outcome.ends.split().count("-")
    print(f"{called} calls, of which {ran} answered")
    assert called > 2000
    assert ran > called / 4
