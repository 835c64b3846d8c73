"""`landlord usage`: what was metered, read from CloudWatch and stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from billing.periods import Month
from cli import api, show
from cli.api import Api, Refused
from cli.months import MONTH
from cli.work import Work, pages, watch

_START = """
    mutation Sync($input: SyncUsageInput!) {
        syncUsage(input: $input) { usageSync { id } errors { message } }
    }
"""
_LOOK = """
    query Look($id: ID!) {
        usageSync(id: $id) {
            id month status failedReason customersTotal customersUpdated customersUnchanged createdAt startedAt finishedAt
            missing(first: 1) { totalCount } failures(first: 1) { totalCount }
        }
    }
"""
_MISSING = """
    query Missing($id: ID!, $after: String) {
        usageSync(id: $id) { list: missing(first: 100, after: $after) { nodes { id name } pageInfo { hasNextPage endCursor } } }
    }
"""
_FAILURES = """
    query Failures($id: ID!, $after: String) {
        usageSync(id: $id) {
            list: failures(first: 100, after: $after) {
                nodes { code reason customer { id name } } pageInfo { hasNextPage endCursor }
            }
        }
    }
"""


@click.group()
def usage() -> None:
    """What was metered."""


@usage.command()
@click.argument("month", type=MONTH, required=False)
@click.option(
    "--customer", "customers", multiple=True, metavar="ID", help="Only this customer; may be given repeatedly."
)
@click.option(
    "--sync", "sync_id", metavar="ID", help="Look at a sync that was started before, instead of starting one."
)
@show.as_json
def sync(month: Month | None, customers: tuple[str, ...], sync_id: str | None, as_json: bool) -> None:
    """Read MONTH (2026-10) from CloudWatch and store it.

    A customer of whom CloudWatch has nothing is named, and never taken as zero. Ends with 1 where somebody is missing or
    could not be read. Ctrl-C leaves the sync going.
    """
    if (month is None) == (sync_id is None) or (sync_id and customers):
        raise click.UsageError(
            "Name the month to read, or a sync to look at with --sync, and nothing else beside that."
        )
    with api.connected() as asked:
        if sync_id is None:
            input = {"month": str(month), "customerIds": list(customers) or None}
            sync_id = str(asked.change(_START, input=input)["usageSync"]["id"])
        found = _watched(asked, sync_id)
    if as_json:
        show.in_json(found)
    else:
        _tell(found)
    if found["missing"] or found["failures"] or found["status"] != "COMPLETED":
        raise SystemExit(1)


def _watched(asked: Api, sync_id: str) -> dict[str, Any]:
    """The finished sync, with everyone who is missing or failed."""

    def look() -> dict[str, Any]:
        found: dict[str, Any] | None = asked.ask(_LOOK, id=sync_id)["usageSync"]
        if found is None:
            raise Refused(f"There is no usage sync {sync_id}.")
        return found

    def done(found: dict[str, Any]) -> int:
        counted = int(found["customersUpdated"]) + int(found["customersUnchanged"])
        return counted + int(found["missing"]["totalCount"]) + int(found["failures"]["totalCount"])

    def total(found: dict[str, Any]) -> int:
        return int(found["customersTotal"])

    def part(document: str) -> Callable[[str | None], dict[str, Any]]:
        return lambda after: dict(asked.ask(document, id=sync_id, after=after)["usageSync"]["list"])

    found = watch(Work("Reading", look, done, total, again=f"landlord usage sync --sync {sync_id}"))
    return found | {"missing": pages(part(_MISSING)), "failures": pages(part(_FAILURES))}


def _tell(found: dict[str, Any]) -> None:
    click.echo(f"{found['id']}: {found['month']}, {_ENDED[found['status']]}")
    if found["failedReason"]:
        click.echo(found["failedReason"])
    click.echo()
    counts = [
        ("read", found["customersTotal"]),
        ("updated", found["customersUpdated"]),
        ("unchanged", found["customersUnchanged"]),
        ("missing", len(found["missing"])),
        ("failed", len(found["failures"])),
    ]
    show.table("customers", ("", "right"), rows=[[name, f"{count:,}"] for name, count in counts])
    if found["missing"]:
        click.echo()
        show.table("CloudWatch has nothing of", "", rows=[[one["name"], one["id"]] for one in found["missing"]])
    if found["failures"]:
        click.echo()
        show.failures(found["failures"])


_ENDED = {
    "COMPLETED": "completed.",
    "COMPLETED_WITH_FAILURES": "completed, but for the customers below: sync it again once that is mended.",
    "FAILED": "broken off. What it had done stands: sync it again.",
}
