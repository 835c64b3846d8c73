"""GraphQL over HTTP, after the specification of that name: bytes to a question, an answer to bytes.

    Route("/graphql", Endpoint(engine, clock=utc_now))

A client that accepts `application/graphql-response+json` is told by the status what became of its request; in
`application/json`, which is also what `*/*` gets, a GraphQL request is answered by 200, whatever it says.
UNAUTHENTICATED is 401 and RATE_LIMITED 429 in both.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from resolvers.engine import Answer, Engine, Question, Spent
from resolvers.limits import json_depth
from schema.context import Origin

_log = logging.getLogger("landlord.requests")

JSON: Final = "application/json"
GRAPHQL: Final = "application/graphql-response+json"

_ALWAYS: Final = {"UNAUTHENTICATED": 401, "RATE_LIMITED": 429}
# in GRAPHQL alone, and only where nothing was run
_STATUS: Final = {"FORBIDDEN": 403, "INTERNAL": 500, "UNAVAILABLE": 503, "TIMEOUT": 504}

_LONGEST_AGENT = 256
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _BadRequest(Exception):
    """No GraphQL request at all."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def _too_large(most: int) -> _BadRequest:
    return _BadRequest(413, f"A request has at most {most} bytes.")


class Endpoint:
    """An ASGI application for one route. `explorer` answers a GET that prefers HTML and asks nothing.

    `clock` is read once a request.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Callable[[], datetime],
        explorer: Callable[[Request], Awaitable[Response]] | None = None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._explorer = explorer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if self._explorer is not None and _wants_page(request):
            response = await self._explorer(request)
            response.headers.append("vary", "Accept")
        else:
            response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        begun = time.perf_counter()
        sent = headers_of(request)
        origin = origin_of(request, sent, self._clock())
        media_type = JSON
        headers = {"cache-control": "no-store", "vary": "Accept", "x-request-id": origin.request_id}
        try:
            media_type = _negotiated(sent.get("accept"))
            question = await self._question(request, sent)
            answer = await self._engine.answer(question, origin)
            content = _written(answer)
            if len(content) > self._engine.limits.answer_bytes:
                answer = self._engine.too_large(answer, origin)
                content = _written(answer)
            status = _status(answer, media_type)
            if answer.wrong_method:
                headers["allow"] = "POST"
        except _BadRequest as refused:
            answer, status = Answer(), refused.status
            headers |= refused.headers
            extensions = {"code": "BAD_REQUEST", "requestId": origin.request_id}
            content = orjson.dumps({"errors": [{"message": str(refused), "extensions": extensions}]})
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        if answer.retry_after is not None:
            headers["retry-after"] = str(answer.retry_after)
        log(origin, answer, status=status, begun=begun)
        return Response(content, status, headers | {"content-type": f"{media_type}; charset=utf-8"})

    async def _question(self, request: Request, sent: Mapping[str, str]) -> Question:
        """Raises _BadRequest."""
        if request.method == "POST":
            return _read(await self._body(request, sent), may_write=True)
        if request.method == "GET":
            if len(request.scope["query_string"]) > self._engine.limits.body_bytes:
                raise _BadRequest(414, "This address is too long: send the request by POST.")
            asked: dict[str, Any] = dict(request.query_params)
            for name in ("variables", "extensions"):
                if asked.get(name):
                    asked[name] = self._json(asked[name].encode(), name)
                else:
                    asked.pop(name, None)
            return _read(asked, may_write=False)
        raise _BadRequest(405, "GraphQL is asked by POST or GET.", {"allow": "GET, POST"})

    async def _body(self, request: Request, sent: Mapping[str, str]) -> Any:
        kind = sent.get("content-type", "")
        if kind != JSON and not _is_json(kind):
            raise _BadRequest(415, "Send `content-type: application/json`, in UTF-8.", {"accept": JSON})
        if sent.get("content-encoding", "identity").lower() != "identity":
            raise _BadRequest(
                415, "Send the body as it is, without a content-encoding.", {"accept-encoding": "identity"}
            )
        most = self._engine.limits.body_bytes
        length = sent.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise _too_large(most)
        body, more = bytearray(), True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise _BadRequest(400, "The connection was closed within the body.")
            body += message.get("body", b"")
            if len(body) > most:
                raise _too_large(most)
            more = message.get("more_body", False)
        return self._json(body, "body")

    def _json(self, text: bytes | bytearray, what: str) -> Any:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise _BadRequest(400, f"The {what} is no JSON in UTF-8.") from None
        if json_depth(value) > self._engine.limits.json_depth:
            raise _BadRequest(400, f"The JSON of the {what} nests deeper than {self._engine.limits.json_depth} levels.")
        return value


def headers_of(request: Request) -> Mapping[str, str]:
    """What was sent, by names in small letters; of two with one name the first, as starlette has it, which walks through all
    of them for each that is asked for."""
    return dict(reversed(request.headers.items()))


def origin_of(request: Request, sent: Mapping[str, str], now: datetime) -> Origin:
    # behind API Gateway its id is in the gateway's log too; its address is the one that it saw, as the peer's is
    gateway = request.scope.get("aws.event", {}).get("requestContext", {})
    agent = sent.get("user-agent")
    return Origin(
        request_id=str(gateway.get("requestId") or secrets.token_hex(16)),
        now=now,
        authorization=sent.get("authorization"),
        address=request.client.host if request.client else None,
        user_agent=agent[:_LONGEST_AGENT] if agent else None,
        base_url=_base_url(request, sent),
    )


def _base_url(request: Request, sent: Mapping[str, str]) -> str:
    """As starlette's, which takes a tenth of a small query to parse it."""
    host = sent.get("host")
    if host is None:
        return str(request.base_url).rstrip("/")
    return f"{request.scope['scheme']}://{host}{request.scope.get('root_path', '')}".rstrip("/")


