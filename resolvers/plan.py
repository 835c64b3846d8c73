"""A plan at work: fields are read, resolvers called, and what they give is brought into the form of an answer.

Each step, its order and its tasks are those of graphql-core's Executor, so errors come in the same order and the
dataloaders' batches are the same. What the Executor looks up for every value is looked up once a document here:
`resolvers/planner.py`. A value that is not what its type says, and every error, is left to the Executor itself, which
comes with each run: nothing is said twice about what an error is.

Not looked for is what types rule out: attributes that are to be awaited, and asynchronous iterators.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from types import CoroutineType, NoneType
from typing import Any, TypeAlias

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    is_nullable_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetails
from graphql.pyutils import Path as CorePath
from graphql.pyutils.gather_with_cancel import gather_with_cancel

# Where a value stands: of its object or list, its key or index, and the type that the key is a field of. As a plain
# tuple it costs a tenth of graphql-core's, which is made of it when there is an error.
Path: TypeAlias = "tuple[Path | None, str | int, str | None]"


class Run:
    """One operation under way. `arguments` are those of each `Call`, made when it is first called."""

    __slots__ = ("arguments", "executor")

    def __init__(self, executor: Executor[Any]) -> None:
        self.executor = executor
        self.arguments: dict[object, Mapping[str, Any]] = {}


# From a value to its form in an answer, or to a coroutine that gives it. Raises what is wrong with the value.
Complete: TypeAlias = Callable[[Run, Any, Path], Any]
# The same for an object and the fields asked of it; its path is None for the root.
Execute: TypeAlias = Callable[[Run, Any, "Path | None"], Any]


@dataclass(eq=False, slots=True)
class Field:
    """A place in the answer: what `details` ask of `parent` under `key`."""

    key: str
    parent: GraphQLObjectType
    definition: GraphQLField
    details: list[FieldDetails]

    def at(self, path: Path | None) -> Path:
        return path, self.key, self.parent.name

    def failed(self, run: Run, error: Exception, path: Path | None) -> None:
        """Note the error, and null is the answer; raises it, located, where null is none."""
        run.executor.handle_field_error(error, self.definition.type, self.details, _core(self.at(path)))

    def by_core(self, run: Run, source: Any, path: Path | None) -> Any:
        """The whole field as graphql-core answers it."""
        return run.executor.execute_field(self.parent, source, self.details, _core(self.at(path)), None)

    def completed_by_core(self, run: Run, type: GraphQLOutputType, value: Any, path: Path) -> Any:
        """A value of the field, or of a list in it, as graphql-core completes it."""
        own = path
        while not isinstance(own[1], str):
            assert own[0] is not None
            own = own[0]
        executor = run.executor
        nodes = [detail.node for detail in self.details]
        info = executor.build_resolve_info(self.definition, nodes, self.parent, _core(own))
        return executor.complete_value(type, self.details, info, _core(path), value, None)


@dataclass(frozen=True, slots=True)
class Leaf:
    """How the values of a leaf type are written: those of a class in `as_is` stand for themselves, those of a class in
    `kinds` are written by `text`, which gives no None.

    It may raise, and what it says is not heard: graphql-core is asked again.
    """

    as_is: frozenset[type] = frozenset()
    kinds: frozenset[type] = frozenset()
    text: Callable[[Any], Any] = str

    def or_null(self) -> Leaf:
        return Leaf(self.as_is | {NoneType}, self.kinds, self.text)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field that is an attribute of its object, and a leaf."""

    field: Field
    name: str
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Constant:
    """A field whose answer is known before."""

    field: Field
    value: Any


@dataclass(frozen=True, slots=True)
class Step:
    """Any other field. `execute` raises located errors alone."""

    field: Field
    execute: Execute


Selected: TypeAlias = "Attribute | Constant | Step"
_MISSING = object()


async def by_plan(plan: Execute, executor: Executor[Any]) -> ExecutionResult:
    """A query's answer. The executor is ready to run it itself, and has its context."""
    data: dict[str, Any] | None
    try:
        data = plan(Run(executor), executor.root_value, None)
        if type(data) is CoroutineType:
            data = await data
    except GraphQLError as error:
        executor.collected_errors.add(error, None)
        data = None
    return ExecutionResult(data, executor.collected_errors.errors or None)


def fields(selected: Iterable[Selected]) -> Execute:
    """All fields of an object, in their order."""
    steps: list[tuple[str, str | None, frozenset[type], frozenset[type], Callable[[Any], Any], Execute]] = []
    for one in selected:
        place = one.field
        if isinstance(one, Attribute):
            steps.append((place.key, one.name, one.leaf.as_is, one.leaf.kinds, one.leaf.text, place.by_core))
        else:
            otherwise = one.execute if isinstance(one, Step) else _always(one.value)
            steps.append((place.key, None, frozenset(), frozenset(), str, otherwise))

    def execute(run: Run, source: Any, path: Path | None) -> Any:
        results: dict[str, Any] = {}
        awaited: list[str] = []
        try:
            for key, attribute, as_is, kinds, text, otherwise in steps:
                if attribute is not None:
                    value = getattr(source, attribute, _MISSING)
                    of = type(value)
                    if of in as_is:
                        results[key] = value
                        continue
                    if of in kinds:
                        try:
                            results[key] = text(value)
                            continue
                        except Exception:
                            pass  # `otherwise` meets it again, and says where
                results[key] = value = otherwise(run, source, path)
                if type(value) is CoroutineType:
                    awaited.append(key)
        except Exception:
            if awaited:
                run.executor.settle_in_background([results[key] for key in awaited])
            raise
        return _gathered(results, awaited) if awaited else results

    return execute


