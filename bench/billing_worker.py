"""One worker of `bench.billing_scale`: says `ready`, starts at a line of input, and tells what the work took it."""

import asyncio
import json
import os
import resource
import sys
import time

from app import utc_now
from billing import run
from db.connection import Connections, Role


async def main() -> None:
    connections = Connections({Role.WORKER: os.environ["LANDLORD_WORKER_URL"]})
    async with connections.transaction(Role.WORKER):
        print("ready", flush=True)
    before = time.process_time()
    await asyncio.to_thread(sys.stdin.readline)
    await run.work(connections, clock=utc_now)
    await connections.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": time.process_time() - before, "peak_mb": peak}))


if __name__ == "__main__":
    asyncio.run(main())
