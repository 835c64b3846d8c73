"""`landlord prices add`: a file becomes a price list, or is refused with the line where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from schema.ids import uuid_of
from tests.cli.conftest import Shell
from tests.prices.documents import MISTAKES, Mistake, a_day, starting


async def test_a_file_becomes_a_price_list(shell: Shell, tmp_path: Path) -> None:
    file, day = tmp_path / "next.json", a_day()
    file.write_text(starting(day))
    ran = await shell.run("prices", "add", str(file), "--json")
    assert (ran.code, ran.err) == (0, "")
    assert (ran.json["name"], ran.json["currency"], ran.json["effectiveFrom"]) == ("2025 list", "USD", str(day))
    stored = await shell.ledger.admin.fetchval(
        "select effective_from from rate_cards where id = $1", uuid_of("rcd", ran.json["id"], ())
    )
    assert stored == day
    again = await shell.run("prices", "add", str(file))
    assert (again.code, again.out, again.err) == (
        1,
        "",
        f"Error: {file}: line 4: effectiveFrom: a price list from {day} on stands already: “2025 list”.\n",
    )


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_is_told_with_file_and_line(shell: Shell, tmp_path: Path, mistake: Mistake) -> None:
    file, text = tmp_path / "next.json", mistake.document()
    file.write_text(text)
    ran = await shell.here("prices", "add", str(file))
    assert (ran.code, ran.out, ran.err) == (1, "", f"Error: {file}: {mistake.said(text)}\n")


async def test_a_file_that_is_no_text_or_not_there_is_named(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "next.json"
    ran = await shell.here("prices", "add", str(file))
    assert ran.code == 2
    assert f"File '{file}' does not exist." in ran.err
    file.write_bytes(b"\xff\xfe{}")
    ran = await shell.here("prices", "add", str(file))
    assert (ran.code, ran.err) == (1, f"Error: {file} is no UTF-8 text.\n")
