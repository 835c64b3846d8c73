"""`make bench`: what docs/performance.md says, and one sentence of the README, measured and written anew.

On an idle machine of two cores it takes a quarter of an hour at most.

    python -m bench [--rounds 9] [--requests 60] [--events 1000 10000 ...] [--page docs/performance.md]
    python -m bench --short            # whether it still runs, in two minutes: nothing is written, and no figure counts

Each part is a program of its own, with options. What a customer costs on AWS is another: `python -m bench.cost`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import authentication, billing, cold_start, comparison, growth, report

ROOT = Path(__file__).parent.parent
PAGE, README = ROOT / "docs" / "performance.md", ROOT / "README.md"


def measure(asked: argparse.Namespace, command: str) -> report.Measured:
    began, load = datetime.now(UTC), os.getloadavg()[0]
    compared = comparison.measure(rounds=asked.rounds, requests=asked.requests)
    cold = cold_start.measure(rounds=asked.rounds, deployed=True)
    pages = growth.pages(growth.PAGES, requests=asked.requests)
    tenants = growth.tenants(asked.tenants, requests=asked.requests)
    at_once = growth.at_once(requests=asked.requests)
    events = growth.events(asked.events, requests=asked.requests)
    billed = [turn for customers in (10, 1000) for turn in billing.measure(customers)]
    authenticated = authentication.measure(2000)
    return report.Measured(
        began,
        (load, os.getloadavg()[0]),
        command,
        compared,
        cold,
        pages,
        tenants,
        at_once,
        events,
        billed,
        authenticated,
    )


def short() -> int:
    """Everything that `measure` runs, with little of each. The exit code: 1 where more of the trail is read as it grows."""
    comparison.measure(rounds=1, requests=5, customers=5, events=600, warm_up=5)
    cold_start.measure(rounds=1, deployed=True)
    growth.pages((1, 10), requests=5)
    growth.tenants((2, 20), requests=5)
    growth.at_once(requests=5)
    trail = growth.events((10_000, 1_000_000), requests=5)
    more = growth.blocks_at_scale(trail)
    print(f"a page of 1,000,000 audit events reads {more:.2f} times the blocks that it reads of 10,000")
    return 0 if more <= growth.AUDIT_GOAL else 1


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=60, help="of each kind in each round")
    parser.add_argument("--events", type=int, nargs="+", default=list(growth.EVENTS), help="10000 among them")
    parser.add_argument("--tenants", type=int, nargs="+", default=list(growth.TENANTS))
    parser.add_argument("--page", type=Path, default=PAGE, help="where it is written; default: docs/performance.md")
    parser.add_argument("--short", action="store_true", help="see whether it still runs, and write nothing")
    asked = parser.parse_args(arguments)
    if asked.short:
        return short()
    command = f"python -m bench {shlex.join(arguments)}" if arguments else "make bench"
    found = measure(asked, command)
    asked.page.write_text(report.page(found))
    sentence = report.sentence(found.compared)
    print(sentence)
    if asked.page == PAGE:
        README.write_text(report.said_anew(README.read_text(), sentence))
    for goal in report.goals(found):
        print(f"{'met' if goal.met else 'MISSED':7}{goal.what}: {goal.found:.2f}, at most {goal.most:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