def log(origin: Origin, answer: Answer, *, status: int, begun: float) -> None:
    """One request in the log. Nothing that the client sent is in it but the operation's name."""
    if not _log.isEnabledFor(logging.INFO):
        return
    caller = answer.caller
    line = {
        "request": origin.request_id,
        "operation": answer.facts.name if answer.facts else None,
        "kind": answer.facts.kind if answer.facts else None,
        "fields": answer.facts.fields if answer.facts else None,
        "document": answer.facts.document if answer.facts else None,
        "caller": caller.kind if caller else None,
        "customer": str(caller.customer_id) if caller and caller.customer_id else None,
        "scopes": sorted(caller.scopes) if caller else None,
        "cost": answer.spent.requested if answer.spent else None,
        "codes": answer.codes,
        "statements": answer.statements,
        "planned": answer.planned,
        "ms": round((time.perf_counter() - begun) * 1000, 1),
        "status": status,
    }
    _log.info("%s", orjson.dumps(line).decode())


def _written(answer: Answer) -> bytes:
    body: dict[str, Any] = {"errors": answer.errors} if answer.errors else {}
    if answer.ran:
        body["data"] = answer.data
    if answer.spent is not None:
        body["extensions"] = {"cost": _told(answer.spent)}
    return orjson.dumps(body)


def _told(spent: Spent) -> dict[str, Any]:
    left = spent.balance
    throttle = {"available": left.available, "restoreRate": left.restore_rate} if left is not None else None
    return {"requested": spent.requested, "throttle": throttle}


def _read(asked: Any, *, may_write: bool) -> Question:
    """Raises _BadRequest."""
    if not isinstance(asked, dict):
        raise _BadRequest(400, "A request is one JSON object with `query`; lists of them are not taken.")
    hash = _hash(asked.get("extensions"))
    query = asked.get("query")
    if query is None and hash is not None:
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise _BadRequest(400, "`query` is missing, or no text.")
    name = asked.get("operationName")
    if name is not None and not isinstance(name, str):
        raise _BadRequest(400, "`operationName` is text or null.")
    for part in ("variables", "extensions"):
        if asked.get(part) is not None and not isinstance(asked[part], dict):
            raise _BadRequest(400, f"`{part}` is a JSON object or null.")
    # clients send an empty name where they mean none
    return Question(query, name or None, asked.get("variables") or {}, may_write=may_write, hash=hash)


def _hash(extensions: Any) -> str | None:
    """Of a document that is known, where a client sends it as Apollo's do. Raises _BadRequest."""
    persisted = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    if persisted is None:
        return None
    hash = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(hash, str) or not _SHA256.fullmatch(hash):
        raise _BadRequest(400, "`persistedQuery` has a `sha256Hash` of 64 digits, in hex and small letters.")
    return hash


def _is_json(header: str) -> bool:
    """Of a content-type with parameters, whether it is JSON in UTF-8."""
    kind, _, parameters = header.partition(";")
    charsets = [
        value.strip().strip('"').lower()
        for name, _, value in (parameter.partition("=") for parameter in parameters.split(";"))
        if name.strip().lower() == "charset"
    ]
    return kind.strip().lower() == JSON and charsets in ([], ["utf-8"])


def _accepted(header: str) -> list[str]:
    """The media types that a client accepts, in its order of preference."""
    found: list[tuple[float, str]] = []
    for entry in header.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        if kind and weight > 0:
            found.append((weight, kind))
    return [kind for _, kind in sorted(found, key=lambda entry: -entry[0])]


def _negotiated(accept: str | None) -> str:
    """Raises _BadRequest for a client that takes neither."""
    if accept in (JSON, GRAPHQL):
        return accept
    if accept is None or not accept.strip():
        return JSON
    for kind in _accepted(accept):
        if kind in (JSON, GRAPHQL):
            return kind
        if kind in ("*/*", "application/*"):
            return JSON
    raise _BadRequest(406, f"Answers are `{GRAPHQL}` or `{JSON}`.")


def _wants_page(request: Request) -> bool:
    if request.method not in ("GET", "HEAD") or "query" in request.query_params:
        return False
    kinds = [kind for kind in _accepted(request.headers.get("accept", "")) if kind in ("text/html", JSON, GRAPHQL)]
    return kinds[:1] == ["text/html"]


def _status(answer: Answer, media_type: str) -> int:
    for code in answer.codes:
        if code in _ALWAYS:
            return _ALWAYS[code]
    if answer.wrong_method:
        return 405
    if answer.ran or media_type == JSON:
        return 200
    return _STATUS.get(answer.codes[0], 400)
