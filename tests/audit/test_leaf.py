"""An event's leaf, written a second time from docs/audit.md alone, is the one that the database computes."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st

from schema.ids import split
from tests.landlord import Refused, Tenant

DOCUMENT = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
FIELDS = re.findall(r"^\| \d+ \| `(\w+)` \|", DOCUMENT, re.MULTILINE)

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}

_LEAF = """
    select app.leaf(
               e.id, e.customer_id, e.event_type, e.action, e.resource_type, e.resource_id, e.actor, e.actor_kind,
               e.actor_email, e.actor_ip, e.actor_user_agent, e.status, e.error_message, e.request_id, e.metadata
           )
      from jsonb_to_record($1::text::jsonb) as e (
               id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text,
               actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text,
               request_id text, metadata jsonb
           )
"""


# ---------------------------------------------------------------- the second implementation


def leaf(event: dict[str, Any]) -> str:
    """In hex. `metadata` is a dict whose fractions are Decimals, everything else text or None."""
    return hashlib.sha256(b"\0" + b"".join(map(field, texts(event)))).hexdigest()


def texts(event: dict[str, Any]) -> list[str | None]:
    return [canonical(event[name]) if name == "metadata" else event[name] for name in FIELDS]


def field(text: str | None) -> bytes:
    if text is None:
        return b"\xff" * 8
    encoded = text.encode()
    return len(encoded).to_bytes(8, "big") + encoded


def canonical(value: object) -> str:
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return '"' + "".join(_ESCAPES.get(c, c if c >= " " else f"\\u{ord(c):04x}") for c in value) + '"'
        case int():
            return str(value)
        case Decimal():
            return format(value if value else abs(value), "f")
        case list():
            return "[" + ", ".join(map(canonical, value)) + "]"
        case dict():
            names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
            return "{" + ", ".join(f"{canonical(name)}: {canonical(value[name])}" for name in names) + "}"
    raise TypeError(type(value))


def instant(id: str) -> datetime:
    digits = id.replace("-", "")[:16]
    number = int(digits[:12] + digits[13:], 16)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=(number * 125 + 511) // 512)


def parsed(metadata: str) -> Any:
    return json.loads(metadata, parse_float=Decimal)


# ---------------------------------------------------------------- the document's example


def test_the_documents_example_is_computed_from_the_documents_rules() -> None:
    event = parsed(re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)[0])
    assert list(event) == FIELDS
    told = re.findall(r"^\| \d+ \| (-?\d+) \| (?:`(.*)` )?\|$", DOCUMENT, re.MULTILINE)
    assert told == [("-1", "") if text is None else (str(len(text.encode())), text) for text in texts(event)]
    (size, said) = re.findall(r"These are (\d+) bytes with the first `00`\. The id says (\S+),", DOCUMENT)[0]
    assert int(size) == 1 + sum(len(field(text)) for text in texts(event))
    assert said == instant(event["id"]).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert re.findall(r"```text\n(.*)\n```", DOCUMENT) == [leaf(event)]


async def test_the_database_says_the_same_of_the_documents_example(admin: asyncpg.Connection) -> None:
    [written] = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    assert (await admin.fetchval(_LEAF, written)).hex() == leaf(parsed(written))
    assert await admin.fetchval("select app.made_at($1)", UUID(parsed(written)["id"])) == instant(parsed(written)["id"])


async def test_what_an_event_is_stamped_with_takes_no_call_of_a_function_of_ours(admin: asyncpg.Connection) -> None:
    """The planner puts their bodies in place; a call for each would make and end a query of its own."""
    plan = await admin.fetch(
        """
        explain (verbose, costs off)
        select app.made_at(app.new_id()), app.made_at(id),
               app.leaf(
                   id, customer_id, event_type, action, resource_type, resource_id, actor, actor_kind, actor_email, actor_ip,
                   actor_user_agent, status, error_message, request_id, metadata
               )
          from audit_events_default
        """
    )
    assert [line for (line,) in plan if "app." in line] == []


# ---------------------------------------------------------------- any event at all

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_NUMBER = st.one_of(
    st.integers(-(10**30), 10**30),
    st.builds(
        lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**20), 10**20), st.integers(1, 9)
    ),
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | _NUMBER | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_EVENT = st.fixed_dictionaries(
    {name: st.none() | _TEXT for name in FIELDS}
    | {name: st.none() | st.uuids().map(str) for name in ("customer_id",)}
    | {"id": st.uuids().map(str), "metadata": st.dictionaries(_TEXT, _JSON, max_size=4)}
)


def sent(event: dict[str, Any]) -> str:
    """As JSON in another form than the canonical one, with every fraction as it is."""
    marks: dict[str, str] = {}

    def marked(value: Decimal) -> str:
        marks[mark := f"\ue000{len(marks)}\ue000"] = f"{value:E}" if len(marks) % 2 else f"{value:f}"
        return mark

    text = json.dumps(event, default=marked)
    for mark, number in marks.items():
        text = text.replace(json.dumps(mark), number)
    return text


@settings(max_examples=300, deadline=None)
@given(event=_EVENT)
async def test_any_event_has_the_same_leaf_here_and_there(admin: asyncpg.Connection, event: dict[str, Any]) -> None:
    assert (await admin.fetchval(_LEAF, sent(event))).hex() == leaf(event)


@settings(max_examples=300, deadline=None)
@given(number=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40, places=12))
async def test_a_number_keeps_its_zeros_and_loses_its_exponent(admin: asyncpg.Connection, number: Decimal) -> None:
    for text in (f"{number:f}", f"{number:E}"):
        assert await admin.fetchval("select $1::text::jsonb::text", text) == canonical(parsed(f"[{text}]")[0])


async def test_names_and_controls_stand_as_the_document_says(admin: asyncpg.Connection) -> None:
    metadata = {
        "é": 1,
        "zz": 2,
        "a": 3,
        "Z": 4,
        "": 5,
        "aaa": "".join(map(chr, range(1, 33))) + '"\\\x7f\u2028\U0001f600',
    }
    expected = (
        '{"": 5, "Z": 4, "a": 3, "zz": 2, "é": 1, "aaa": "\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n'
        "\\u000b\\f\\r\\u000e\\u000f\\u0010\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a"
        '\\u001b\\u001c\\u001d\\u001e\\u001f \\"\\\\\x7f\u2028\U0001f600"}'
    )
    assert canonical(metadata) == expected
    assert await admin.fetchval("select $1::text::jsonb::text", json.dumps(metadata)) == expected


# ---------------------------------------------------------------- events as the API leaves them


async def test_every_event_of_real_calls_has_the_leaf_of_what_it_says(admin: asyncpg.Connection, acme: Tenant) -> None:
    await acme.api("query Mine { customer { name } }")
    opened = await acme.api(
        'mutation { openTicket(input: {subject: "Überlauf \\"λ\\"", body: "."}) { ticket { id } } }'
    )
    assert opened["openTicket"]["ticket"] is not None
    refused = await acme.api('mutation { openTicket(input: {subject: "", body: "."}) { errors { code } } }')
    assert refused["openTicket"]["errors"] == [{"code": "INVALID"}]
    await acme.post("{ customer { invoices(first: 0) { totalCount } } }")
    rows = await admin.fetch(
        """
        select id::text, customer_id::text, event_type, action, resource_type, resource_id, actor, actor_kind, actor_email,
               actor_ip, actor_user_agent, status, error_message, request_id, metadata::text, leaf, created_at
          from audit_events where customer_id = $1 order by id
        """,
        acme.customer_id,
    )
    assert [(row["event_type"], row["status"]) for row in rows] == [
        ("api.query", "success"),
        ("ticket.opened", "success"),
        ("ticket.opened", "failure"),
        ("api.query", "failure"),
    ]
    for row in rows:
        assert row["leaf"].hex() == leaf(dict(row) | {"metadata": parsed(row["metadata"])})
        assert row["created_at"] == instant(row["id"])


async def test_a_tenant_computes_the_hash_from_what_the_api_says(acme: Tenant) -> None:
    try:
        await acme.api('{ customer { name invoices(first: 1, after: "?") { totalCount } } }')
    except Refused as refused:
        assert refused.codes == ["INVALID"]
    await acme.api("{ viewer { name } }")
    answer = await acme.api(
        """
        { auditEvents { nodes { id customer_id: customerId event_type: eventType action resource_type: resourceType
          resource_id: resourceId actor actor_kind: actorKind actor_email: actorEmail actor_ip: actorIp
          actor_user_agent: actorUserAgent status error_message: errorMessage request_id: requestId metadata hash } } }
        """
    )
    events = answer["auditEvents"]["nodes"]
    assert [event["status"] for event in events] == ["SUCCESS", "FAILURE"]
    for event in events:
        event |= {name: str(split(event[name])[1]) for name in ("id", "customer_id")}
        event |= {name: event[name].lower() for name in ("action", "actor_kind", "status")}
        assert event.pop("hash") == leaf(event)
