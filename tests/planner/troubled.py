"""A schema in which everything that can go wrong does, now and then: the same at every run of a document.

What an object's fields give hangs on the object's number and the field's name alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Any, TypeVar, cast

import strawberry
from graphql import GraphQLError

from billing.periods import Month
from db.errors import Invalid, NotFound
from db.session import Session
from resolvers.execution import new_schema
from resolvers.loaders import Loaders
from schema.access import Reads
from schema.enums import shown
from schema.pagination import Edge
from schema.scalars import JSON, BigInt, Money

Made = TypeVar("Made")
# What a number is drawn from, and what is made of it.
Make = Callable[[Random], Made]


class Colour(StrEnum):
    RED = "red"
    PALE_BLUE = "blue"


shown(Colour, "A colour.")


@strawberry.input(description="What is wanted.")
class Wish:
    number: int = strawberry.field(default=3, description="A number.")
    colours: list[Colour] | None = strawberry.field(default=strawberry.UNSET, description="Colours.")
    price: Decimal | None = strawberry.field(default=None, description="A price.")
    month: Month | None = strawberry.field(default=None, description="A month.")
    more: JSON | None = strawberry.field(default=None, description="Anything.")


@dataclass(frozen=True)
class Row:
    number: int
    box: Any


class World:
    """One run's context: its dataloaders, whose batches fail now and then."""

    def __init__(self, trouble: float) -> None:
        self.trouble = trouble
        self.batches: list[str] = []
        self.loaders = Loaders(cast(Session, None))

    async def loaded(self, number: int) -> Box:
        row = await self.loaders.one(self.boxes, number, by="number")
        return cast(Box, None if row is None else row.box)

    async def boxes(self, session: Session, numbers: Sequence[int]) -> list[Row]:
        self.batches.append(repr(numbers))
        await asyncio.sleep(0)
        return [Row(number, drawn(self, number, "loaded", _box(self))) for number in numbers if number != 4]


@strawberry.interface(description="Anything with an ID.")
class Thing:
    id: strawberry.ID = strawberry.field(description="Its ID.")


@strawberry.type(description="It has fields of all kinds.")
class Box(Thing):
    number: int = strawberry.field(description="A number.")
    text: str = strawberry.field(description="A text.")
    perhaps: str | None = strawberry.field(description="A text, or null.")
    flag: bool = strawberry.field(description="Whether or not.")
    share: float | None = strawberry.field(description="A number, or null.")
    instant: datetime = strawberry.field(description="An instant.")
    day: date | None = strawberry.field(description="A day.")
    month: Month = strawberry.field(description="A month.")
    price: Money | None = strawberry.field(description="A price.")
    exact: Decimal = strawberry.field(description="A decimal.")
    large: BigInt = strawberry.field(description="A large number.")
    anything: JSON | None = strawberry.field(description="Any JSON.")
    colour: Colour = strawberry.field(description="A colour.")
    texts: list[str] = strawberry.field(description="Texts.")
    gaps: list[str | None] | None = strawberry.field(description="Texts, with gaps.")
    grid: list[list[int | None]] | None = strawberry.field(description="Numbers in rows.")
    inner: Inner | None = strawberry.field(description="An object.")
    inners: list[Inner] = strawberry.field(description="Objects.")
    edge: Edge[Inner] = strawberry.field(description="An object of a generic type.")

    @strawberry.field(description="Another, at once.", extensions=[Reads(None)])
    def next(self, info: strawberry.Info[World, None], wish: Wish | None = None) -> Box:
        return drawn(info.context, self.number, f"next{wish}", _box(info.context))

    @strawberry.field(description="Others, at once.", extensions=[Reads(None)])
    def more(self, info: strawberry.Info[World, None]) -> list[Box | None]:
        return drawn(info.context, self.number, "more", _several(_box(info.context)))

    @strawberry.field(description="Another, later.", extensions=[Reads(None)])
    async def later(self, info: strawberry.Info[World, None], colour: Colour = Colour.RED) -> Box | None:
        return await later(info.context, self.number, f"later{colour}", _box(info.context))

    @strawberry.field(description="Others, later.", extensions=[Reads(None)])
    async def boxes(self, info: strawberry.Info[World, None], first: int = 2) -> list[Box]:
        return await later(info.context, self.number, f"boxes{first}", _several(_box(info.context), first))

    @strawberry.field(description="Things, later.", extensions=[Reads(None)])
    async def things(self, info: strawberry.Info[World, None]) -> list[Thing | None] | None:
        return await later(info.context, self.number, "things", _several(_thing(info.context)))

    @strawberry.field(description="A thing, later.", extensions=[Reads(None)])
    async def thing(self, info: strawberry.Info[World, None]) -> Thing:
        return await later(info.context, self.number, "thing", _thing(info.context))

    @strawberry.field(description="By the dataloader.", extensions=[Reads(None)])
    async def loaded(self, info: strawberry.Info[World, None]) -> Box | None:
        return await info.context.loaded(self.number % 7)

    @strawberry.field(description="By the dataloader, and never null.", extensions=[Reads(None)])
    async def certain(self, info: strawberry.Info[World, None]) -> Box:
        return await info.context.loaded(self.number % 5)

    @strawberry.field(description="A sum, later.", extensions=[Reads(None)])
    async def sum(self, info: strawberry.Info[World, None], wish: Wish) -> Money:
        return await later(info.context, self.number, f"sum{wish.number}{wish.price}", _PLAIN["price"])

    @strawberry.field(description="What was given.", extensions=[Reads(None)])
    def given(
        self,
        number: int | None = None,
        colours: list[Colour] | None = None,
        wishes: list[Wish] | None = None,
        day: date | None = None,
        sure: bool = True,
    ) -> str:
        return repr((number, colours, wishes, day, sure))


