"""What functions leave of their work in Lambda: lines that are JSON, metrics that CloudWatch finds in them, and traces."""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import telemetry
from billing import queue
from tests.api.test_lambda import DASHBOARD, Sandbox, asks, event
from tests.landlord import Tenant

FUNCTION = "landlord-test-api"
ROOT_ID, PARENT_ID = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
NOBODY = "query Dashboard { viewer { name } }"  # named as a known one is, and another


@pytest.fixture
def daemon() -> Iterator[socket.socket]:
    """Where X-Ray's daemon listens beside a function."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield listening


def function(environment: dict[str, str], daemon: socket.socket, *, sampled: bool = True) -> dict[str, str]:
    return environment | {
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}",
        "_X_AMZN_TRACE_ID": f"Root={ROOT_ID};Parent={PARENT_ID};Sampled={int(sampled)}",
    }


def segments(daemon: socket.socket) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        try:
            header, _, document = daemon.recv(65536).partition(b"\n")
        except BlockingIOError:
            return found
        assert json.loads(header) == {"format": "json", "version": 1}
        found.append(json.loads(document))


def metrics(line: dict[str, Any]) -> dict[tuple[tuple[str, str], ...], dict[str, float]]:
    """What CloudWatch makes of a line, by dimensions; refused where the line is not of the format."""
    assert isinstance(line["_aws"]["Timestamp"], int)
    found: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "Landlord"
        assert 0 < len(directive["Metrics"]) <= 100
        for names in directive["Dimensions"]:
            assert len(names) <= 30
            assert all(isinstance(line[name], str) and line[name] for name in names)
            of_function = [(name, line[name]) for name in names if name != "FunctionName"]
            # what counts everywhere is told by a word of its own, and never by nothing at all
            assert of_function if "FunctionName" not in names else line["FunctionName"] == FUNCTION
            values = found.setdefault(tuple(of_function), {})
            for metric in directive["Metrics"]:
                assert set(metric) == {"Name", "Unit"}
                assert isinstance(line[metric["Name"]], int | float)
                values[metric["Name"]] = line[metric["Name"]]
    return found


def counts(line: dict[str, Any]) -> tuple[str, str, dict[str, float]]:
    """Operation, result, and what is counted by function alone; how long it took is looked at and left out."""
    by = metrics(line)
    ((_, operation), (_, result)) = next(dimensions for dimensions in by if dimensions)
    assert by[("Operation", operation), ("Result", result)] == {"ms": line["ms"]}
    assert by[()].pop("ms") == line["ms"]
    return operation, result, by[()]


def test_a_request_is_one_line_that_says_what_was_asked_how_it_ended_and_what_it_took(
    acme: Tenant, environment: dict[str, str], daemon: socket.socket
) -> None:
    with Sandbox(function(environment, daemon)) as sandbox:
        for asked in (asks(DASHBOARD, acme.token), asks(NOBODY, acme.token), asks(DASHBOARD, None)):
            sandbox.invoke(asked)
        sandbox.invoke(event("POST", "/graphql", headers={"content-type": "text/plain"}, body="x"))
    lines = [json.loads(line) for line in sandbox.log.splitlines()]
    assert {line["logger"] for line in lines} == {"landlord.requests"}
    assert {line["level"] for line in lines} == {"INFO"}
    none = {"throttled": 0, "refused": 0, "failed": 0, "unplanned": 0}
    dashboard, other, stranger, unread = [counts(line) for line in lines]
    cost, statements = dashboard[2]["cost"], dashboard[2]["statements"]
    assert cost > 100
    assert statements == 2
    assert dashboard == ("Dashboard", "ok", none | {"cost": cost, "statements": statements})
    # a client may name its operation as it likes
    assert lines[1]["operation"] == "Dashboard"
    assert other == ("other", "ok", none | {"cost": lines[1]["cost"], "statements": lines[1]["statements"]})
    for refused in (stranger, unread):
        assert refused == ("other", "refused", none | {"refused": 1, "statements": 0})


def test_a_trace_names_the_operation_where_x_ray_keeps_it(
    acme: Tenant, environment: dict[str, str], daemon: socket.socket
) -> None:
    with Sandbox(function(environment, daemon)) as sandbox:
        for asked in (asks(DASHBOARD, acme.token), asks(NOBODY, None)):
            sandbox.invoke(asked)
    dashboard, refused = segments(daemon)
    for segment in (dashboard, refused):
        assert (segment["trace_id"], segment["parent_id"], segment["type"]) == (ROOT_ID, PARENT_ID, "subsegment")
        assert len(bytes.fromhex(segment["id"])) == 8
        assert segment["start_time"] <= segment["end_time"]
    assert dashboard["id"] != refused["id"]
    assert (dashboard["name"], dashboard["annotations"]) == ("Dashboard", {"result": "ok"})
    assert (refused["name"], refused["error"]) == ("other", True)
    assert {"error", "fault", "throttle"}.isdisjoint(dashboard)
    with Sandbox(function(environment, daemon, sampled=False)) as sandbox:
        sandbox.invoke(asks(DASHBOARD, acme.token))
    assert segments(daemon) == []
    assert "Dashboard" in sandbox.log


@pytest.mark.parametrize(
    ("codes", "status", "result"),
    [
        ([], 200, "ok"),
        (["RATE_LIMITED"], 429, "throttled"),
        (["FORBIDDEN"], 200, "refused"),
        ([], 415, "refused"),
        (["INTERNAL"], 200, "failed"),
        (["NOT_FOUND", "TIMEOUT"], 200, "failed"),
    ],
)
def test_a_request_ends_in_one_of_four_ways(codes: list[str], status: int, result: str) -> None:
    line: dict[str, Any] = {
        "operation": None,
        "document": None,
        "kind": "query",
        "planned": True,
        "statements": 1,
        "cost": None,
    }
    assert telemetry.request(line | {"codes": codes, "status": status}, dict).result == result


@pytest.mark.parametrize(("kind", "planned", "statements", "unplanned"), [
    ("query", True, 3, 0), ("query", False, 3, 1), ("query", False, 0, 0), ("mutation", False, 3, 0),
])  # fmt: skip
def test_a_query_that_runs_without_a_plan_is_counted(kind: str, planned: bool, statements: int, unplanned: int) -> None:
    line: dict[str, Any] = {"operation": None, "document": None, "codes": [], "status": 200, "cost": 1}
    of = telemetry.request(line | {"kind": kind, "planned": planned, "statements": statements}, dict)
    assert of.values["unplanned"] == (unplanned, "Count")


@pytest.fixture
def written() -> Iterator[list[str]]:
    """What goes out of this process, as if it were a function."""
    lines: list[str] = []
    out = telemetry.Lines(lines.append, function=FUNCTION, documents=dict, environ={})
    ours = logging.getLogger("landlord")
    ours.addHandler(out)
    yield lines
    ours.removeHandler(out)


def test_a_share_of_work_says_what_it_was_and_whether_it_comes_again(written: list[str]) -> None:
    import handler

    with handler._told("mail") as line:
        line["lag"] = 61.5
    with pytest.raises(ValueError, match="late"), handler._told(queue.kind_of('{"run": "x", "since": "y"}')):
        raise ValueError("late")
    mail, run = map(json.loads, written)
    assert metrics(mail)[("Job", "mail"), ("Outcome", "done")] == {"ms": mail["ms"]}
    assert metrics(mail)[()] == {"ms": mail["ms"], "lag": 61.5}
    assert metrics(run)[("Job", "run"), ("Outcome", "again")] == {"ms": run["ms"]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (queue.WAKE, "share_out"),
        ('{"sync": "x"}', "sync"),
        ("garbage", "none"),
        ('["run"]', "none"),
        ('{"a": 1}', "none"),
    ],
)
def test_a_message_is_of_a_kind_that_we_know(body: str, kind: str) -> None:
    assert queue.kind_of(body) == kind


def test_a_decision_of_the_authorizer_and_a_letter_are_counted_by_how_they_ended(written: list[str]) -> None:
    logging.getLogger("landlord.authorizer").info('{"request": "x", "verdict": "refused", "reason": "old"}')
    logging.getLogger("landlord.deliveries").info('{"kind": "email", "outcome": "parked", "tries": 1}')
    decision, letter = map(json.loads, written)
    assert metrics(decision) == {(): {"times": 1}, (("Verdict", "refused"),): {"times": 1}}
    assert metrics(letter) == {(): {"times": 1}, (("Kind", "email"), ("Outcome", "parked")): {"times": 1}}


def test_a_run_that_is_finished_says_whom_it_left_without_an_invoice_whichever_function_finished_it(
    written: list[str],
) -> None:
    logging.getLogger("landlord.runs").info('{"run": "x", "month": "2026-10", "customers": 5, "failed": 2}')
    (line,) = map(json.loads, written)
    assert metrics(line) == {(("Kind", "run"),): {"times": 1, "unbilled": 2}}
    assert [one["Dimensions"] for one in line["_aws"]["CloudWatchMetrics"]] == [[["Kind"]], [["Kind"]]]


@pytest.mark.parametrize("name", ["papers", "ends", "buckets", "keyring"])
def test_what_goes_on_without_a_service_is_counted_and_says_so_in_words(name: str, written: list[str]) -> None:
    log = logging.getLogger(f"landlord.{name}")
    log.info("nothing happened")
    log.warning("gone on without")
    nothing, without = map(json.loads, written)
    assert "_aws" not in nothing
    assert metrics(without) == {(("Kind", "without"),): {"times": 1}}
    assert (without["message"], without["level"]) == ("gone on without", "WARNING")


def test_whoever_goes_on_without_a_service_logs_by_one_of_these_names() -> None:
    for module in ("billing/kept_papers.py", "auth/ends.py", "resolvers/buckets.py", "auth/keyring.py"):
        source = (Path(telemetry.__file__).parent / module).read_text()
        assert any(f'_log = logging.getLogger("{name}")' in source for name in telemetry.GO_ON_WITHOUT), module
        assert "_log.warning(" in source


def test_a_sentence_and_a_traceback_are_one_line_of_json_too(written: list[str]) -> None:
    log = logging.getLogger("landlord.test")
    log.warning("{%s", "not JSON")
    try:
        raise KeyError("missing")
    except KeyError:
        log.exception("it failed")
    said, failed = map(json.loads, written)
    assert (said["message"], said["level"]) == ("{not JSON", "WARNING")
    assert failed["message"] == "it failed"
    assert "KeyError: 'missing'" in failed["traceback"]
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in written)


def test_half_a_character_is_no_reason_to_lose_a_line() -> None:
    lines: list[str] = []
    out = telemetry.Lines(lines.append, function=FUNCTION, documents=dict, environ={})
    for text in ("Grüße an \N{SNOWMAN}", "half of one: \ud83d"):
        out.handle(logging.makeLogRecord({"msg": text}))
    assert [json.loads(line)["message"] for line in lines] == ["Grüße an \N{SNOWMAN}", "half of one: \ud83d"]


def test_outside_of_lambda_nothing_changes() -> None:
    before = list(logging.getLogger().handlers)
    telemetry.install({}, documents=dict)
    assert logging.getLogger().handlers == before


def test_nothing_is_imported_for_it_that_takes_its_time() -> None:
    heavy = {"aws_lambda_powertools", "aws_xray_sdk", "boto3", "requests", "resolvers", "graphql"}
    source = (Path(telemetry.__file__)).read_text()
    imported = {
        line.split()[1].partition(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
    }
    assert imported.isdisjoint(heavy)
    assert imported <= {*sys.stdlib_module_names, "orjson"}
