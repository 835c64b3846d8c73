"""Random operations of five tenants, interleaved on one event loop: none is told or does anything of another's.

`--operations` says how many; `make interleaved` asks 10,000, and with `--pooler` they go through PgBouncer.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import httpx
import pytest

from app import Settings, create_app
from tests.interleaved.wire import Line, Wire
from tests.isolation import questions
from tests.isolation.belongings import Belongings, rows_of
from tests.isolation.questions import Question
from tests.isolation.test_two_tenants import known
from tests.landlord import PLENTY, Landlord, Tenant
from tests.ledger import Ledger

# no word of the product has one of these in it
MARKS = ["Zephyrus", "Mistrala", "Boreasix", "Sirocqo", "Harmattn"]
AT_ONCE = 24
# what would end the caller's own session, or hashes a key for a tenth of a second
ENDS = {"createSession", "refreshSession", "revokeSession", "revokeApiKey", "rotateApiKey", "createApiKey"}

pytestmark = pytest.mark.usefixtures("one_way")


@dataclass
class One:
    """A tenant: what it has, and what can be asked about it, by field."""

    has: Belongings
    queries: Mapping[str, Sequence[Question]]
    mutations: Mapping[str, Sequence[Question]]

    @property
    def mark(self) -> str:
        return self.has.owner.name.split()[0]


@dataclass
class Seen:
    """`foreign` is what was told of somebody else."""

    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    gone: int = 0
    faults: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    watching = Wire()
    monkeypatch.setattr("db.connection.asyncpg.connect", watching.connected)
    return watching


@pytest.fixture
async def five(landlord: Landlord) -> list[One]:
    """Before anybody listens in."""
    ledger = Ledger(landlord.house, landlord.connections, landlord.admin)
    found = []
    for mark in MARKS:
        has = await Belongings.of(ledger, name=f"{mark} Holdings", mark=mark)
        about = await known(has)
        about = replace(about, search=mark.lower(), ids={prefix: ids[:2] for prefix, ids in about.ids.items()})
        found.append(One(has, _by_field(questions.queries(about)), _by_field(questions.mutations(about))))
    return found


@pytest.fixture
async def fresh(landlord: Landlord, settings: Settings, five: list[One], wire: Wire) -> AsyncIterator[Landlord]:
    """An application of its own, whose every connection is listened to."""
    app = create_app(settings, allowances=PLENTY)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://landlord.test", timeout=60) as http,
    ):
        yield replace(landlord, app=app, http=http)


def _by_field(asked: Iterable[Question]) -> Mapping[str, Sequence[Question]]:
    found: dict[str, list[Question]] = defaultdict(list)
    for question in asked:
        if question.field not in ENDS:
            found[question.field].append(question)
    return found


def _drawn(chance: random.Random, five: Sequence[One]) -> tuple[One, Question]:
    """Who asks, and what: in half of the cases about somebody else."""
    caller = chance.choice(five)
    about = caller if chance.random() < 0.5 else chance.choice(five)
    kind = about.mutations if chance.random() < 0.3 else about.queries
    return caller, chance.choice(kind[chance.choice(sorted(kind))])


async def test_nobody_is_told_or_does_anything_of_anothers(
    fresh: Landlord, five: list[One], wire: Wire, pytestconfig: pytest.Config
) -> None:
    count = pytestconfig.getoption("--operations")
    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)
    ahead = iter([_drawn(chance, five) for _ in range(count)])
    impatient = random.Random(seed + 1)
    foreign = {one.mark: _of_others(one, five) for one in five}
    seen = Seen()

    async def asks() -> None:
        for caller, question in ahead:
            # one in fifty goes away before it is answered
            patience = impatient.uniform(0.001, 0.02) if impatient.random() < 0.02 else None
            await _ask(fresh, caller, question, foreign[caller.mark], seen, patience)

    await asyncio.gather(*(asks() for _ in range(AT_ONCE)))
    await asyncio.sleep(0)
    assert seen.foreign == [], f"seed {seed}"
    assert seen.faults == [], f"seed {seed}"
    assert seen.asked.total() == count
    assert seen.answered.total() > count / 3, "so there was something to tell"
    # every statement stood in a transaction that spoke for one of the five
    assert wire.strays == [], f"seed {seed}"
    assert set(wire.spoken_for) == {str(one.has.owner.customer_id) for one in five}
    assert wire.statements > 3 * count
    # and nothing of anybody stands among the rows of another
    for one in five:
        rows = str(await rows_of(fresh, one.has.owner.customer_id))
        assert [word for word in foreign[one.mark] if word in rows] == []


def test_the_wire_tells_of_whatever_no_tenant_stands_for() -> None:
    begin, ours, theirs = "begin; select app.clean()", ("k.tenant.a.1.n.mac",), ("k.tenant.b.1.n.mac",)
    opens, key, ask = "select app.open($1, $2, $3, $4)", "select id from app.find_api_key($1)", "select 1 from invoices"
    for messages, strays in (
        ([(begin,), (opens, ours), (ask,), ("commit",)], 0),
        ([(begin,), (key,), ("commit",), (begin,), (opens, ours), (ask,), ("rollback",)], 0),
        ([(ask,)], 1),
        ([(begin,), (ask,), (opens, ours), (ask,), ("commit",)], 1),
        ([(begin,), (opens, ours), ("commit",), (ask,), (begin,), (ask,), ("commit",)], 2),
        ([(begin,), (opens, ours), (opens, theirs), (ask,), ("commit",)], 1),
        ([(begin,), (opens, ("k.operator.c.1.n.mac",)), ("commit",)], 1),
    ):
        watching = Wire()
        line = Line(watching)
        for text, *given in messages:
            line.said(SimpleNamespace(query=text, args=given[0] if given else ()))
        assert len(watching.strays) == strays, messages


def _of_others(one: One, five: Sequence[One]) -> list[str]:
    """By what all the others could be known, and this one not."""
    return sorted({word for other in five if other is not one for word in other.has.secrets} - one.has.secrets)


async def _ask(
    landlord: Landlord, caller: One, question: Question, foreign: Sequence[str], seen: Seen, patience: float | None
) -> None:
    seen.asked[question.field] += 1
    tenant: Tenant = replace(caller.has.owner, landlord=landlord)
    try:
        async with asyncio.timeout(patience):
            answer = await tenant.post(question.document, question.variables)
    except TimeoutError:
        seen.gone += 1
        return
    body = answer.json()
    if answer.status_code >= 500 or "INTERNAL" in answer.text:
        seen.faults.append(f"{question}: {answer.text}")
    if (body.get("data") or {}).get(question.field):
        seen.answered[question.field] += 1
    told = [word for word in foreign if word in answer.text]
    if told:
        seen.foreign.append(f"{caller.mark} asked {question} and was told {told}: {answer.text}")
