"""What an attack is: SQL of any kind, run as the tenant role in the middle of a request, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# A text that the harness knows how to do: a race of transactions for the same instant. See `Target`.
RACE = "@race"
# Everything that the role may select, of every table, a row a line.
LOOK = "@everything"


@dataclass(frozen=True)
class Attack:
    """`texts` run one after another on the operation's own connection. One that is refused is undone by a savepoint, so
    that the next one runs, unless it says itself where transactions begin and end.

    `@name` in a text is something that the attacker knows: `Target.known` has them all. `ends` says for each text, in
    order, the SQLSTATE that refuses it, or `-` where it runs.
    """

    name: str
    texts: tuple[str, ...]
    ends: str
    # A lone query is of one statement, which is its transaction; a second text makes it go on in another.
    within: Literal["query", "lone query", "mutation"] = "query"
    # It leaves something for the next tenant, who then asks over the same connection; with `then` the attacker comes back.
    leaves: bool = False
    # The next tenant asks a lone query first.
    next_alone: bool = False
    then: tuple[str, ...] = ()
    # The attacker's own request fails by it, and its connection is closed: nobody is reached.
    costs_itself: bool = False
    # What it left is found before the next tenant's first statement, and the connection given up.
    found: bool = False
    # Run once with something of the neighbour's as @it, and once with what nobody has: no difference may show.
    asks: tuple[str, str] | None = None
    # Reads the neighbour where the setting is all there is.
    forges: bool = False
    # Its first text is asked in the one statement that opens the transaction as well, before which nothing has been checked.
    first: bool = False

    def __str__(self) -> str:
        return self.name


def query(name: str, *texts: str, ends: str, forges: bool = False) -> Attack:
    return Attack(name, texts, ends, forges=forges)


def opening(name: str, *texts: str, ends: str) -> Attack:
    """The statement goes on `) as asked) as along on opened.said is not null` after it, unless a comment hides that."""
    return Attack(name, texts, ends, first=True)


def mutation(name: str, *texts: str, ends: str) -> Attack:
    return Attack(name, texts, ends, within="mutation")


def leaves(
    name: str,
    *texts: str,
    ends: str,
    then: tuple[str, ...] = (),
    found: bool = False,
    costs_itself: bool = False,
    within: Literal["query", "mutation"] = "query",
) -> Attack:
    return Attack(name, texts, ends, within=within, leaves=True, then=then, found=found, costs_itself=costs_itself)


def leaves_alone(name: str, text: str, *, ends: str) -> Attack:
    """In a lone query's only statement, after which nobody looks before the next tenant asks, unless that is refused."""
    return Attack(
        name, (text,), ends, within="lone query", leaves=True, next_alone=True, first=True, costs_itself="-" not in ends
    )


def asks(name: str, *texts: str, ends: str, it: str, nobodys: str = "nobody") -> Attack:
    return Attack(name, texts, ends, within="mutation", asks=(it, nobodys))


@dataclass(frozen=True)
class Outcome:
    """`breaches` says in words what came of it that must not; `ends` is as in `Attack`.

    `failures` says why it was no attack at all: a request was refused before it, or what it left reached nobody.
    """

    ends: str
    breaches: tuple[str, ...]
    failures: tuple[str, ...] = ()
