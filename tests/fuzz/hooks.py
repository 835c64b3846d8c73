"""What schemathesis is told of Landlord: values for its scalars, IDs that there are, and what counts as a fault.

It runs in the environment of schemathesis, where nothing of ours is installed. LANDLORD_TALLY names the file in which
each answer leaves its codes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes, scalar

FAULTS = {"INTERNAL", "TIMEOUT", "UNAVAILABLE"}

_TALLY = Path(os.environ["LANDLORD_TALLY"])
_IDS: list[str] = json.loads(os.environ["LANDLORD_IDS"])

_ANYTHING = st.text(max_size=40)
_KINDS: dict[str, st.SearchStrategy[str]] = {
    "BigInt": st.integers(-(2**65), 2**65).map(str),
    "Date": st.dates().map(str),
    "DateTime": st.datetimes(timezones=st.timezones()).map(lambda instant: instant.isoformat()),
    "Decimal": st.decimals(allow_nan=True, places=2).map(str)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str),
    "Month": st.dates().map(lambda day: day.isoformat()[:7]),
    "JSON": st.just("{}"),
}


for name, good in _KINDS.items():
    # four in five are well-formed
    scalar(name, st.one_of(good, good, good, good, _ANYTHING).map(nodes.String))
scalar("ID", st.one_of(*[st.sampled_from(_IDS)] * 4, _ANYTHING).map(nodes.String))


@schemathesis.check
def no_fault(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """A GraphQL answer can be 200 and tell of a fault all the same."""
    body: Any = response.json()
    codes = {error["extensions"]["code"] for error in body.get("errors", [])}
    for payload in (body.get("data") or {}).values():
        if isinstance(payload, dict):
            codes |= {error["code"] for error in payload.get("errors") or [] if "code" in error}
    with _TALLY.open("a") as tally:
        tally.write(" ".join(sorted(codes)) or "data")
        tally.write("\n")
    assert response.status_code < 500, body
    assert not codes & FAULTS, body
