"""Known operations, answered from rows without graphql-core; all others are for whoever knows what any document means.

Known is what a manifest brought along, and what was drawn when a document first came. A known operation skips parsing
and validation and nothing else: scopes, variables and cost are looked at as ever. Where any of them is not as it should
be, and where reading comes upon a surprise, graphql-core is asked, so that there is one way of refusing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from auth.caller import Caller
from db.errors import Invalid, LandlordError, TimedOut, Unavailable
from resolvers.arguments import Surprise, Variables
from resolvers.beforehand import Made
from resolvers.engine import Prepares, Problem, Question, Ready, Result, log_fault
from resolvers.limits import Limits, holds_nul
from resolvers.manifest import Documents, Unknown
from resolvers.reading import Reading
from schema.context import Context, Facts


class Knows(Prepares, Protocol):
    """What any document means."""

    def reading(self, hash: str, operation_name: str | None) -> Reading | None:
        """Of a document that it prepared lately; None where the operation is not read."""


@dataclass(frozen=True, slots=True)
class _Reads:
    """See `engine.Ready`."""

    reading: Reading
    cost: int
    variables: Variables
    otherwise: Callable[[], Ready]

    @property
    def facts(self) -> Facts:
        return self.reading.facts

    @property
    def planned(self) -> bool:
        return True

    @property
    def asks(self) -> int | None:
        return self.reading.root.asks

    async def run(self, context: Context) -> Result:
        try:
            return Result(await self.reading.answer(context, self.variables))
        except (TimedOut, TimeoutError, Unavailable):
            raise
        except (LandlordError, Surprise):
            pass  # to be refused, and there is one who says how
        except Exception as error:
            log_fault(Problem.of(error), context.origin)
        # for the same caller, of whose transaction the event is all that was written: unless it is what was refused
        await context.session.begin_now()
        return await self.otherwise().run(context)


class Readings:
    """`core` is made when it is first needed, which takes a second of a small machine."""

    def __init__(
        self,
        core: Callable[[], Knows],
        limits: Limits,
        documents: Documents | None = None,
        beforehand: Made | None = None,
    ) -> None:
        self._core = core
        self._limits = limits
        self._documents = documents or Documents()
        self._beforehand = beforehand or {}
        self._known: OrderedDict[tuple[str, str | None], Reading | None] = OrderedDict()

    def prepared(self, question: Question, caller: Caller | None) -> Ready:
        """Raises Refused."""
        if caller is None:
            return self._core().prepared(question, caller)
        try:
            _, hash = self._documents.text(question.query, question.hash)
        except Unknown:
            return self._core().prepared(question, caller)
        place = hash, question.operation_name
        ready: Ready | None = None
        if place not in self._known:
            if (made := self._beforehand.get(place)) is not None:
                self._keep(place, made())
            else:
                ready = self._core().prepared(question, caller)
                self._keep(place, self._core().reading(*place))
        self._known.move_to_end(place)
        reading = self._known[place]
        read = self._read(reading, question, caller) if reading is not None else None
        return read or ready or self._core().prepared(question, caller)

    def _keep(self, place: tuple[str, str | None], reading: Reading | None) -> None:
        self._known[place] = reading
        if len(self._known) > self._limits.documents:
            self._known.popitem(last=False)

    def _read(self, reading: Reading, question: Question, caller: Caller) -> Ready | None:
        """None where anything is to be refused."""
        if not all(map(caller.may, reading.scopes)) or holds_nul(question.variables):
            return None
        try:
            variables = reading.coerced(question.variables)
        except (Surprise, Invalid):
            return None
        cost = reading.cost.of(variables)
        if cost > self._limits.cost:
            return None
        return _Reads(reading, cost, variables, lambda: self._core().prepared(question, caller))
