"""JSON in which every value knows where it stands, so that a mistake in a file can be named with its line."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_DEEPEST = 32
_SPACE = re.compile(r"[ \t\n\r]*")

Path = tuple[str | int, ...]


class BadJson(ValueError):
    """`offset` is that of the character that does not belong."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Node:
    """A value, where it begins in the text, and the names and positions that lead to it. Members are nodes again."""

    value: dict[str, Node] | list[Node] | str | int | float | bool | None
    offset: int
    path: Path


def parse(text: str) -> Node:
    """Raises BadJson, also for a name that stands twice in one object: the second would win silently."""
    node, end = _value(text, _skip(text, 0), ())
    end = _skip(text, end)
    if end != len(text):
        raise BadJson("there is more after the end", end)
    return node


def line_of(text: str, offset: int) -> int:
    """Counted from 1."""
    return text.count("\n", 0, offset) + 1


def _value(text: str, start: int, path: Path) -> tuple[Node, int]:
    if len(path) > _DEEPEST:
        raise BadJson("nested too deeply", start)
    if text.startswith("{", start):
        return _object(text, start, path)
    if text.startswith("[", start):
        return _array(text, start, path)
    value, end = _scalar(text, start)
    return Node(value, start, path), end


def _object(text: str, start: int, path: Path) -> tuple[Node, int]:
    members: dict[str, Node] = {}
    end = _skip(text, start + 1)
    if text.startswith("}", end):
        return Node(members, start, path), end + 1
    while True:
        name_at = end
        if not text.startswith('"', name_at):
            raise BadJson("a name in quotes is expected", name_at)
        scalar, end = _scalar(text, name_at)
        name = str(scalar)
        if name in members:
            raise BadJson(f"{json.dumps(name)} stands here twice", name_at)
        end = _skip(text, end)
        if not text.startswith(":", end):
            raise BadJson("a colon is expected", end)
        members[name], end = _value(text, _skip(text, end + 1), (*path, name))
        end, more = _comma_or(text, end, "}")
        if not more:
            return Node(members, start, path), end


def _array(text: str, start: int, path: Path) -> tuple[Node, int]:
    members: list[Node] = []
    end = _skip(text, start + 1)
    if text.startswith("]", end):
        return Node(members, start, path), end + 1
    while True:
        member, end = _value(text, end, (*path, len(members)))
        members.append(member)
        end, more = _comma_or(text, end, "]")
        if not more:
            return Node(members, start, path), end


def _comma_or(text: str, start: int, close: str) -> tuple[int, bool]:
    """Where the next member starts and True, or the offset after `close` and False."""
    end = _skip(text, start)
    if text.startswith(",", end):
        return _skip(text, end + 1), True
    if text.startswith(close, end):
        return end + 1, False
    raise BadJson(f"a comma or {close} is expected", end)


def _scalar(text: str, start: int) -> tuple[str | int | float | bool | None, int]:
    if start == len(text):
        raise BadJson("the text ends too early", start)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise BadJson("this is no JSON", error.pos) from None
    except ValueError:
        raise BadJson("this number is too long, or is none", start) from None
    if isinstance(value, (str, int, float)) or value is None:
        return value, end
    raise BadJson("a plain value is expected", start)


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _skip(text: str, start: int) -> int:
    found = _SPACE.match(text, start)
    return found.end() if found is not None else start
