"""What is planned and what is not, and what plans keep."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, OperationDefinitionNode, parse
from graphql.execution import Executor
from strawberry.schema.schema_converter import GraphQLCoreConverter

from resolvers.calls import Call
from resolvers.plan import Execute, by_plan
from resolvers.planner import Planner
from schema.root import schema
from tests.planner.troubled import SCHEMA, World

TROUBLED = SCHEMA._schema


class Kept:
    """A document on the troubled schema, as it is kept between requests."""

    def __init__(self, text: str) -> None:
        self.document = parse(text)
        (operation,) = [one for one in self.document.definitions if isinstance(one, OperationDefinitionNode)]
        planner = Planner.of(TROUBLED, self.document, operation)
        assert planner is not None
        self.planner = planner

    def plan(self, **variables: Any) -> Execute | None:
        return self.planner.plan(self.executor(**variables))

    def executor(self, **variables: Any) -> Executor[Any]:
        executor = Executor.build(TROUBLED, self.document, context_value=World(0), raw_variable_values=variables)
        assert isinstance(executor, Executor), executor
        return executor

    async def ask(self, **variables: Any) -> Any:
        executor = self.executor(**variables)
        plan = self.planner.plan(executor)
        assert plan is not None
        result = await by_plan(plan, executor)
        assert result.errors is None
        return result.data


def test_one_plan_serves_all_values_of_other_variables() -> None:
    kept = Kept("query($number: Int, $on: Boolean!) { box(number: $number) { text @include(if: $on) number } }")
    assert kept.plan(number=1, on=True) is kept.plan(number=2, on=True)
    assert kept.plan(number=1, on=True) is not kept.plan(number=1, on=False)


async def test_arguments_are_those_of_each_request() -> None:
    kept = Kept("query($number: Int) { a: box(number: $number) { number } b: box(number: 7) { number } }")
    answers = [await kept.ask(number=number) for number in (1, 2, 1)]
    assert answers[0] == answers[2] != answers[1]
    assert answers[0]["b"] == answers[1]["b"]


async def test_no_request_sees_what_another_did_to_its_input() -> None:
    kept = Kept("{ spoils(wish: { number: 1, colours: [RED] }) }")
    assert [await kept.ask() for _ in range(2)] == [{"spoils": "2 2"}] * 2


@pytest.mark.parametrize("choices", [16, 40])
def test_the_plans_of_an_operation_are_bounded(choices: int) -> None:
    names = [f"v{number}" for number in range(6)]
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    asked = " ".join(f"{name}: box {{ text @skip(if: ${name}) number }}" for name in names)
    kept = Kept(f"query({declared}) {{ {asked} }}")
    for choice in range(choices):
        assert kept.plan(**{name: bool(choice >> place & 1) for place, name in enumerate(names)}) is not None
    assert len(kept.planner._plans) <= 16


def test_a_choice_that_is_null_is_graphql_cores_to_refuse() -> None:
    assert Kept("query($on: Boolean = true) { box { text @include(if: $on) } }").plan(on=None) is None


def test_every_field_that_can_be_asked_is_planned() -> None:
    """A field whose resolver wants what plans do not give, or an extension around it, would take its documents along."""
    core = schema._schema
    beyond = [
        f"{type_.name}.{name}"
        for type_ in core.type_map.values()
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        and not type_.name.startswith("__")
        and type_ is not core.mutation_type
        for name, field in type_.fields.items()
        if not (made_from := field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]).is_basic_field
        and not Call.possible(made_from)
    ]
    assert beyond == []
