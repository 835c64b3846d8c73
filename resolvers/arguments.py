"""What a reading is given, coerced: its variables, the arguments of its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from billing.periods import Month

Variables: TypeAlias = Mapping[str, Any]


class Surprise(Exception):
    """Not what a reading expects: graphql-core says what it is."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`default` is JSON, as the document has it."""

    type: str
    required: bool
    has_default: bool = False
    default: Any = None

    def coerced(self, value: Any) -> Any:
        """Raises Surprise or Invalid."""
        if value is None:
            if self.required:
                raise Surprise
            return None
        return COERCED[self.type](value)


def _int(value: Any) -> int:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise Surprise
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Surprise
    return value


def _month(value: Any) -> Month:
    return Month.parse(_text(value))


COERCED: Final[Mapping[str, Callable[[Any], Any]]] = {"ID": _text, "Int": _int, "Month": _month, "String": _text}


class Arguments:
    """`data` are those of one field, as `resolvers/drawing.py` made them; absent is what is null or left out."""

    def __init__(self, data: Mapping[str, Mapping[str, Any]]) -> None:
        self._variables = {name: one["variable"] for name, one in data.items() if "variable" in one}
        self._fixed: dict[str, Any] = {
            name: COERCED[one["type"]](one["value"]) if "type" in one else one["value"]
            for name, one in data.items()
            if "variable" not in one
        }

    def of(self, variables: Variables) -> Mapping[str, Any]:
        if not self._variables:
            return self._fixed
        given = {name: variables[variable] for name, variable in self._variables.items() if variable in variables}
        return self._fixed | given
