"""What sql/README.md tells people to write works, and meets the faults that it foretells."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import asyncpg

from tests.db import rules

README = (Path(__file__).parents[2] / "sql" / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return [dedent(block) for block in re.findall(rf"^ *```{language}\n(.*?)^ *```$", README, re.MULTILINE | re.DOTALL)]


async def test_its_table_and_its_change_break_no_rule_but_those_that_it_names(admin: asyncpg.Connection) -> None:
    table, change = _blocks("sql")
    (foretold,) = _blocks("text")
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute(table)
        await admin.execute("reset role")
        assert await rules.faults(admin) == foretold.splitlines()
        customer_id = await admin.fetchval(
            "insert into customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)"
            " values ('Initech', 'a@b.example', 'a@b.example', 'DE', 'taxable', '2025-01-01') returning id"
        )
        await admin.execute(
            "insert into contacts (customer_id, name, phone) values ($1, 'Bill', '+4912345678')", customer_id
        )
        await admin.execute("set local role landlord_owner")
        await admin.execute(change)
        await admin.execute("reset role")
        assert await admin.fetchval("select calls from contacts") == "day and night"
        granted = "granted, and not written down: landlord_tenant contacts insert, select, "
        assert await rules.faults(admin) == [
            *foretold.splitlines()[:-1],
            f"{granted}update (calls name phone)",
        ]
    finally:
        await transaction.rollback()


def test_every_role_of_a_login_and_of_an_owner_is_told() -> None:
    told = set(re.findall(r"^\| `(landlord_\w+)` \|", README, re.MULTILINE))
    assert told == {f"landlord_{name}" for name in ("owner", "guard", *rules.RUNTIME)}
