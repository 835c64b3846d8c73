"""What serverless.yml says of our code is true of it: entry points, artifacts, settings; and it holds no secret."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import release
from settings import NEEDED

ROOT = Path(__file__).parents[2]
DEPLOYED = (ROOT / "serverless.yml").read_text()


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
    defaults = {name: re.search(rf'"--{name}",.*default="([^"]+)"', package) for name in ("architecture", "python")}
    for name, default in defaults.items():
        assert default is not None
        assert re.findall(rf"^    {name}: \"?([^\s\"]+)", DEPLOYED, re.MULTILINE) == [default[1]]
    assert set(re.findall(r"artifact: (\S+)", DEPLOYED)) == {
        f"build/landlord-{kind}-${{param:architecture}}-py${{param:python}}.zip" for kind in kinds
    }


def test_a_front_end_of_another_origin_may_read_the_headers_that_it_is_told_of() -> None:
    told = re.findall(r"`(x-[a-z-]+|Retry-After)`", (ROOT / "docs" / "api.md").read_text())
    (exposed,) = re.findall(r"exposedResponseHeaders: \[(.+)\]", DEPLOYED)
    assert set(exposed.split(", ")) == {name.lower() for name in told} == {"retry-after", "x-request-id"}


def test_no_secret_is_told_to_a_function_but_the_names_of_those_that_it_needs() -> None:
    given = re.findall(r"^ +(LANDLORD_\w+): (.+)$", DEPLOYED, re.MULTILINE)
    kept = {"context": set(release.new_context()), "sessions": set(release.new_sessions())}
    kept |= {"webhooks": set(release.new_webhooks())}
    kept |= {name: {setting} for name, (setting, _, _) in release.HOUSE_KEYS.items()}
    secret = {f"LANDLORD_{setting.upper()}" for settings in kept.values() for setting in settings}
    urls = {name for name in NEEDED if name.endswith("_URL")}
    assert NEEDED - urls < secret
    assert secret.isdisjoint(name for name, _ in given)
    # who has no password has nothing to hide: the role of a function says as whom it may connect
    for url in [value for name, value in given if name in urls | {"LANDLORD_MIGRATOR_URL"}]:
        assert re.search(r"postgresql://landlord_\w+@\$\{Database(Proxy|Cluster)\.Endpoint", url)
    assert "{{resolve:" not in DEPLOYED
    named = {name for given_name, names in given if given_name == "LANDLORD_SECRETS" for name in names.split(",")}
    assert named == {f"landlord/${{sls:stage}}/{name}" for name in kept if name != "operator"}
    sources = "".join(path.read_text() for path in (ROOT / "settings.py", ROOT / "handler.py"))
    assert {name for name, _ in given} <= set(re.findall(r'"(LANDLORD_\w+)"', sources))


def test_of_cloudwatch_it_may_read_metrics_and_nothing_else_is_allowed_everywhere() -> None:
    roles = (ROOT / "infra" / "roles.yml").read_text()
    assert re.findall(r"cloudwatch:\w+", roles) == ["cloudwatch:GetMetricData"]
    everywhere = set(re.findall(r"Effect: Allow, Action: (.+), Resource: \"\*\"", roles))
    # a telephone has no ARN; topics and devices, which have one, are denied
    assert everywhere == {
        "[xray:PutTraceSegments, xray:PutTelemetryRecords]",
        "cloudwatch:GetMetricData",
        "sns:Publish",
    }
    assert len(re.findall(r"Resource: \"\*\"", roles)) == len(everywhere) + 1  # and one is denied
    assert 'get_paginator("get_metric_data")' in (ROOT / "billing" / "cloudwatch.py").read_text()


def test_the_month_is_begun_again_and_again_until_it_is_billed() -> None:
    """Its use is read first: one call a month would never bill."""
    job = next(part for part in DEPLOYED.split("- schedule:") if '"job": "month"' in part)
    assert "rate: cron(0/10 2-23 1-2 * ? *)\n" in job


def test_it_names_no_account() -> None:
    texts = [DEPLOYED, *(path.read_text() for path in (ROOT / "infra").glob("*.yml"))]
    assert [found for text in texts for found in re.findall(r"\b[0-9]{12}\b|AKIA\w+", text)] == []