@strawberry.type(description="Plain, and within another.")
class Inner:
    number: int = strawberry.field(description="A number.")
    perhaps: str | None = strawberry.field(description="A text, or null.")
    colour: Colour | None = strawberry.field(description="A colour.")
    texts: list[str] = strawberry.field(description="Texts.")

    @strawberry.field(description="By the dataloader.", extensions=[Reads(None)])
    async def box(self, info: strawberry.Info[World, None]) -> Box | None:
        return await info.context.loaded(self.number % 5)


@strawberry.type(description="Another kind of thing.")
class Pot(Thing):
    lid: Inner = strawberry.field(description="An object.")

    @strawberry.field(description="Who knows.", extensions=[Reads(None)])
    async def size(self, info: strawberry.Info[World, None]) -> int:
        return await later(info.context, len(self.id), "size", _PLAIN["number"])


class Stranger:
    """No type of the schema."""


_PLAIN: dict[str, Make[Any]] = {
    "number": lambda random: random.randint(-9, 99),
    "text": lambda random: random.choice(("", "a", "ä\u2028")),
    "perhaps": lambda random: random.choice((None, "b")),
    "flag": lambda random: random.random() < 0.5,
    "share": lambda random: random.choice((None, 0.5, 3)),
    "instant": lambda random: datetime(2026, 11, random.randint(1, 30), tzinfo=UTC),
    "day": lambda random: random.choice((None, date(2026, 2, 28))),
    "month": lambda random: Month(2026, random.randint(1, 12)),
    "price": lambda random: random.choice((Money("12.50"), Money(0), Money(-7))),
    "exact": lambda random: random.choice((Decimal("0.045"), Decimal(25), Decimal("1E+3"))),
    "large": lambda random: random.choice((2**40, -1)),
    "anything": lambda random: random.choice((None, {}, {"a": [1, None]}, [], "c", 1.5, True)),
    "colour": lambda random: random.choice(list(Colour)),
    "texts": lambda random: ["d"] * random.randint(0, 3),
    "gaps": lambda random: random.choice((None, [], ["e", None], [None])),
    "grid": lambda random: random.choice((None, [], [[1, None], []], [[2]])),
}
# What each of them may wrongly be.
_WRONG: tuple[Make[Any], ...] = (
    lambda random: None,
    lambda random: None,
    lambda random: 2**40,
    lambda random: "wrong",
    lambda random: "blue",
    lambda random: float("nan"),
    lambda random: Decimal("1.234"),
    lambda random: Money("1.234"),
    lambda random: [None, "f", 5],
    lambda random: [[None], None, ["g"]],
    lambda random: ("h", None),
    lambda random: {"i": 1},
    lambda random: object,
    lambda random: RuntimeError("returned"),
    lambda random: [RuntimeError("returned"), NotFound("one")],
    lambda random: Stranger,
)
_RAISED: tuple[Callable[[str], Exception], ...] = (
    lambda name: RuntimeError(f"{name} failed"),
    lambda name: NotFound(name),
    lambda name: Invalid(f"{name} is wrong.", field=("wish", name)),
    lambda name: GraphQLError(f"{name} says so.", extensions={"of": name}),
    lambda name: GraphQLError(f"{name} knows where.", path=["somewhere", 3]),
)


