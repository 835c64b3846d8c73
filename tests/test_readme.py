"""The README is true: its commands run, its map is the tree, its settings are those that the code reads."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.postgres import free_port

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL))

# what a machine makes for itself, beside what begins with a dot
MADE = {"build", "node_modules", "__pycache__", "landlord.egg-info"}


def rows(section: str) -> list[list[str]]:
    """Of the section's table, without its head: what stands in backquotes in the first cells, and the rest as it is."""
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_map_is_the_tree() -> None:
    told = [name for row in rows("The map") for name in named(row[0])]
    found = [
        path.name + "/" * path.is_dir()
        for path in ROOT.iterdir()
        if path.name not in MADE and not path.name.startswith(".") and (path.is_dir() or path.suffix == ".py")
    ]
    assert sorted(told) == sorted(found)


def test_the_settings_are_those_that_the_code_reads() -> None:
    told = [name for row in rows("Settings") for name in named(row[0]) if name.startswith("LANDLORD_")]
    sources = [ROOT / name for name in ("app.py", "handler.py", "settings.py")]
    sources += [path for row in rows("The map") if (path := ROOT / named(row[0])[0]).is_dir() and path.name != "tests"]
    read = {
        name
        for source in sources
        for path in (source.rglob("*.py") if source.is_dir() else [source])
        for name in re.findall(r"\bLANDLORD_[A-Z_]+\b", path.read_text())
    }
    assert sorted(told) == sorted(read)


def test_the_query_passes_through_files_and_names_that_there_are() -> None:
    steps = [(named(row[0])[0], named(row[1])[0]) for row in rows("One query, end to end")]
    assert len(steps) > 10
    assert [step for step in steps if step[1] not in _names(ROOT / step[0])] == []


def _names(path: Path) -> set[str]:
    """What a file defines: functions and classes, methods as `Class.method`."""
    text = path.read_text()
    if path.suffix == ".sql":
        return set(re.findall(r"^create (?:or replace )?function ([\w.]+)\(", text, re.MULTILINE))
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = {node.name for node in ast.parse(text).body if isinstance(node, defined)}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{member.name}" for member in node.body if isinstance(member, defined)}
    return found


def test_every_target_that_it_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = set(re.findall(r"(?<![\w-])make ([a-z]+)(?=[`\s])", "\n".join(_code())))
    assert {"run", "test", "bench", "imports"} <= told
    assert told - targets == set()


def _code() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", README, re.DOTALL) + re.findall(r"`([^`\n]+`)", README)


# ---------------------------------------------------------------- what people copy


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A Landlord of its own, whose `.local` is in the folder, and its address."""
    folder, port = tmp_path_factory.mktemp("readme"), free_port()
    environment = os.environ | {"LANDLORD_HOME": str(folder / ".local"), "PORT": str(port)}
    with subprocess.Popen([sys.executable, "-m", "local.run"], cwd=ROOT, env=environment) as server:
        try:
            assert _answers(server, f"http://127.0.0.1:{port}/healthz")
            yield folder, f"127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


def _answers(server: subprocess.Popen[bytes], url: str) -> bool:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return True
        except urllib.error.URLError:
            time.sleep(0.1)
    return False


def copied(section: str, running: tuple[Path, str]) -> list[Any]:
    """The section's commands, run in a shell as they stand but for the address; every JSON that they print."""
    folder, address = running
    [script] = re.findall(r"```sh\n(.*?)```", SECTIONS[section], re.DOTALL)
    assert "127.0.0.1:8000" in script
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["sh", "-eu"],
        input=script.replace("127.0.0.1:8000", address),
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    found, rest = [], ran.stdout.lstrip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        found.append(value["data"])
        rest = rest[end:].lstrip()
    return found


copies = pytest.mark.skipif(
    not (ROOT / "graphiql/dist/index.html").exists() or shutil.which("curl") is None,
    reason="`make test` builds GraphiQL first; the examples are for curl",
)


@copies
def test_the_question_is_answered_with_the_newest_invoices(running: tuple[Path, str]) -> None:
    [answer] = copied("Ask", running)
    assert answer["customer"]["name"] == "Halyard & Finch Payments"
    assert [invoice["status"] for invoice in answer["customer"]["invoices"]["nodes"]] == ["ISSUED", "PAID", "PAID"]


@copies
def test_the_billing_script_drafts_and_issues_one_invoice_however_often_it_is_run(running: tuple[Path, str]) -> None:
    answers = copied("Bill a month", running)
    recorded, drafted, draft, issued = answers
    assert recorded == {"recordUsage": {"usage": {"revision": 1}, "errors": []}}
    assert _counts(drafted) == {"Created": 1, "Recomputed": 0, "Issued": 0, "Failed": 0}
    [invoice] = draft["customer"]["invoices"]["nodes"]
    assert (invoice["number"], invoice["status"], invoice["totalAmount"]) == (None, "DRAFT", "2448.25")
    assert [line["amount"] for line in invoice["lines"]] == ["2000.00", "50.00", "7.35", "390.90"]
    assert _counts(issued) == {"Created": 0, "Recomputed": 1, "Issued": 1, "Failed": 0}
    again = copied("Bill a month", running)
    assert [again[0], again[1], again[3]] == [recorded, drafted, issued]
    [same] = again[2]["customer"]["invoices"]["nodes"]
    assert (same["number"][-5:], same["status"], same["totalAmount"]) == ("-0001", "ISSUED", "2448.25")


def _counts(answer: dict[str, Any]) -> dict[str, int]:
    run = answer["billingRun"]
    counts = {name: run[f"invoices{name}"] for name in ("Created", "Recomputed", "Issued")}
    return counts | {"Failed": len(run["failures"]["nodes"])}
