"""A document held against the limits: how many of each thing it has, and how deep it is."""

from __future__ import annotations

from typing import Any

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

from db.errors import Invalid
from resolvers.limits import Limits, TooComplex


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
