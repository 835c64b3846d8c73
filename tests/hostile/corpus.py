"""Requests that mean harm: each as its bytes, and how it is met."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

_SENT: Final = {"content-type": "application/json", "accept": "application/graphql-response+json"}


@dataclass(frozen=True)
class Hostile:
    """`status` and `code` are of the answer; without a code it turns out harmless, and is answered with data."""

    name: str
    body: bytes
    status: int
    code: str | None
    headers: Mapping[str, str]


def _bytes(name: str, body: bytes, status: int = 400, code: str | None = "BAD_REQUEST", **headers: str) -> Hostile:
    return Hostile(name, body, status, code, _SENT | {name.replace("_", "-"): value for name, value in headers.items()})


def _asks(name: str, query: str, code: str | None, variables: Any = None, *, ran: bool = False) -> Hostile:
    """A body that is well-formed. `ran`: it is refused by a field of it, and not before."""
    status = 200 if code is None or ran else 400
    return _bytes(name, orjson.dumps({"query": query, "variables": variables}), status, code)


def corpus() -> list[Hostile]:
    return [*_bodies(), *_json(), *_long(), *_deep(), *_wide(), *_fragments(), *_values(), *_schema(), *_dear()]


_GOOD: Final = b'{"query": "{ viewer { name } }"}'


def _bodies() -> Iterator[Hostile]:
    """What is no body of ours, and is refused before it is read or parsed."""
    yield _bytes("8 MB of spaces", _GOOD.ljust(8 * 1024 * 1024), 413)
    yield _bytes(
        "8 MB in one variable", orjson.dumps({"query": "{ a }", "variables": {"a": "x" * 8 * 1024 * 1024}}), 413
    )
    bomb = gzip.compress(_GOOD.ljust(8 * 1024 * 1024))
    yield _bytes("a compressed bomb", bomb, 415, content_encoding="gzip")
    yield _bytes("a bomb that is called deflate", bomb, 415, content_encoding="deflate")
    yield _bytes("a compressed bomb that says nothing", bomb)
    for charset in ("utf-7", "utf-16", "latin-1"):
        yield _bytes(f"charset {charset}", _GOOD, 415, content_type=f"application/json; charset={charset}")
    yield _bytes("200 charsets", _GOOD, 415, content_type="application/json" + "; charset=utf-8" * 200)
    yield _bytes("2,000 media types", _GOOD, 200, None, accept=",".join(["a/b;q=0.1"] * 2_000 + ["*/*"]))
    yield _bytes("no body", b"")


def _json() -> Iterator[Hostile]:
    """What is no JSON, or none that we take."""
    yield _bytes("JSON 50,000 deep", b'{"query": "{ a }", "variables": {"a": %s}}' % (b"[" * 25_000 + b"]" * 25_000))
    yield _bytes(
        "objects 5,000 deep", b'{"query": "{ a }", "variables": %s}' % (b'{"a":' * 5_000 + b"1" + b"}" * 5_000)
    )
    yield _bytes("JSON that never closes", b"[" * 65_000)
    yield _bytes("bytes that are no UTF-8", _GOOD.replace(b"name", b"na\xff\xfeme"))
    yield _bytes("an overlong slash", _GOOD.replace(b"name", b"na\xc0\xafme"))
    yield _bytes("half a surrogate pair", b'{"query": "{ viewer { name } } # \\ud800"}')
    yield _bytes(
        "half a surrogate pair in a variable",
        b'{"query": "query($a: ID!) { node(id: $a) { id } }", "variables": {"a": "\\udfff"}}',
    )
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999999999"):
        yield _bytes(
            f"the number {number.decode()}", b'{"query": "{ viewer { name } }", "variables": {"a": %s}}' % number
        )
    yield _bytes("the same name 5,000 times", _GOOD[:-1] + b', "query": 1' * 5_000 + b"}")
    yield _bytes("a batch of 1,000", b"[" + b",".join([_GOOD] * 1_000) + b"]")
    yield _asks("4,000 variables that nobody asks for", "{ viewer { name } }", None, {f"a{n}": n for n in range(4_000)})


def _long() -> Iterator[Hostile]:
    """More tokens than a document may have."""
    yield _asks("30,000 fields", "{ viewer {" + " a" * 30_000 + " } }", "TOO_COMPLEX")
    yield _asks("20,000 comments", "{ viewer { name } }" + "\n#" * 20_000, "TOO_COMPLEX")
    yield _asks("60,000 commas", "{ viewer { name" + "," * 60_000 + " } }", None)
    yield _asks("one name of 60,000 letters", "{ " + "a" * 60_000 + " }", "BAD_REQUEST")
    yield _asks("one text of 60,000 letters", '{ node(id: "' + "x" * 60_000 + '") { id } }', "INVALID")
    yield _asks("one number of 60,000 digits", "{ invoices(first: " + "9" * 60_000 + ") { totalCount } }", "INVALID")
    yield _asks("a text that never closes", '{ node(id: "' + "x" * 60_000, "BAD_REQUEST")
    yield _asks("a block of 15,000 lines", '{ node(id: """' + "\n x" * 15_000 + '""") { id } }', "INVALID")
    yield _asks(
        "a hundred operations", " ".join(f"query Q{n} {{ viewer {{ name }} }}" for n in range(100)), "TOO_COMPLEX"
    )


def _deep() -> Iterator[Hostile]:
    yield _asks("fields 790 deep", "{ a " * 395 + "}" * 395, "BAD_REQUEST")
    yield _asks("fields 15,000 deep", "{ a " * 15_000, "BAD_REQUEST")
    yield _asks("literals 700 deep", "{ a(b: " + "[" * 350 + "]" * 350 + ") }", "BAD_REQUEST")
    yield _asks("literals 60,000 deep", "{ a(b: " + "[" * 60_000, "BAD_REQUEST")
    yield _asks(
        "types of variables 700 deep",
        "query($a: " + "[" * 300 + "Int" + "]" * 300 + ") { viewer { name } }",
        "BAD_REQUEST",
    )
    edge = "invoices { nodes { customer { "
    yield _asks(
        "a circle of the schema, 48 levels", "{ customer { " + edge * 15 + "id" + " } } }" * 15 + " } }", "TOO_COMPLEX"
    )
    inline = "{ viewer { " + "... { " * 250 + "name" + " }" * 250 + " } }"
    yield _asks("inline fragments 250 deep", inline, "BAD_REQUEST")


def _wide() -> Iterator[Hostile]:
    yield _asks("one field 780 times", "{ viewer {" + " name" * 780 + " } }", "TOO_COMPLEX")
    yield _asks("one object 190 times", "{" + " viewer { name }" * 190 + " }", "TOO_COMPLEX")
    yield _asks("150 aliases", "{" + " ".join(f"a{n}: viewer {{ name }}" for n in range(150)) + " }", "TOO_COMPLEX")
    yield _asks("190 aliases of one name that clash", "{ viewer {" + " a: name a: kind" * 95 + " } }", "TOO_COMPLEX")
    arguments = " ".join(f"a: invoices(first: {n}) {{ totalCount }}" for n in range(1, 65))
    yield _asks("64 clashing arguments", "{ " + arguments + " }", "TOO_COMPLEX")
    yield _asks("390 unknown directives", "{ viewer { name" + " @a" * 390 + " } }", "TOO_COMPLEX")
    yield _asks(
        "100 directives that spare nothing", "{ viewer { name" + " @skip(if: false)" * 100 + " } }", "TOO_COMPLEX"
    )
    yield _asks("110 fields spared", "{ viewer {" + " name @skip(if: false)" * 110 + " } }", "TOO_COMPLEX")
    yield _asks("390 unknown fields", "{" + "".join(f" a{n}" for n in range(390)) + " }", "BAD_REQUEST")
    yield _asks(
        "190 variables", "query(" + "".join(f"$a{n}: Int " for n in range(190)) + ") { viewer { name } }", "BAD_REQUEST"
    )
    unknown = "{ viewer { name(" + "".join(f"a{n}: 1 " for n in range(190)) + ") } }"
    yield _asks("190 unknown arguments", unknown, "BAD_REQUEST")


def _fragments() -> Iterator[Hostile]:
    yield _asks("a circle of two", "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "BAD_REQUEST")
    ring = " ".join(f"fragment F{n} on Query {{ ...F{(n + 1) % 90} }}" for n in range(90))
    yield _asks("a circle of ninety", "{ ...F0 } " + ring, "BAD_REQUEST")
    bomb = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    yield _asks("2^60 spreads", "{ ...F0 } " + bomb + " fragment F60 on Query { viewer { name } }", None)
    ladder = " ".join(
        f"fragment F{n} on Customer {{ invoices {{ nodes {{ a: customer {{ ...F{n + 1} }} b: customer {{ ...F{n + 1} }} }} }} }}"
        for n in range(4)
    )
    yield _asks(
        "what multiplies by aliases",
        "{ customer { ...F0 } } " + ladder + " fragment F4 on Customer { id }",
        "TOO_COMPLEX",
    )
    apart = "".join(f" fragment F{n} on Viewer {{ name kind ...F{n + 1} }}" for n in range(75))
    yield _asks("a chain of 75", "{ viewer { ...F0 } }" + apart + " fragment F75 on Viewer { name }", None)
    every = " ".join(f"...F{n}" for n in range(70))
    each = "".join(f" fragment F{n} on Viewer {{ name kind }}" for n in range(70))
    yield _asks("seventy that overlap", "{ viewer { " + every + " } }" + each, None)
    cross = "".join(
        f" fragment F{n} on Viewer {{ {' '.join(f'...F{m}' for m in range(n + 1, 24))} name }}" for n in range(24)
    )
    yield _asks("each in all that follow", "{ viewer { ...F0 } }" + cross, None)
    nested = "customer { ".join(["{ ", *["invoices { nodes { "] * 3]) + "id" + " } } }" * 3 + " }"
    yield _asks("the same tree in twelve fragments", "{ " + " ".join(f"...F{n}" for n in range(12)) + " }"
                + "".join(f" fragment F{n} on Query {nested}" for n in range(12)), "TOO_COMPLEX")  # fmt: skip
    yield _asks("390 that nobody uses", "{ viewer { name } }" + " fragment F on Viewer { name }" * 90, "BAD_REQUEST")


_PAY: Final = """
    mutation($a: Decimal!) {
        recordPayment(input: {invoiceId: "x", amount: $a, method: "w", idempotencyKey: "k"}) { errors { code } }
    }
