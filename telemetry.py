"""What a function leaves of its work, made from the lines that our code logs: JSON, metrics and traces.

    install(os.environ, documents=...)      # once, where the handlers are; does nothing outside of Lambda

Each line becomes one JSON object on standard output. Lines that tell of work done also say what CloudWatch is to make metrics
of (its "embedded metric format": no call, no library), and send a subsegment to the X-Ray daemon beside the function, by one
datagram. `_MEASURED` has all of them; the code that logs knows nothing of it.

What a metric or a segment is named by is a list that we know: every further value would be a metric that is paid for.
"""

from __future__ import annotations

import json
import logging
import secrets
import socket
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

# Operations by the hashes of the documents that are known beforehand.
Documents = Mapping[str, Collection[str]]

NAMESPACE: Final = "Landlord"
OTHER: Final = "other"

_FAILED: Final = frozenset({"INTERNAL", "TIMEOUT", "UNAVAILABLE"})


@dataclass(frozen=True, slots=True)
class Measured:
    """What one line says in metrics. `names` are dimensions beside the function's name; `values` those by function alone.

    `name` is the segment's, and the line's `ms` are its length, which is also a metric by function and by `names`: the number
    of its samples is the number of times. What counts `everywhere` is by `names` alone, whichever function says it.
    """

    name: str
    names: Mapping[str, str]
    values: Mapping[str, tuple[float, str]]
    result: str
    everywhere: bool = False


def request(line: Mapping[str, Any], documents: Callable[[], Documents]) -> Measured:
    """An answered request. A client's own name for its operation counts only within a document that is known."""
    known = line["operation"] in documents().get(line["document"] or "", ())
    codes = line["codes"]
    if "RATE_LIMITED" in codes:
        result = "throttled"
    elif _FAILED.intersection(codes):
        result = "failed"
    else:
        result = "refused" if codes or line["status"] >= 400 else "ok"
    operation = line["operation"] if known else OTHER
    values: dict[str, tuple[float, str]] = {
        one: (int(result == one), "Count") for one in ("throttled", "refused", "failed")
    }
    values["statements"] = (line["statements"], "Count")
    # of queries that ran: mutations have no plan
    values["unplanned"] = (int(line["kind"] == "query" and line["statements"] > 0 and not line["planned"]), "Count")
    if line["cost"] is not None:
        values["cost"] = (line["cost"], "None")
    return Measured(operation, {"Operation": operation, "Result": result}, values, result)


def decision(line: Mapping[str, Any], _: Callable[[], Documents]) -> Measured:
    """Of the authorizer."""
    return Measured("authorize", {"Verdict": line["verdict"]}, {}, line["verdict"])


def job(line: Mapping[str, Any], _: Callable[[], Documents]) -> Measured:
    """A share of work that a queue or a schedule asked for: `job` and `outcome` are words of ours."""
    units = {"lag": "Seconds", "ending": "Count"}
    values = {name: (line[name], unit) for name, unit in units.items() if name in line}
    return Measured(line["job"], {"Job": line["job"], "Outcome": line["outcome"]}, values, line["outcome"])


def delivery(line: Mapping[str, Any], _: Callable[[], Documents]) -> Measured:
    """A try to send what is in the outbox."""
    return Measured("deliver", {"Kind": line["kind"], "Outcome": line["outcome"]}, {}, line["outcome"])


def run(line: Mapping[str, Any], _: Callable[[], Documents]) -> Measured:
    """A run of billing that is finished; `failed` are customers whom it left without an invoice."""
    return Measured("run", {"Kind": "run"}, {"unbilled": (line["failed"], "Count")}, "finished", everywhere=True)


# Whose warnings say that S3, DynamoDB or Secrets Manager could not be had, and that it went on without.
WITHOUT: Final = Measured("without", {"Kind": "without"}, {}, "without", everywhere=True)
GO_ON_WITHOUT: Final = frozenset({"landlord.papers", "landlord.ends", "landlord.buckets", "landlord.keyring"})

_MEASURED: Final[Mapping[str, Callable[[Mapping[str, Any], Callable[[], Documents]], Measured]]] = {
    "landlord.requests": request,
    "landlord.authorizer": decision,
    "landlord.jobs": job,
    "landlord.deliveries": delivery,
    "landlord.runs": run,
}


