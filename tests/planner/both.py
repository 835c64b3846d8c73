"""Each query answered in every way within its one operation, by reading, by its plan and by graphql-core, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import asyncpg
import orjson
from graphql import ExecutionResult, GraphQLError

from db.errors import TimedOut
from resolvers import execution, readings
from resolvers.engine import Ready, Result
from schema.context import Context

ONE_WAY = execution._Running.answered
READ = readings._Reads.run

# After these the transaction answers nobody any more.
_ENDS = (asyncpg.PostgresError, asyncpg.InterfaceError, TimedOut)


@dataclass
class Compared:
    """Operations by what became of them, and the answers that differ."""

    same: int = 0
    read: int = 0
    surprised: int = 0
    by_core: int = 0
    ended: int = 0
    differences: list[str] = field(default_factory=list)


@contextmanager
def both_ways() -> Iterator[Compared]:
    """While inside, whatever engine answers a query answers it twice."""
    compared = Compared()

    async def run(ready: execution._Running, context: Context) -> ExecutionResult:
        answer = await ONE_WAY(ready, context)
        if ready.facts.kind == "mutation":
            return answer
        if ready.plan is None:
            compared.by_core += 1
        elif any(isinstance(cause, _ENDS) for error in answer.errors or () for cause in _chain(error)):
            compared.ended += 1
        else:
            statements = context.session.statements
            ours, theirs = await _twice(ready, context, answer)
            context.session.statements = statements
            compared.same += ours == theirs
            if ours != theirs:
                text = ready.executor.operation.loc.source.body if ready.executor.operation.loc else "?"
                compared.differences.append(f"{text}\n{ours}\n{theirs}")
        return answer

    async def read(ready: readings._Reads, context: Context) -> Result:
        surprises: list[None] = []

        def otherwise() -> Ready:
            surprises.append(None)
            return ready.otherwise()

        answer = await READ(replace(ready, otherwise=otherwise), context)
        if surprises:
            compared.surprised += 1
            if not answer.problems:
                compared.differences.append(f"{ready.facts}: reading was surprised, and there was nothing wrong")
            return answer
        statements = context.session.statements
        same, by_core = compared.same, compared.by_core
        ours, theirs = await _read_and_run(ready, context, answer)
        context.session.statements = statements
        # one operation, however often it was run again
        compared.same, compared.by_core = min(compared.same, same + 1), min(compared.by_core, by_core + 1)
        compared.read += ours == theirs
        if ours != theirs:
            compared.differences.append(f"{ready.facts}\n{ours!r}\n{theirs!r}")
        return answer

    with patch.object(execution._Running, "answered", run), patch.object(readings._Reads, "run", read):
        yield compared


@contextmanager
def one_way() -> Iterator[None]:
    """While inside, each query is answered once."""
    with patch.object(execution._Running, "answered", ONE_WAY), patch.object(readings._Reads, "run", READ):
        yield


async def _read_and_run(ready: readings._Reads, context: Context, answer: Result) -> tuple[bytes, bytes]:
    """As `_twice`: what running answers is compared with graphql-core's on the way. Where reading asked one statement, that is
    over, and so its event is among what was committed in between.
    """
    ours = _json(answer)
    while True:
        context.loaders.reset()
        theirs = _json(await ready.otherwise().run(context))
        if ours == theirs:
            return ours, theirs
        again = _json(await READ(ready, context))
        if again == ours:
            return ours, theirs
        ours = again


def _json(result: Result) -> bytes:
    """The text in one form, with the order of its names; what was wrong is told apart."""
    return orjson.dumps([orjson.loads(orjson.dumps(result.data)), [problem.message for problem in result.problems]])


def told(result: ExecutionResult) -> tuple[bytes, list[tuple[Any, ...]]]:
    """All of an answer that can be told from another, the order of its names and of its errors too."""
    return orjson.dumps(result.data, default=repr), [
        (error.message, error.path, error.locations, error.nodes, error.extensions, list(map(repr, _chain(error))))
        for error in result.errors or ()
    ]


async def _twice(ready: execution._Running, context: Context, answer: ExecutionResult) -> tuple[object, object]:
    """By its plan and by graphql-core. What others commit in between is no difference: the plan, asked again, sees it too."""
    ours = told(answer)
    while True:
        context.loaders.reset()
        theirs = told(await _by_core(ready))
        if ours == theirs:
            return ours, theirs
        context.loaders.reset()
        again = told(await ONE_WAY(ready, context))
        if again == ours:
            return ours, theirs
        ours = again


async def _by_core(ready: execution._Running) -> ExecutionResult:
    executor = ready.executor.build_per_event_executor(ready.executor.root_value)
    result: Any = executor.execute_operation()
    if not isinstance(result, ExecutionResult):
        result = await result
    assert isinstance(result, ExecutionResult)
    return result


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """What was raised, below the errors that graphql-core put around it."""
    while error is not None:
        if not isinstance(error, GraphQLError):
            yield error
        error = error.original_error if isinstance(error, GraphQLError) else None