"""
_LIST: Final = "query($filter: TicketFilter) { tickets(filter: $filter) { totalCount } }"


def _values() -> Iterator[Hostile]:
    many = {"filter": {"status": ["OPEN"] * 8_000}}
    yield _asks("a list of 8,000", _LIST, None, many)
    wrong = {"filter": {"status": ["x"] * 15_000}}
    yield _asks("a list of 15,000 that are wrong", _LIST, "INVALID", wrong)
    yield _asks("a list of 15,000 nulls", _LIST, "INVALID", {"filter": {"status": [None] * 10_000}})
    literal = "{ tickets(filter: {status: [" + "OPEN " * 780 + "]}) { totalCount } }"
    yield _asks("a list of 780 in the document", literal, None)
    unknown = {"filter": {f"a{n}": n for n in range(4_000)}}
    yield _asks("an input of 4,000 unknown names", _LIST, "INVALID", unknown)
    yield _asks(
        "a name that stands 300 times",
        "{ tickets(filter: {" + "status: OPEN " * 190 + "}) { totalCount } }",
        "BAD_REQUEST",
    )
    yield _asks(
        "a search of 60,000 letters",
        "query($s: String) { customers(filter: {search: $s}) { totalCount } }",
        None,
        {"s": "%_" * 30_000},
    )
    yield _asks(
        "a cursor of 60,000 letters",
        "query($a: String) { invoices(after: $a) { totalCount } }",
        "INVALID",
        {"a": "A" * 60_000},
        ran=True,
    )
    yield _asks(
        "a decimal of 60,000 digits",
        _PAY,
        "INVALID",
        {"a": "9" * 60_000},
    )
    yield _asks("NUL in 10,000 texts", _LIST, "INVALID", {"filter": {"assignedTo": "\0" * 10_000}})


def _schema() -> Iterator[Hostile]:
    turn = "fields { type { "
    yield _asks(
        "the schema, 3 lists deep", "{ __schema { types { " + turn * 3 + "name" + " } }" * 3 + " } } }", "BAD_REQUEST"
    )
    yield _asks("the schema, 2 lists deep", "{ __schema { types { " + turn * 2 + "name" + " } }" * 2 + " } } }", None)
    inner = "fields { args { type { name ofType { name ofType { name } } } } type { name ofType { name } } }"
    aliases = " ".join(f"a{n}: types {{ {inner} }}" for n in range(12))
    yield _asks("the schema twelve times over", "{ __schema { " + aliases + " } }", "TOO_COMPLEX")
    types = " ".join(f'a{n}: __type(name: "Query") {{ fields {{ type {{ fields {{ name }} }} }} }}' for n in range(30))
    yield _asks("one type thirty times", "{ " + types + " }", None)


def _dear() -> Iterator[Hostile]:
    """Well-formed, valid, and too much."""
    yield _asks(
        "100 customers of 100 invoices",
        "{ customers(first: 100) { nodes { invoices(first: 100) { nodes { id } } } } }",
        "TOO_COMPLEX",
    )
    first = "query($n: Int) { customers(first: $n) { nodes { tickets(first: $n) { nodes { comments(first: $n) { nodes { id } } } } } } }"
    yield _asks("as many by variables", first, "TOO_COMPLEX", {"n": 100})
    yield _asks(
        "a list that is asked for 2^31 of", "{ invoices(first: 2147483647) { nodes { id } } }", "INVALID", ran=True
    )
