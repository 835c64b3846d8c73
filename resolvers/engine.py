"""One question answered in one operation: who asks, what it costs, and then the transaction, whatever runs in it.

What a document means is `Documents`' to say: see `resolvers/readings.py` for those that are known, and
`resolvers/execution.py` for all others. The transaction itself is `Operations`'.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from traceback import extract_tb
from typing import Any, Protocol

import orjson

from auth import keys
from auth.caller import Caller
from db.errors import LandlordError, RateLimited, TimedOut, Unauthenticated
from resolvers.buckets import Balance, Buckets, Overdrawn
from resolvers.cost import REQUEST
from resolvers.limits import Limits, TooComplex
from schema.codes import code_of, field_of
from schema.context import Context, Facts, Origin

_log = logging.getLogger("landlord.faults")

_LONGEST_NAME = 64


class Operations(Protocol):
    """What execution asks of the layer that knows callers and transactions."""

    async def caller(self, origin: Origin) -> Caller | None:
        """Who sends this; None without credentials. Raises Unauthenticated or RateLimited."""

    def open(
        self, origin: Origin, caller: Caller | None, facts: Facts, *, asks: int | None = None
    ) -> AbstractAsyncContextManager[Context]:
        """One transaction, committed on leaving it. Left with an exception it is undone, and leaves an event of the
        failure instead: `Failed` says its code, TimedOut that a statement may still run on the connection.

        `caller` is None only for an operation whose one root field signs in. `asks`, see `Ready`: it speaks for the caller from
        its first statement on, which may be refused as this would be.
        """

    async def refused(
        self, origin: Origin, caller: Caller | None, facts: Facts | None, *, code: str, reason: str
    ) -> None:
        """Leave the event of a call that is refused before it runs. `reason` quotes nothing that the client sent.

        Raises RateLimited for whoever is refused as UNAUTHENTICATED too often.
        """


class Failed(LandlordError):
    """The operation has GraphQL errors, so that what it did is undone. The answer is made already.

    `code` is that of the first; `reason` quotes nothing that the client sent.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.spoils_connection = code in ("INTERNAL", "TIMEOUT", "UNAVAILABLE")


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks: `query`, or the `hash` of a document that is known. Without `may_write` a mutation is refused, as
    GET requires."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    may_write: bool = True
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What an operation costs, and what its caller has left; `balance` is None for who has no credentials yet."""

    requested: int
    balance: Balance | None


@dataclass(frozen=True, slots=True)
class Answer:
    """`ran` tells an answer with `data`, null or not, from one to a refused request. `spent` is known of what ran, and
    of what costs too much. The rest is for the log."""

    errors: Sequence[Mapping[str, Any]] = ()
    data: Mapping[str, Any] | None = None
    ran: bool = False
    wrong_method: bool = False
    spent: Spent | None = None
    caller: Caller | None = None
    facts: Facts | None = None
    statements: int = 0
    planned: bool = False

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.errors]

    @property
    def retry_after(self) -> int | None:
        """In seconds, where one of the errors says it."""
        return next((e["extensions"]["retryAfter"] for e in self.errors if "retryAfter" in e["extensions"]), None)


@dataclass(frozen=True, slots=True)
class Problem:
    """What an error of an answer is made of. `code` None: the cause says it, or it is a fault of ours.

    `locations` and `path` are as the specification writes them.
    """

    message: str
    cause: Exception
    code: str | None = None
    locations: Sequence[Any] = ()
    path: Sequence[str | int] | None = None

    @classmethod
    def of(cls, error: Exception) -> Problem:
        """One that stands nowhere in the document."""
        return cls(str(error), error)


@dataclass(frozen=True, slots=True)
class Result:
    """What running gave; `data` is JSON as orjson takes it."""

    data: Mapping[str, Any] | None
    problems: Sequence[Problem] = ()


class Ready(Protocol):
    """An operation with its variables, before its transaction. `planned`: graphql-core's executor is spared. `asks`: so many
    statements if all goes well, and it can bear that the first is refused; None where nobody knows."""

    @property
    def facts(self) -> Facts: ...

    @property
    def cost(self) -> int: ...

    @property
    def planned(self) -> bool: ...

    @property
    def asks(self) -> int | None: ...

    async def run(self, context: Context) -> Result: ...


class Prepares(Protocol):
    """What documents mean."""

    def prepared(self, question: Question, caller: Caller | None) -> Ready:
        """Within the limits, and allowed to this caller. Raises Refused."""


class Refused(Exception):
    """Before anything ran. `code` and `reason` speak for all of the problems."""

    def __init__(
        self,
        code: str,
        reason: str,
        problems: Sequence[Problem],
        *,
        facts: Facts | None = None,
        cost: int | None = None,
        wrong_method: bool = False,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.problems = problems
        self.facts = facts
        self.cost = cost
        self.wrong_method = wrong_method


class Engine:
    """Answers questions, each in one operation."""

    def __init__(
        self, documents: Prepares, operations: Operations, limits: Limits, buckets: Buckets | None = None
    ) -> None:
        self.limits = limits
        self._documents = documents
        self._operations = operations
        self._buckets = buckets or Buckets()

    async def answer(self, question: Question, origin: Origin) -> Answer:
        """Raises nothing: what nobody foresaw is logged under the request's id and masked."""
        try:
            return await self._answer(question, origin)
        except Exception as error:
            return Answer(errors=[self._formatted(Problem.of(error), origin)])

    async def _answer(self, question: Question, origin: Origin) -> Answer:
        caller: Caller | None = None
        ready: Ready | None = None
        balance: Balance | None = None
        try:
            try:
                caller = await self._operations.caller(origin)
            except (Unauthenticated, RateLimited) as error:
                raise Refused(code_of(error), error.reason, [Problem.of(error)]) from error
            if caller is not None:
                # so that what is refused is not free, and with an empty bucket not even read
                self._buckets.take(caller, REQUEST, origin.now)
            ready = self._documents.prepared(question, caller)
            if caller is not None:
                balance = self._buckets.take(caller, ready.cost - REQUEST, origin.now)
        except Overdrawn as overdrawn:
            facts = ready.facts if ready is not None else None
            if not overdrawn.told:
                # one event says it for all those that follow soon
                await self._operations.refused(origin, caller, facts, code="RATE_LIMITED", reason=overdrawn.reason)
            return Answer(
                errors=[self._formatted(Problem.of(overdrawn), origin)],
                spent=Spent(ready.cost if ready is not None else REQUEST, overdrawn.balance),
                caller=caller,
                facts=facts,
            )
        except Refused as refused:
            await self._operations.refused(origin, caller, refused.facts, code=refused.code, reason=refused.reason)
            return Answer(
                errors=self._cut([self._formatted(problem, origin, refused.code) for problem in refused.problems]),
                wrong_method=refused.wrong_method,
                spent=self._spent(refused.cost, caller, origin) if refused.cost is not None else None,
                caller=caller,
                facts=refused.facts,
            )
        return await self._run(ready, caller, origin, Spent(ready.cost, balance))

    def too_large(self, answer: Answer, origin: Origin) -> Answer:
        """In the place of an answer that nobody would pass on. What it did is done."""
        text = f"This answer has more than {self.limits.answer_bytes} bytes and is not sent: ask for less at once, by `first`."
        if answer.facts is not None and answer.facts.kind == "mutation":
            text = f"It was done. {text}"
        return replace(answer, data=None, errors=[self._formatted(Problem.of(TooComplex(text)), origin)])

    def _spent(self, cost: int, caller: Caller | None, origin: Origin) -> Spent:
        return Spent(cost, self._buckets.left(caller, origin.now) if caller is not None else None)

    async def _run(self, ready: Ready, caller: Caller | None, origin: Origin, spent: Spent) -> Answer:
        context: Context | None = None
        data: Mapping[str, Any] | None = None
        errors: list[Mapping[str, Any]] = []
        try:
            async with self._operations.open(origin, caller, ready.facts, asks=ready.asks) as context:
                try:
                    async with asyncio.timeout(self.limits.seconds):
                        result = await ready.run(context)
                except TimeoutError:
                    raise TimedOut() from None
                if result.problems:
                    errors = self._cut([self._formatted(problem, origin) for problem in result.problems])
                    # a mutation's errors undo all of it, so that nothing of it may be shown
                    data = result.data if ready.facts.kind == "query" else None
                    raise Failed(errors[0]["extensions"]["code"], _reason(result.problems[0]))
                data = result.data
            if caller is not None:
                self._buckets.learn(caller, context.tier)
        except Failed:
            pass
        except Exception as error:
            data = None
            errors = [self._formatted(Problem.of(error), origin)]
        return Answer(
            errors=errors,
            data=data,
            ran=context is not None and context.begun,
            spent=spent,
            caller=caller,
            facts=ready.facts,
            statements=context.statements if context is not None else 0,
            planned=ready.planned,
        )

    def _formatted(self, problem: Problem, origin: Origin, code: str | None = None) -> dict[str, Any]:
        """`code` is for what is said of a whole request, which may be read as it is."""
        cause, message = problem.cause, problem.message
        code = code or problem.code
        extensions: dict[str, Any] = {}
        if isinstance(cause, LandlordError):
            code = code_of(cause)
            message = str(cause)
            if field := field_of(cause):
                extensions["field"] = field
            if isinstance(cause, RateLimited):
                extensions["retryAfter"] = cause.seconds
        if code is None or code == "INTERNAL":
            code = "INTERNAL"
            message = "Something went wrong here. It is logged under this request's id."
            log_fault(problem, origin)
        formatted: dict[str, Any] = {"message": message}
        if problem.locations:
            formatted["locations"] = problem.locations
        if problem.path is not None:
            formatted["path"] = problem.path
        formatted["extensions"] = {"code": code, "requestId": origin.request_id, **extensions}
        return formatted

    def _cut(self, errors: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        return errors[: self.limits.errors]


def _reason(problem: Problem) -> str:
    cause = problem.cause
    if isinstance(cause, LandlordError):
        return str(getattr(cause, "reason", cause))
    return "a value does not fit its type" if problem.code == "INVALID" else "see the log under the request's id"


# Their texts are about our code; others may quote values, and those are not for a log.
_ABOUT_CODE = (AttributeError, ImportError, NameError, NotImplementedError, TypeError)


def log_fault(problem: Problem, origin: Origin) -> None:
    """What went wrong here, whatever the client is answered."""
    _log.error("%s", orjson.dumps(_fault(problem, origin)).decode())


def _fault(problem: Problem, origin: Origin) -> dict[str, Any]:
    """What a developer needs to find it: kinds and places, no values."""
    chain: list[dict[str, Any]] = []
    link: BaseException | None = problem.cause
    while link is not None and len(chain) < 5:
        chain.append(
            {
                "error": f"{type(link).__module__}.{type(link).__qualname__}",
                "text": str(link) if isinstance(link, _ABOUT_CODE) else None,
                "sqlstate": getattr(link, "sqlstate", None),
                "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(link.__traceback__)],
            }
        )
        link = link.__cause__ or link.__context__
    path = [written(part) for part in problem.path or () if isinstance(part, str)]
    return {"fault": chain, "request": origin.request_id, "path": path}


def written(name: str) -> str:
    """A client's own name, as it is written down: some day somebody names an operation after a key."""
    return keys.without_secrets(name)[:_LONGEST_NAME]
