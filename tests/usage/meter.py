"""CloudWatch as tests need it and no emulator shows it: pages, throttling, refusals and answers that cannot be.

A server on a socket that speaks the protocol of the real one, AWS JSON 1.0; boto3 is not touched.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Meter:
    """`published` is what it knows: by customer ID and metric, values by instant.

    `refusals` are answered first, each once: a status and a code. `page` is how many metrics fit on one. `tamper` changes
    a result before it leaves. `asked` are the requests that were answered, `refused` how many were not.
    """

    url: str
    published: dict[tuple[str, str], dict[datetime, float]] = field(default_factory=dict)
    refusals: list[tuple[int, str]] = field(default_factory=list)
    always: tuple[int, str] | None = None
    page: int = 500
    slow: float = 0
    tamper: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda result: result
    asked: list[dict[str, Any]] = field(default_factory=list)
    refused: int = 0

    def publish(self, customer: str, day: datetime, **metrics: float) -> None:
        """One value each, at noon of that day; `AccountCount=12`."""
        for name, value in metrics.items():
            self.published.setdefault((customer, name), {})[day.replace(hour=12)] = value

    @property
    def customers(self) -> list[str]:
        """Whom it was asked about, once a request."""
        return [customer for request in self.asked for customer in dict.fromkeys(map(_customer, _queries(request)))]

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        queries = _queries(request)
        start = int(request.get("NextToken", "0"))
        results = []
        for query in queries[start : start + self.page]:
            stat = query["MetricStat"]
            known = self.published.get((_customer(query), stat["Metric"]["MetricName"]), {})
            days: dict[datetime, list[float]] = {}
            for instant, value in known.items():
                if request["StartTime"] <= instant < request["EndTime"]:
                    days.setdefault(instant.replace(hour=0), []).append(value)
            figure = sum if stat["Stat"] == "Sum" else max
            result = {
                "Id": query["Id"],
                "Label": stat["Metric"]["MetricName"],
                "Timestamps": list(days),
                "Values": [float(figure(values)) for values in days.values()],
                "StatusCode": "Complete",
            }
            if (changed := self.tamper(result)) is not None:
                results.append(changed)
        more = {"NextToken": str(start + self.page)} if start + self.page < len(queries) else {}
        return {"MetricDataResults": results, **more}


def _queries(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    queries: list[dict[str, Any]] = request["MetricDataQueries"]
    return queries


def _customer(query: Mapping[str, Any]) -> str:
    [dimension] = query["MetricStat"]["Metric"]["Dimensions"]
    assert dimension["Name"] == "CustomerId"
    return str(dimension["Value"])


@contextmanager
def running() -> Iterator[Meter]:
    meter = Meter("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["X-Amz-Target"] == "GraniteServiceVersion20100801.GetMetricData"
            time.sleep(meter.slow)
            refusal = meter.refusals.pop(0) if meter.refusals else meter.always
            if refusal is not None:
                meter.refused += 1
                status, code = refusal
                self._send(status, {"__type": code, "message": f"{code}, as was asked for"})
                return
            request = json.loads(body)
            for name in ("StartTime", "EndTime"):
                request[name] = datetime.fromtimestamp(request[name], UTC)
            meter.asked.append(request)
            self._send(200, meter.answer(request))

        def _send(self, status: int, answer: Mapping[str, Any]) -> None:
            body = json.dumps(answer, default=datetime.timestamp).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        meter.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield meter
        finally:
            server.shutdown()
