"""What serverless.yml says of our code is true of it: entry points, artifacts, settings; and it holds no secret."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from settings import NEEDED

ROOT = Path(__file__).parents[2]
DEPLOYED = (ROOT / "serverless.yml").read_text()
# what the comment over `secrets` says is in each
SECRETS = re.findall(r"^ +#   SECRETS/(\w+) +(.+)$", DEPLOYED, re.MULTILINE)


def test_every_entry_point_is_deployed_and_there_is_no_other() -> None:
    names: set[str] = set()
    for node in ast.parse((ROOT / "handler.py").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    ours = {name for name in names if name[0] != "_" and name[0].islower()}
    assert set(re.findall(r"handler: handler\.(\w+)", DEPLOYED)) == ours


def test_the_artifacts_are_those_that_make_package_builds() -> None:
    makefile, package = (ROOT / "Makefile").read_text(), (ROOT / "local" / "package.py").read_text()
    kinds = re.findall(r"local\.package --functions (\w+)", makefile)
    version = re.search(r'"--python", default="([0-9.]+)"', package)
    assert version is not None
    assert f"runtime: python{version[1]}\n" in DEPLOYED
    assert "architecture: arm64\n" in DEPLOYED
    assert set(re.findall(r"artifact: (\S+)", DEPLOYED)) == {
        f"build/landlord-{kind}-arm64-py{version[1]}.zip" for kind in kinds
    }


def test_no_secret_is_told_to_a_function_but_the_names_of_those_that_it_needs() -> None:
    given = re.findall(r"^ +(LANDLORD_\w+): (.+)$", DEPLOYED, re.MULTILINE)
    secret = {f"LANDLORD_{text.upper()}" for _, texts in SECRETS for text in texts.split(", ")}
    assert NEEDED | {"LANDLORD_PEPPER", "LANDLORD_SCHEDULE_KEY"} == secret
    assert secret.isdisjoint(name for name, _ in given)
    assert "{{resolve:" not in DEPLOYED
    named = [names.split(",") for name, names in given if name == "LANDLORD_SECRETS"]
    assert {name for names in named for name in names} == {f"${{param:secrets}}/{name}" for name, _ in SECRETS}
    sources = "".join(path.read_text() for path in (ROOT / "settings.py", ROOT / "handler.py"))
    assert {name for name, _ in given} <= set(re.findall(r'"(LANDLORD_\w+)"', sources))


def test_of_cloudwatch_it_may_read_metrics_and_nothing_else_is_allowed_everywhere() -> None:
    assert re.findall(r"cloudwatch:\w+", DEPLOYED) == ["cloudwatch:GetMetricData"]
    [everywhere] = re.findall(r"Action: (.+)\n +Resource: \"\*\"", DEPLOYED)
    assert everywhere == "cloudwatch:GetMetricData"
    assert 'get_paginator("get_metric_data")' in (ROOT / "billing" / "cloudwatch.py").read_text()


def test_the_month_is_begun_again_and_again_until_it_is_billed() -> None:
    """Its use is read first: one call a month would never bill."""
    job = next(part for part in DEPLOYED.split("- schedule:") if '"job": "month"' in part)
    assert "rate: cron(0/10 2-23 1-2 * ? *)\n" in job


def test_it_names_no_account() -> None:
    texts = [DEPLOYED, *(path.read_text() for path in (ROOT / "infra").glob("*.yml"))]
    assert [found for text in texts for found in re.findall(r"\b[0-9]{12}\b|AKIA\w+", text)] == []