def attribute(place: Field, name: str, complete: Complete) -> Step:
    """A field that is an attribute of its object: another object, or a list."""

    def execute(run: Run, source: Any, path: Path | None) -> Any:
        try:
            completed = complete(run, getattr(source, name), place.at(path))
        except Exception as error:
            place.failed(run, error, path)
            return None
        return _guarded(run, place, completed, path) if type(completed) is CoroutineType else completed

    return Step(place, execute)


def resolved(place: Field, call: Callable[[Run, Any], Any], complete: Complete) -> Step:
    """A field with a resolver of its own, asynchronous or not."""

    def execute(run: Run, source: Any, path: Path | None) -> Any:
        try:
            value = call(run, source)
            if type(value) is CoroutineType:
                return _awaited(run, place, value, complete, path)
            completed = complete(run, value, place.at(path))
        except Exception as error:
            place.failed(run, error, path)
            return None
        return _guarded(run, place, completed, path) if type(completed) is CoroutineType else completed

    return Step(place, execute)


def leaf(place: Field, type_: GraphQLOutputType, leaf: Leaf) -> Complete:
    as_is, kinds, text = leaf.as_is, leaf.kinds, leaf.text

    def complete(run: Run, value: Any, path: Path) -> Any:
        of = type(value)
        if of in as_is:
            return value
        if of in kinds:
            try:
                return text(value)
            except Exception:
                pass  # graphql-core meets it again, and says where
        return place.completed_by_core(run, type_, value, path)

    return complete


def objects(place: Field, type_: GraphQLOutputType, execute: Execute, fits: Callable[[type], bool]) -> Complete:
    """Objects of one type; `fits` says whether those of a class need no further look."""
    known: set[type] = set()
    or_null = is_nullable_type(type_)

    def complete(run: Run, value: Any, path: Path) -> Any:
        of = type(value)
        if of not in known:
            if value is None and or_null:
                return None
            if not fits(of):
                return place.completed_by_core(run, type_, value, path)
            known.add(of)
        return execute(run, value, path)

    return complete


def interface(place: Field, type_: GraphQLOutputType, execute_of: Callable[[type], Execute | None]) -> Complete:
    """Objects of several types; `execute_of` says how those of a class are executed, as far as it is known."""
    or_null = is_nullable_type(type_)

    def complete(run: Run, value: Any, path: Path) -> Any:
        execute = execute_of(type(value))
        if execute is None:
            if value is None and or_null:
                return None
            return place.completed_by_core(run, type_, value, path)
        return execute(run, value, path)

    return complete


def items(place: Field, type_: GraphQLOutputType, item_type: GraphQLOutputType, complete_item: Complete) -> Complete:
    """Lists of whatever `complete_item` completes."""

    or_null = is_nullable_type(type_)

    def complete(run: Run, value: Any, path: Path) -> Any:
        if type(value) is not list:
            if value is None and or_null:
                return None
            return place.completed_by_core(run, type_, value, path)
        results: list[Any] = []
        awaited: list[int] = []
        index = 0
        try:
            for item in value:
                at = (path, index, None)
                try:
                    completed = complete_item(run, item, at)
                    if type(completed) is CoroutineType:
                        completed = _guarded_item(run, place, item_type, completed, at)
                        awaited.append(index)
                except Exception as error:
                    run.executor.handle_field_error(error, item_type, place.details, _core(at))
                    completed = None
                results.append(completed)
                index += 1
        except Exception:
            if awaited:
                run.executor.settle_in_background([results[index] for index in awaited])
            raise
        return _gathered(results, awaited) if awaited else results

    return complete


async def _gathered(results: Any, awaited: list[Any]) -> Any:
    """An object's or a list's results, once what is at these keys or indices is there."""
    if len(awaited) == 1:
        results[awaited[0]] = await results[awaited[0]]
    else:
        for key, value in zip(awaited, await gather_with_cancel(*[results[key] for key in awaited]), strict=True):
            results[key] = value
    return results


async def _awaited(
    run: Run, place: Field, value: Coroutine[Any, Any, Any], complete: Complete, path: Path | None
) -> Any:
    try:
        completed = complete(run, await value, place.at(path))
        if type(completed) is CoroutineType:
            completed = await completed
    except Exception as error:
        place.failed(run, error, path)
        return None
    return completed


async def _guarded(run: Run, place: Field, completed: Coroutine[Any, Any, Any], path: Path | None) -> Any:
    try:
        return await completed
    except Exception as error:
        place.failed(run, error, path)
        return None


async def _guarded_item(
    run: Run, place: Field, item_type: GraphQLOutputType, completed: Coroutine[Any, Any, Any], path: Path
) -> Any:
    try:
        return await completed
    except Exception as error:
        run.executor.handle_field_error(error, item_type, place.details, _core(path))
        return None


def _always(value: Any) -> Execute:
    return lambda run, source, path: value


def _core(path: Path) -> CorePath:
    before, key, typename = path
    return CorePath(None if before is None else _core(before), key, typename)
