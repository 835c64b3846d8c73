"""SQL injected into the statement that opens its transaction, of which it could take another part away."""

from __future__ import annotations

from typing import Final

from tests.attacks.attack import LOOK, Attack, opening

_OUT = "select 'x') as asked) as along on true"
# Not of the trail, which is asked for after the opening.
_ROWS = "select row(i)::text as line from invoices i union all select row(c)::text from customers c"
_SAID = """'{"status": "active", "epoch": 1}'"""

ATTACKS: Final[list[Attack]] = [
    opening("the opening is left out", f"{_OUT} where false --", ends="InterfaceError"),
    opening(
        "the opening is left out, and its answer made up",
        f"{_OUT} where false union all select {_SAID}, 'nonce', true, 'x' --",
        ends="InterfaceError",
    ),
    opening(
        "all tables are read in its place",
        f"{_OUT} where false union all select {_SAID}, 'nonce', true, x.line from ({_ROWS}) as x (line) --",
        ends="LL003",
    ),
    opening("all tables are read before it", f"{_OUT} cross join ({_ROWS}) as x (line) --", LOOK, ends="- -"),
    opening("all tables are read beside it", _ROWS, LOOK, ends="- -"),
    opening(
        "the neighbour's rows are asked for by name",
        "select row(c)::text as line from customers c where c.id = '@neighbour'",
        LOOK,
        ends="- -",
    ),
    opening("the token is asked for by its place", "select $1::text", ends="InterfaceError"),
    opening("the token is asked for by a place before it", "select $0::text", LOOK, ends="- -"),
    opening(
        "the setting is made up beside it",
        f"select set_config('app.ctx', 'bind.tenant.@neighbour.1/1.0', true) from ({_ROWS}) as x (line)",
        LOOK,
        ends="- LL003",
    ),
    opening(
        "it is opened for the neighbour first",
        f"{_OUT} cross join (select app.open('@self_signed', '@facts', null, false)) as x --",
        ends="ContextRefused",
    ),
]
