"""An invoice's PDF over HTTP, for whoever may read the invoice.

    Route("/invoices/{id}.pdf", Papers(operations, buckets, press=pdf.render, clock=utc_now).answer)

The same credentials, scopes, isolation and audit event as a query's. Only the database says who sees which invoice: a
PDF that is kept (`billing/kept_papers.py`) is fetched once its rows were read, by their ids, and nobody is ever given an
address in the bucket.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.caller import Caller
from auth.scopes import Scope
from billing import pdf
from billing.pdf import NoCompanyDetails, Paper, Press
from db import invoices
from db.errors import Forbidden, Invalid, LandlordError, NotFound, RateLimited, Unauthenticated, Unavailable
from resolvers.buckets import Buckets, Overdrawn
from resolvers.engine import Answer, Spent
from resolvers.http import headers_of, log, origin_of
from resolvers.operation import Operations
from schema.codes import code_of
from schema.context import Facts, Origin
from schema.ids import uuid_of

_log = logging.getLogger("landlord.faults")

_STATUS: Final = {
    "UNAUTHENTICATED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "RATE_LIMITED": 429, "TIMEOUT": 504, "UNAVAILABLE": 503,
}  # fmt: skip
_DOCUMENT: Final = sha256(b"GET /invoices/{id}.pdf").hexdigest()
_AT_ONCE = 2
COST: Final = 100  # points: it takes a core as long as some hundred objects do


class Papers:
    """`press` makes the PDF; `clock` is read once a request."""

    def __init__(
        self, operations: Operations, buckets: Buckets, *, press: Press, clock: Callable[[], datetime]
    ) -> None:
        self._operations = operations
        self._buckets = buckets
        self._press = press
        self._clock = clock
        self._presses = asyncio.Semaphore(_AT_ONCE)  # setting a page takes a whole core for a while, and S3 a thread

    async def answer(self, request: Request) -> Response:
        begun = time.perf_counter()
        origin = origin_of(request, headers_of(request), self._clock())
        facts = _facts(request.path_params["id"])
        answer = Answer(facts=facts)
        response: Response
        try:
            caller = await self._caller(origin, facts)
            answer = replace(answer, caller=caller, spent=await self._charged(origin, caller, facts))
            paper = await self._paper(origin, caller, facts)
            response = await self._pdf(paper)
        except Exception as error:
            code, text = "INTERNAL", "Something went wrong on our side: it is logged under this request's id."
            if isinstance(error, LandlordError):
                code, text = code_of(error), str(error)
            else:
                _log.exception("request %s failed", origin.request_id)
            answer = replace(
                answer, errors=[{"message": text, "extensions": {"code": code, "requestId": origin.request_id}}]
            )
            response = JSONResponse({"errors": answer.errors}, _STATUS.get(code, 500))
            if isinstance(error, RateLimited):
                response.headers["retry-after"] = str(error.seconds)
        if response.status_code == 401:
            response.headers["www-authenticate"] = "Bearer"
        response.headers.update(
            {"cache-control": "no-store", "x-content-type-options": "nosniff", "x-request-id": origin.request_id}
        )
        log(origin, answer, status=response.status_code, begun=begun)
        return response

    async def _caller(self, origin: Origin, facts: Facts) -> Caller:
        """Raises Unauthenticated, RateLimited or Forbidden, once the event of the refusal is written."""
        caller: Caller | None = None
        try:
            caller = await self._operations.caller(origin)
            if caller is None:
                raise Unauthenticated("no credentials")
            if not caller.may(Scope.INVOICES_READ):
                raise Forbidden(Scope.INVOICES_READ)
        except (Unauthenticated, RateLimited, Forbidden) as refusal:
            reason = str(refusal) if isinstance(refusal, Forbidden) else refusal.reason
            await self._operations.refused(origin, caller, facts, code=code_of(refusal), reason=reason)
            raise
        return caller

    async def _charged(self, origin: Origin, caller: Caller, facts: Facts) -> Spent:
        """Raises Overdrawn, once an event says so."""
        try:
            return Spent(COST, self._buckets.take(caller, COST, origin.now))
        except Overdrawn as overdrawn:
            if not overdrawn.told:
                await self._operations.refused(origin, caller, facts, code="RATE_LIMITED", reason=overdrawn.reason)
            raise

    async def _paper(self, origin: Origin, caller: Caller, facts: Facts) -> Paper:
        """Raises NotFound for what this caller does not see, and for a draft."""
        async with self._operations.open(origin, caller, facts) as context:
            found = await invoices.by_ids(context.session, [_id(facts.resource[1])]) if facts.resource else []
            if not found:
                raise NotFound("invoice")
            return await pdf.read(context.session, *found[0].key)

    async def _pdf(self, paper: Paper) -> Response:
        """Raises Unavailable where there is nothing to set it with."""
        try:
            async with self._presses:
                made = await asyncio.to_thread(self._press, paper)
        except (NoCompanyDetails, ModuleNotFoundError) as missing:
            _log.error("no invoice can be set as PDF: %s", missing)
            raise Unavailable(str(missing)) from missing
        named = f'inline; filename="{paper.file_name}"'
        return Response(made, media_type="application/pdf", headers={"content-disposition": named})


def _facts(id: str) -> Facts:
    try:
        _id(id)
    except Invalid:
        resource = None
    else:
        resource = ("Invoice", id)
    return Facts(kind="query", name=None, document=_DOCUMENT, fields=("invoicePdf",), resource=resource)


def _id(id: str) -> UUID:
    return uuid_of("inv", id, ("id",))
