"""A worker to be killed: `python -m tests.usage.syncing_worker SYNC METER_URL` reads that sync of the database in the
environment, again and again, with a clock that runs fast."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from billing import usage_sync
from billing.cloudwatch import CloudWatch
from db.billing_runs import EVERYONE
from db.connection import Connections, Role

HURRY = 600  # seconds of the clock in one: a lease that a killed worker held ends soon
BATCH = 5


def clock() -> datetime:
    return datetime(2030, 1, 1, tzinfo=UTC) + timedelta(seconds=HURRY * (time.time() % 10**6))


async def main(sync_id: UUID, url: str) -> None:
    pooled = os.environ.get("LANDLORD_POOLED") == "true"
    connections = Connections({Role.WORKER: os.environ["LANDLORD_WORKER_URL"]}, pooled=pooled)
    read = CloudWatch(url).read
    while True:
        await usage_sync.work_share(
            connections, sync_id, within=EVERYONE, read=read, clock=clock, batch=BATCH
        )  # until somebody kills us
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(UUID(sys.argv[1]), sys.argv[2]))
