"""A resolver called straight: its arguments are coerced once an operation, or once a document where they are constant."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final, NoReturn

import strawberry
from graphql import FieldNode, Visitor, visit
from graphql.execution.values import get_argument_values
from graphql.pyutils import Path
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from billing.periods import Month
from resolvers.plan import Field, Run

# Calls may share what cannot be changed.
_UNCHANGING: Final = (str, int, float, Decimal, date, Month, enum.Enum)


class _Info(strawberry.Info[Any, Any]):
    """The same for all objects of an operation that a field is resolved of, so it knows of no path."""

    @property
    def path(self) -> NoReturn:
        raise NotImplementedError("a resolver does not know where its object stands in the answer")


class Call:
    """`call(run, source)` calls the resolver of `definition` as the field `place` asks.

    Raises GraphQLError where its arguments do not fit.
    """

    __slots__ = ("_constant", "_converter", "_definition", "_function", "_info", "_place", "_self")

    def __init__(self, place: Field, definition: StrawberryField, schema: strawberry.Schema) -> None:
        resolver = definition.base_resolver
        assert resolver is not None
        self._place = place
        self._definition = definition
        self._converter = schema.schema_converter
        self._function: Callable[..., Any] = resolver.wrapped_func  # type: ignore[assignment]
        self._self = resolver.self_parameter is not None
        self._info = resolver.info_parameter.name if resolver.info_parameter is not None else None
        self._constant: Mapping[str, Any] | None = None
        if not has_variables(place.details[0].node):
            try:
                arguments = self._converted(get_argument_values(place.definition, place.details[0].node))
            except Exception:
                return  # each call is to be told
            if all(value is None or isinstance(value, _UNCHANGING) for value in arguments.values()):
                self._constant = arguments

    @staticmethod
    def possible(definition: StrawberryField) -> bool:
        """Whether a field's resolver may be called without what strawberry puts around it."""
        resolver = definition.base_resolver
        if resolver is None or resolver.parent_parameter is not None or resolver.root_parameter is not None:
            return False
        plain = strawberry.extensions.FieldExtension.map_arguments
        return not any(
            extension.has_resolver or type(extension).map_arguments is not plain for extension in definition.extensions
        )

    def __call__(self, run: Run, source: Any) -> Any:
        arguments = run.arguments.get(self)
        if arguments is None:
            arguments = run.arguments[self] = self._arguments(run)
        return self._function(source, **arguments) if self._self else self._function(**arguments)

    def _arguments(self, run: Run) -> Mapping[str, Any]:
        arguments = self._constant
        if arguments is None:
            executor = run.executor
            arguments = self._converted(
                get_argument_values(
                    self._place.definition,
                    self._place.details[0].node,
                    executor.variable_values,
                    hide_suggestions=executor.hide_suggestions,
                )
            )
        if self._info is None:
            return arguments
        place = self._place
        nodes = [detail.node for detail in place.details]
        raw = run.executor.build_resolve_info(place.definition, nodes, place.parent, Path(None, place.key, None))
        return {**arguments, self._info: _Info(raw, self._definition)}

    def _converted(self, coerced: dict[str, Any]) -> dict[str, Any]:
        """GraphQL's values as the resolver wants them: objects of our input types."""
        converter = self._converter
        return convert_arguments(
            coerced, self._definition.arguments, scalar_registry=converter.scalar_registry, config=converter.config
        )


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def enter_variable(self, *_: Any) -> None:
        self.found = True


def has_variables(node: FieldNode) -> bool:
    """Whether any of its arguments has one in it."""
    variables = _Variables()
    for argument in node.arguments or ():
        visit(argument, variables)
    return variables.found
