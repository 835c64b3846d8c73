"""The workflows of GitHub Actions call the Makefile, and try every Python that the project says it runs on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKFLOWS = {path.name: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}
MAKEFILE = (ROOT / "Makefile").read_text()


def test_what_they_run_are_targets_of_the_makefile() -> None:
    run = [command for text in WORKFLOWS.values() for command in re.findall(r"run: (.+)", text)]
    assert len(run) > 4
    targets = [re.fullmatch(r"make ([a-z]+)(?: [A-Z]+=\S.*)?", command) for command in run]
    assert None not in targets
    assert {target[1] for target in targets if target} <= set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_the_tests_run_on_every_python_from_the_oldest_that_is_taken() -> None:
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    [tried] = re.findall(r"python: \[(.+)\]", WORKFLOWS["check.yml"])
    minors = [int(version.strip(' "').removeprefix("3.")) for version in tried.split(",")]
    assert minors == list(range(int(oldest.removeprefix("3.")), minors[-1] + 1))
    assert minors[-1] >= 14


def test_no_key_of_an_account_is_in_them() -> None:
    text = "".join(WORKFLOWS.values())
    assert re.findall(r"\b[0-9]{12}\b|AKIA\w+|aws-secret-access-key", text) == []