class Lines(logging.Handler):
    """Writes each record as a line of JSON. `documents` is called for requests alone."""

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        function: str,
        documents: Callable[[], Documents],
        environ: Mapping[str, str],
    ) -> None:
        super().__init__()
        self._write = write
        self._function = function
        self._documents = documents
        self._environ = environ

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(_written(self._line(record)) + "\n")
        except Exception:
            self.handleError(record)

    def _line(self, record: logging.LogRecord) -> dict[str, Any]:
        text = record.getMessage()
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if invocation := getattr(record, "aws_request_id", None):
            line["requestId"] = invocation
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        said = _object(text)
        if said is None:
            line["message"] = text
            if record.name in GO_ON_WITHOUT and record.levelno >= logging.WARNING:
                line |= self._metrics(WITHOUT, False, record.created)
            return line
        line |= said
        if (of := _MEASURED.get(record.name)) is not None:
            measured = of(said, self._documents)
            if "ms" in said:
                self._trace(measured, said["ms"], record.created)
            line |= self._metrics(measured, "ms" in said, record.created)
        return line

    def _metrics(self, measured: Measured, timed: bool, at: float) -> dict[str, Any]:
        """The members to add, and where CloudWatch finds what in the line."""
        mine = [] if measured.everywhere else ["FunctionName"]
        named = [*mine, *measured.names]
        by_name = {"Name": "ms", "Unit": "Milliseconds"} if timed else {"Name": "times", "Unit": "Count"}
        alone = [{"Name": name, "Unit": unit} for name, (_, unit) in measured.values.items()]
        directives = [
            {"Namespace": NAMESPACE, "Dimensions": [mine, named] if mine else [named], "Metrics": [by_name]},
            *([{"Namespace": NAMESPACE, "Dimensions": [mine or named], "Metrics": alone}] if alone else []),
        ]
        return {
            "FunctionName": self._function,
            **measured.names,
            **{name: value for name, (value, _) in measured.values.items()},
            **({} if timed else {"times": 1}),
            "_aws": {"Timestamp": round(at * 1000), "CloudWatchMetrics": directives},
        }

    def _trace(self, measured: Measured, ms: float, at: float) -> None:
        """A part of the segment that Lambda makes of this invocation, where X-Ray keeps it."""
        header = dict(part.partition("=")[::2] for part in self._environ.get("_X_AMZN_TRACE_ID", "").split(";"))
        host, _, port = self._environ.get("AWS_XRAY_DAEMON_ADDRESS", "").partition(":")
        if header.get("Sampled") != "1" or not port:
            return
        segment: dict[str, Any] = {
            "type": "subsegment",
            "id": secrets.token_hex(8),
            "trace_id": header["Root"],
            "parent_id": header["Parent"],
            "name": measured.name,
            "start_time": at - ms / 1000,
            "end_time": at,
            "annotations": {"result": measured.result},
        }
        marks = {"throttled": ("error", "throttle"), "refused": ("error",), "failed": ("fault",), "again": ("fault",)}
        segment |= dict.fromkeys(marks.get(measured.result, ()), True)
        datagram = b'{"format": "json", "version": 1}\n' + json.dumps(segment).encode()
        # a trace may be lost: nothing depends on it, and it was never promised to arrive
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
            daemon.sendto(datagram, (host, int(port)))


def _written(line: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(line).decode()
    except TypeError:
        # half a character, as a traceback may quote one
        return json.dumps(line, separators=(",", ":"))


def _object(text: str) -> dict[str, Any] | None:
    """A message that is a JSON object; None where it is a sentence."""
    if not text.startswith("{"):
        return None
    try:
        said: dict[str, Any] = orjson.loads(text)
    except ValueError:
        return None
    return said


def install(environ: Mapping[str, str], *, documents: Callable[[], Documents]) -> None:
    """Within Lambda, all that is logged goes out by `Lines` and by nobody else. `environ` is read at every line."""
    function = environ.get("AWS_LAMBDA_FUNCTION_NAME")
    if function is None:
        return
    out = sys.stdout

    def write(line: str) -> None:
        out.write(line)
        out.flush()

    root = logging.getLogger()
    lines = Lines(write, function=function, documents=documents, environ=environ)
    # what tells them the invocation's id
    for one in root.handlers:
        lines.filters += one.filters
    root.handlers[:] = [lines]
