"""The tables of docs/operations.md are those that are computed, from prices that say when and whence they are."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from bench import cost
from db.enums import Tier

OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def test_the_tables_are_those_that_are_computed() -> None:
    assert f"\n{cost.parts()}\n" in OPERATIONS
    assert f"\n{cost.table()}\n" in OPERATIONS
    assert f"\n{cost.snapshots()}\n" in OPERATIONS
    [least] = set(cost.enough().values())
    assert f"from {least} customers on one costs less than 21." in OPERATIONS
    assert cost.PRICES["as_of"] in OPERATIONS


def test_every_tier_has_an_assumed_month() -> None:
    assert {tier.lower() for tier in cost.USES} == {tier.value for tier in Tier}


def test_twice_the_use_costs_twice_as_much() -> None:
    use = cost.USES["STANDARD"]
    twice = cost.Use(small=2 * use.small, dashboards=2 * use.dashboards, letters=2 * use.letters)
    one, two = cost.variable(use), cost.variable(twice)
    metrics = cost._METRICS * cost.USD["metric_read"]  # once a month, whatever is asked
    one["mail and metrics"] -= metrics
    two["mail and metrics"] -= metrics
    # one invoice a month, whatever is asked
    assert two.pop("papers") == one.pop("papers") > Decimal(0)
    assert {name: round(price, 12) for name, price in two.items()} == {
        name: round(price * 2, 12) for name, price in one.items()
    }
    assert all(price > Decimal(0) for price in [*cost.fixed().values(), *one.values()])
