"""Whatever stands between the command and the API is said in a sentence, and the key is never written."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from local.postgres import free_port
from tests.cli.conftest import Shell

ASKING = ("invoice", "explain", "K7M2QX-9999")
UNKNOWN = "Error: There is no invoice K7M2QX-9999.\n"


async def test_the_key_of_this_machines_make_run_is_taken_where_none_is_set(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "demo-keys.json").write_text(json.dumps({"operator": shell.key, "tenant": "lz_test_x"}))
    ran = await shell.run(*ASKING, LANDLORD_KEY="", LANDLORD_HOME=str(tmp_path))
    assert (ran.code, ran.err) == (1, UNKNOWN)


async def test_a_key_that_is_set_goes_before_that(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "demo-keys.json").write_text(json.dumps({"operator": "lz_test_x"}))
    assert (await shell.here(*ASKING, LANDLORD_HOME=str(tmp_path))).err == UNKNOWN


async def test_without_any_key_one_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    ran = await shell.here(*ASKING, LANDLORD_KEY="", LANDLORD_HOME=str(tmp_path))
    assert ran.code == 2
    assert ran.err.endswith(
        f"Error: Set LANDLORD_KEY to an operator's API key; there is none in {tmp_path}/demo-keys.json either,"
        " where `make run` writes one.\n"
    )
    (tmp_path / "demo-keys.json").write_text("[")
    ran = await shell.here(*ASKING, LANDLORD_KEY="", LANDLORD_HOME=str(tmp_path))
    assert ran.err.endswith(
        f"Error: {tmp_path}/demo-keys.json cannot be read: set LANDLORD_KEY to an operator's API key.\n"
    )


async def test_a_key_that_does_not_work_is_refused_and_not_shown(shell: Shell) -> None:
    wrong = shell.key[:-1] + ("x" if shell.key[-1] != "x" else "y")
    ran = await shell.run(*ASKING, LANDLORD_KEY=wrong)
    assert (ran.code, ran.err) == (
        1,
        f"Error: The key in LANDLORD_KEY is refused at {shell.url}: set LANDLORD_KEY to one that works.\n",
    )


@pytest.mark.parametrize("garbage", ["lz_töst", "two\nlines"])
async def test_a_key_that_is_none_is_not_sent(shell: Shell, garbage: str) -> None:
    ran = await shell.here(*ASKING, LANDLORD_KEY=garbage, LANDLORD_URL="http://127.0.0.1:1")
    assert ran.code == 2
    assert ran.err.endswith("Error: LANDLORD_KEY is no API key: one has letters, digits and `_`.\n")


async def test_a_tenants_key_is_told_which_scope_it_lacks(shell: Shell) -> None:
    acme = await shell.ledger.house.landlord.tenant("Acme")
    ran = await shell.here("bill", "2026-09", LANDLORD_KEY=acme.key)
    assert (ran.code, ran.err) == (1, "Error: This key or session lacks the scope `billing:write`.\n")


async def test_a_server_that_is_not_there_is_named(shell: Shell) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ran = await shell.run(*ASKING, LANDLORD_URL=url)
    assert (ran.code, ran.err) == (
        1,
        f"Error: Nothing answers at {url}: start Landlord there (`make run`), or say with LANDLORD_URL where it is.\n",
    )


class Silent(BaseHTTPRequestHandler):
    """It knows of no POST, and does not talk about it."""

    def log_message(self, *args: object) -> None:
        pass


async def test_a_server_that_is_another_one_is_named(shell: Shell) -> None:
    with HTTPServer(("127.0.0.1", 0), Silent) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        ran = await shell.here(*ASKING, LANDLORD_URL=url)
        thread.join()
    assert (ran.code, ran.err) == (
        1,
        f"Error: What answers at {url} is no Landlord (HTTP status 501): is LANDLORD_URL right?\n",
    )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("landlord.example", "LANDLORD_URL is no address of an API; http://127.0.0.1:8000 is one."),
        ("ftp://landlord.example", "LANDLORD_URL is no address of an API; http://127.0.0.1:8000 is one."),
        ("https://me:secret@landlord.example", "LANDLORD_URL is no address of an API; http://127.0.0.1:8000 is one."),
        ("http://127.0.0.1:eight", "LANDLORD_URL is no address of an API; http://127.0.0.1:8000 is one."),
        ("http://landlord.example",
         "LANDLORD_URL is http:// and on another machine: the key goes there by https:// alone."),
    ],
)  # fmt: skip
async def test_an_address_that_is_none_or_that_would_show_the_key_is_refused(
    shell: Shell, url: str, sentence: str
) -> None:
    ran = await shell.here(*ASKING, LANDLORD_URL=url)
    assert ran.code == 2
    assert ran.err.endswith(f"Error: {sentence}\n")


async def test_another_machine_is_never_sent_this_ones_key(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "demo-keys.json").write_text(json.dumps({"operator": shell.key}))
    ran = await shell.here(
        *ASKING, LANDLORD_KEY="", LANDLORD_HOME=str(tmp_path), LANDLORD_URL="https://landlord.example"
    )
    assert ran.code == 2
    assert ran.err.endswith("Error: Set LANDLORD_KEY to an operator's API key.\n")


async def test_a_proxy_of_this_machine_is_not_asked_for_what_is_on_it(shell: Shell) -> None:
    ran = await shell.run(*ASKING, HTTP_PROXY=f"http://127.0.0.1:{free_port()}")
    assert ran.err == UNKNOWN
    assert "HTTP_PROXY" not in os.environ
