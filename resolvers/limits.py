"""How large, deep and long a request may be. All of it in one place, and nothing of it depends on who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from db.errors import LandlordError


@dataclass(frozen=True, slots=True)
class Limits:
    """GraphiQL's introspection takes 200 of the tokens and all of the depth."""

    body_bytes: int = 64 * 1024
    json_depth: int = 32
    tokens: int = 800
    depth: int = 15
    aliases: int = 30
    directives: int = 10
    repeats: int = 20  # of a field that stands in the same braces already: they are compared each with each
    operations: int = 10  # in one document, of which one is run
    cost: int = 5000  # points; see `resolvers/cost.py`
    answer_bytes: int = 3_000_000  # a Lambda gives back 6 MB, as a text in JSON: each quote is two bytes there
    errors: int = 5  # answered; what follows is cut off
    seconds: float = 20.0  # API Gateway gives up at 30
    documents: int = 500  # kept parsed and validated


LIMITS: Final = Limits()


class TooComplex(LandlordError):
    """The document is larger than it may be, or its answer is; the message says in what."""

    code = "TOO_COMPLEX"


def json_depth(value: object) -> int:
    """How deep lists and objects nest; a plain value is 0."""
    deepest = 0
    ahead = [(value, 1)]
    while ahead:
        one, depth = ahead.pop()
        if isinstance(one, dict):
            ahead += [(item, depth + 1) for item in one.values()]
        elif isinstance(one, list):
            ahead += [(item, depth + 1) for item in one]
        else:
            depth -= 1
        deepest = max(deepest, depth)
    return deepest


def holds_nul(value: object) -> bool:
    """Whether any text in this JSON, keys included, holds U+0000, which PostgreSQL cannot store."""
    ahead = [value] if value else []
    while ahead:
        one = ahead.pop()
        if isinstance(one, dict):
            ahead += one.keys()
            ahead += one.values()
        elif isinstance(one, list):
            ahead += one
        elif isinstance(one, str) and "\0" in one:
            return True
    return False
