"""What an operation costs, known before it runs: points for the objects that its answer may have.

    cost = cost_of(schema, declared, document, operation)      # once a document: resolvers/costing.py
    cost.of(variables)                                         # at every request

An object is a point, and so is a field that asks the database for itself. Plain attributes are free, and so is what only
wraps: edges, `pageInfo`, refusals of a mutation. A list's objects count as often as there may be of them: `first` in a
connection, what is usual in any other list. What is selected twice in one place counts once, as it is run once; whether
`@skip` or `@include` spare a field is not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schema.windows import FIRST_BY_DEFAULT, LONGEST_PAGE

REQUEST: Final = 1  # for being parsed, checked, written down and answered, whatever it asks
MUTATION: Final = 10  # for its writes and their event, in a transaction that others may wait for
INTROSPECTED: Final = 20  # objects of the schema itself, which is in memory, cost one point together


@dataclass(frozen=True, slots=True)
class Step:
    """A selected field, in fractions of a point.

    `below` is what is selected of its object, by place in the program: once for each type that the object may be of. Of a
    connection `size` is how many items it may have, of other fields how many objects: a number, or the variable that says
    it. `item`: it is a connection's list.
    """

    own: int
    size: int | str
    below: tuple[int, ...]
    connection: bool
    item: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """A program: what is selected of each object in the document, after what is selected below it."""

    steps: tuple[tuple[Step, ...], ...]
    _constant: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        varies = any(isinstance(one.size, str) for fields in self.steps for one in fields)
        object.__setattr__(self, "_constant", None if varies else self._of({}))

    def of(self, variables: Mapping[str, Any]) -> int:
        return self._of(variables) if self._constant is None else self._constant

    def _of(self, variables: Mapping[str, Any]) -> int:
        known: list[tuple[int, int]] = []  # of each step: what it costs once, and for each item of a connection
        for fields in self.steps:
            once = each = 0
            for one in fields:
                size = one.size if isinstance(one.size, int) else within(variables.get(one.size))
                inner, items = max((known[at] for at in one.below), default=(0, 0), key=lambda of: of[0] + size * of[1])
                if one.connection:
                    points = one.own + inner + size * items
                else:
                    points = size * (one.own + inner)
                if one.item:
                    each += points
                else:
                    once += points
            known.append((once, each))
        return REQUEST + -(-known[-1][0] // INTROSPECTED)


def within(first: int | None) -> int:
    """How many `first` asks for. What no list gives counts as the nearest that one does, and is refused when it runs."""
    return FIRST_BY_DEFAULT if first is None else max(1, min(first, LONGEST_PAGE))
