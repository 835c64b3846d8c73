"""Documents at random, answered by their plan and by graphql-core: the same, in data, errors, their order, and batches."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from graphql import (
    ExecutionResult,
    GraphQLNamedType,
    OperationDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.execution import Executor

from resolvers.plan import by_plan
from resolvers.planner import Planner
from schema.root import schema
from tests.isolation.belongings import Belongings
from tests.landlord import Landlord
from tests.ledger import Ledger
from tests.planner.both import Compared, told
from tests.planner.documents import Documents
from tests.planner.troubled import SCHEMA, World

TROUBLED = SCHEMA._schema
PARTS = 4  # for several processes to share


@pytest.fixture
def documents(request: pytest.FixtureRequest) -> int:
    """How many to draw."""
    many: int = request.config.getoption("--documents")
    return many


# after an error graphql-core drops what nobody waits for, and so do plans, which take its steps
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_documents_on_a_schema_where_everything_fails_now_and_then(documents: int) -> None:
    became = Counter([await answered_twice(seed) for seed in range(documents)])
    gc.collect()
    assert became["answered"] + became["failed"] > documents * 0.95
    assert became["failed"] > documents * 0.2
    assert became["not planned"] < documents * 0.04  # variables of @skip and @include that are null


async def answered_twice(seed: int) -> str:
    """What became of the document of this seed."""
    random = Random(seed)
    trouble = random.choice((0.0, 0.03, 0.15, 0.4))
    text, variables = Documents(TROUBLED, random, lambda name, type_: feed(random, type_)).one()
    document = parse(text)
    assert not validate(TROUBLED, document, specified_rules), text
    (operation,) = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    planner = Planner.of(TROUBLED, document, operation)
    assert planner is not None
    executor = Executor.build(TROUBLED, document, raw_variable_values=variables)
    assert isinstance(executor, Executor), executor
    plan = planner.plan(executor)
    if plan is None:
        return "not planned"
    answers = []
    for planned in (True, False):
        once = executor.build_per_event_executor(None)
        once.context_value = world = World(trouble)
        result: Any = by_plan(plan, once) if planned else once.execute_operation()
        if not isinstance(result, ExecutionResult):
            result = await result
        for _ in range(50):
            await asyncio.sleep(0)  # for what nobody waits for any more
        answers.append((*told(result), world.batches))
    ours, theirs = answers
    assert ours == theirs, f"seed {seed}:\n{text}\n{variables}"
    return "failed" if ours[1] else "answered"


def feed(random: Random, type_: GraphQLNamedType) -> Any:
    match type_.name:
        case "Int":
            return random.choice((0, 1, 2, 3, 5, 8))
        case "ID":
            return random.choice(("a", "bb", "ccc"))
        case "Boolean":
            return random.random() < 0.5
        case "JSON":
            return random.choice(({}, [1, {"a": None}], "x", 2.5))
    return {"Decimal": "1.50", "Month": "2026-10", "Date": "2026-10-31"}[type_.name]


@dataclass(frozen=True)
class Known:
    """What callers give: IDs, an invoice's number and cursors, their own and others'."""

    ids: Sequence[str]
    number: str
    cursors: Sequence[str]

    def feed(self, random: Random, name: str, type_: GraphQLNamedType) -> Any:
        match type_.name:
            case "ID":
                return random.choice((*self.ids, "nonsense"))
            case "Int":
                return random.choice((1, 2, 3, 20, 100, 0, 1000) if name == "first" else (0, 7, 250))
            case "Month":
                return f"2026-{random.randint(6, 12):02}"
            case "DateTime":
                return f"2026-{random.randint(6, 12):02}-01T00:00:00Z"
        found = {"number": self.number, "search": "wayne", "after": random.choice((*self.cursors, "nonsense"))}
        plain = {"Date": "2026-10-01", "BigInt": "1000000", "Decimal": "12.5"}
        return found.get(name) or plain.get(type_.name, "wayne.enterprises")


async def test_documents_on_the_schema_itself(landlord: Landlord, documents: int, every_query: Compared) -> None:
    rich = await Belongings.of(Ledger(landlord.house, landlord.connections, landlord.admin), name="Wayne Enterprises")
    cursors = [
        connection["pageInfo"]["endCursor"]
        for connection in (
            await rich.owner.api(
                "{ invoices(first: 1) { pageInfo { endCursor } } auditEvents { pageInfo { endCursor } } }"
            )
        ).values()
    ]
    known = Known([id for found in rich.ids.values() for id in found[:2]], rich.number, cursors)
    became: Counter[str] = Counter()
    for seed in range(documents // 10):
        random = Random(seed)
        caller = random.choice((rich.owner, rich.owner, landlord.house))

        def given(name: str, type_: GraphQLNamedType, random: Random = random) -> Any:
            return known.feed(random, name, type_)

        text, variables = Documents(schema._schema, random, given, fields=40, depth=8).one()
        if validate(schema._schema, parse(text), specified_rules):
            became["invalid"] += 1  # fields of one name and two types, of objects that are never both
            continue
        same, by_core = every_query.same, every_query.by_core
        answer = (await caller.post(text, variables)).json()
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert "BAD_REQUEST" not in codes, text
        assert "INTERNAL" not in codes, text
        became["refused" if "data" not in answer else "failed" if codes else "answered"] += 1
        assert every_query.same + every_query.by_core == same + by_core + ("data" in answer), text
    assert became["answered"] > documents / 10 * 0.3
    assert became["failed"] > documents / 10 * 0.1
    assert became["invalid"] < documents / 10 * 0.05
