"""How large, deep and long a request may be. All of it in one place, and nothing of it depends on who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    visit,
)

from db.errors import Invalid, LandlordError


@dataclass(frozen=True, slots=True)
class Limits:
    """GraphiQL's introspection takes 200 of the tokens and all of the depth."""

    body_bytes: int = 64 * 1024
    json_depth: int = 32
    tokens: int = 800
    depth: int = 15
    aliases: int = 30
    directives: int = 10
    repeats: int = 20  # of a field that stands in the same braces already: they are compared each with each
    operations: int = 10  # in one document, of which one is run
    cost: int = 5000  # points; see `resolvers/cost.py`
    errors: int = 5  # answered; what follows is cut off
    seconds: float = 20.0  # API Gateway gives up at 30
    documents: int = 500  # kept parsed and validated


LIMITS: Final = Limits()


class TooComplex(LandlordError):
    """The document is larger than it may be; the message says in what."""

    code = "TOO_COMPLEX"


class _Counts(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.aliases = 0
        self.directives = 0
        self.repeats = 0
        self.operations = 0
        self.nul = False

    def enter_operation_definition(self, *_: Any) -> None:
        self.operations += 1

    def enter_selection_set(self, node: SelectionSetNode, *_: Any) -> None:
        named = [one.alias or one.name for one in node.selections if isinstance(one, FieldNode)]
        self.repeats += len(named) - len({name.value for name in named})

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.aliases += node.alias is not None

    def enter_directive(self, *_: Any) -> None:
        self.directives += 1

    def enter_string_value(self, node: Any, *_: Any) -> None:
        self.nul = self.nul or "\0" in node.value


def check_counts(document: DocumentNode, limits: Limits) -> None:
    """Of any document that parses: to validate one takes the square of some of these. Raises TooComplex or Invalid."""
    counts = _Counts()
    visit(document, counts)
    _check("operations", counts.operations, limits.operations)
    _check("aliases", counts.aliases, limits.aliases)
    _check("directives", counts.directives, limits.directives)
    _check("repeated fields", counts.repeats, limits.repeats)
    if counts.nul:
        raise Invalid("Text cannot hold the character U+0000.")


def check_depth(document: DocumentNode, limits: Limits) -> None:
    """Of a valid document, since only that is sure to have no circle of fragments. Raises TooComplex."""
    _check("levels", _depth(document), limits.depth)


def _check(what: str, count: int, most: int) -> None:
    if count > most:
        raise TooComplex(f"This document has {count} {what}, and {most} is the most: ask in several requests.")


def json_depth(value: object) -> int:
    """How deep lists and objects nest; a plain value is 0."""
    deepest = 0
    ahead = [(value, 1)]
    while ahead:
        one, depth = ahead.pop()
        if isinstance(one, dict):
            ahead += [(item, depth + 1) for item in one.values()]
        elif isinstance(one, list):
            ahead += [(item, depth + 1) for item in one]
        else:
            depth -= 1
        deepest = max(deepest, depth)
    return deepest


def holds_nul(value: object) -> bool:
    """Whether any text in this JSON, keys included, holds U+0000, which PostgreSQL cannot store."""
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, dict):
            ahead += one.keys()
            ahead += one.values()
        elif isinstance(one, list):
            ahead += one
        elif isinstance(one, str) and "\0" in one:
            return True
    return False


def _depth(document: DocumentNode) -> int:
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    known: dict[str, int] = {}

    def of(selections: SelectionSetNode | None) -> int:
        deepest = 0
        for selection in selections.selections if selections is not None else ():
            if isinstance(selection, FieldNode):
                depth = 1 + of(selection.selection_set)
            elif isinstance(selection, InlineFragmentNode):
                depth = of(selection.selection_set)
            else:
                assert isinstance(selection, FragmentSpreadNode)
                name = selection.name.value
                if name not in known:
                    known[name] = of(fragments[name].selection_set)
                depth = known[name]
            deepest = max(deepest, depth)
        return deepest

    return max(of(node.selection_set) for node in document.definitions if isinstance(node, OperationDefinitionNode))
