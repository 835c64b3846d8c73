"""The Lambda entry points, thin: `api` answers API Gateway, `billing_worker` bills what is queued."""

from __future__ import annotations

import asyncio
from typing import Any

from mangum import Mangum

from app import Settings, create_app, utc_now
from billing import run
from db.connection import Connections, Role

_settings = Settings.from_env()

# Nothing is opened here: the first request opens the connection that the sandbox then holds.
api = Mangum(
    create_app(_settings),
    lifespan="off",
    text_mime_types=["application/graphql-response+json", "application/json", "text/", "image/svg+xml"],
)


def billing_worker(event: dict[str, Any], context: object) -> dict[str, str]:
    """Work off every unfinished run, together with whoever else does; safe to call at any time, and as often as one likes."""

    async def work() -> None:
        connections = Connections({Role.WORKER: _settings.worker_url}, pooled=_settings.pooled)
        try:
            await run.work(connections, clock=utc_now)
        finally:
            await connections.close()

    asyncio.run(work())
    return {"status": "done"}