def drawn(world: World, number: int, name: str, make: Make[Made]) -> Made:
    """What the field of this object gives, or raises."""
    random = Random(f"{number} {name}")
    if random.random() < world.trouble:
        if random.random() < 0.4:
            raise random.choice(_RAISED)(name)
        return cast(Made, random.choice(_WRONG)(random))
    return make(random)


async def later(world: World, number: int, name: str, make: Make[Made]) -> Made:
    for _ in range(Random(f"{number} {name} later").randint(0, 4)):
        await asyncio.sleep(0)
    return drawn(world, number, name, make)


def _filled(world: World, random: Random, cls: type[Made], **known: Any) -> Made:
    """An object of this class; some of its attributes are wrong, or missing."""
    made = object.__new__(cls)
    number = random.randint(0, 10**6)
    for one in dataclasses.fields(cast(Any, cls)):
        if one.name in known:
            value = known[one.name]
        elif random.random() < world.trouble / 6:
            if random.random() < 0.1:
                continue
            value = random.choice(_WRONG)(random)
        elif one.name == "id":
            value = f"{cls.__name__}_{number}"
        elif one.name in _PLAIN:
            value = _PLAIN[one.name](random)
        elif one.name in ("inner", "lid"):
            value = _filled(world, random, Inner)
        elif one.name == "inners":
            value = [_filled(world, random, Inner) for _ in range(random.randint(0, 3))]
        elif one.name == "edge":
            value = _filled(world, random, Edge, cursor="c", node=_filled(world, random, Inner))
        else:
            continue  # it has a resolver
        setattr(made, one.name, value)
    return made


def _box(world: World) -> Make[Box]:
    return lambda random: _filled(world, random, Box, number=random.randint(0, 10**6))


def _thing(world: World) -> Make[Thing]:
    return lambda random: _filled(world, random, random.choice((Box, Pot)), number=random.randint(0, 10**6))


def _several(make: Make[Made], many: int | None = None) -> Make[Any]:
    def of(random: Random) -> list[Made | None]:
        count = random.randint(0, 4) if many is None else max(0, min(many, 4))
        return [None if random.random() < 0.05 else make(random) for _ in range(count)]

    return of


@strawberry.type
class Query:
    @strawberry.field(description="A box, at once.", extensions=[Reads(None)])
    def box(self, info: strawberry.Info[World, None], number: int = 1) -> Box | None:
        return drawn(info.context, number, "box", _box(info.context))

    @strawberry.field(description="A box that must be there.", extensions=[Reads(None)])
    async def sure(self, info: strawberry.Info[World, None], wish: Wish | None = None) -> Box:
        return await later(info.context, 2, f"sure{wish}", _box(info.context))

    @strawberry.field(description="Boxes.", extensions=[Reads(None)])
    async def boxes(
        self, info: strawberry.Info[World, None], first: int = 3, colours: list[Colour] | None = None
    ) -> list[Box | None] | None:
        return await later(info.context, 3, f"boxes{first}{colours}", _several(_box(info.context), first))

    @strawberry.field(description="Any thing.", extensions=[Reads(None)])
    async def node(self, info: strawberry.Info[World, None], id: strawberry.ID) -> Thing | None:
        return await later(info.context, len(id), "node", _thing(info.context))

    @strawberry.field(description="Things.", extensions=[Reads(None)])
    def things(self, info: strawberry.Info[World, None]) -> list[Thing]:
        return drawn(info.context, 4, "things", _several(_thing(info.context)))

    @strawberry.field(description="By the dataloader.", extensions=[Reads(None)])
    async def loaded(self, info: strawberry.Info[World, None], number: int = 1) -> Box | None:
        return await info.context.loaded(number)

    @strawberry.field(description="What was given.", extensions=[Reads(None)])
    async def given(
        self, wish: Wish, colour: Colour | None = None, month: Month | None = None, any: JSON | None = None
    ) -> str | None:
        return repr((wish, colour, month, any))

    @strawberry.field(description="Changes what it was given.", extensions=[Reads(None)])
    def spoils(self, wish: Wish) -> str:
        wish.number += 1
        if wish.colours:
            wish.colours.append(Colour.RED)
        return f"{wish.number} {len(wish.colours or ())}"


SCHEMA = new_schema(Query, types=[Box, Pot])
