"""`landlord bill`: a month's billing run, started, watched, and what became of it."""

from __future__ import annotations

from typing import Any

import click

from billing.periods import Month
from cli import api, show
from cli.api import Api, Refused
from cli.months import MONTH
from cli.work import Work, pages, watch

_START = """
    mutation Bill($input: RunBillingInput!) {
        runBilling(input: $input) { billingRun { id } errors { message } }
    }
"""
_LOOK = """
    query Run($id: ID!) {
        billingRun(id: $id) {
            id month status dryRun issue customersTotal invoicesCreated invoicesRecomputed invoicesSkipped invoicesIssued
            totalAmount createdAt startedAt finishedAt failures(first: 1) { totalCount }
        }
    }
"""
_FAILURES = """
    query Failures($id: ID!, $after: String) {
        billingRun(id: $id) {
            failures(first: 100, after: $after) {
                nodes { code reason customer { id name } } pageInfo { hasNextPage endCursor }
            }
        }
    }
"""
_CURRENCY = "query Currency($day: Date!) { rateCard(on: $day) { currency } }"

# Of these every customer of a finished run is counted once, or it failed.
_COUNTED = ("invoicesCreated", "invoicesRecomputed", "invoicesSkipped")


@click.command()
@click.argument("month", type=MONTH, required=False)
@click.option("--issue", is_flag=True, help="Issue what is drafted, drafts of earlier runs included.")
@click.option(
    "--dry-run", is_flag=True, help="Compute and total, store no invoice; works for a month that goes on, too."
)
@click.option(
    "--customer", "customers", multiple=True, metavar="ID", help="Only this customer; may be given repeatedly."
)
@click.option("--idempotency-key", metavar="KEY", help="The same run asked for again under it is started once.")
@click.option("--run", "run_id", metavar="ID", help="Look at a run that was started before, instead of starting one.")
@show.as_json
def bill(
    month: Month | None,
    issue: bool,
    dry_run: bool,
    customers: tuple[str, ...],
    idempotency_key: str | None,
    run_id: str | None,
    as_json: bool,
) -> None:
    """Draft an invoice for every customer billable in MONTH (2026-10), and issue it with --issue.

    Safe to repeat: nobody gets a second invoice. Ends with 1 where a customer could not be billed; each is named. Ctrl-C
    leaves the run going.
    """
    if (month is None) == (run_id is None) or (run_id and (issue or dry_run or customers or idempotency_key)):
        raise click.UsageError("Name the month to bill, or a run to look at with --run, and nothing else beside that.")
    with api.connected() as asked:
        if run_id is None:
            input = {
                "month": str(month),
                "issue": issue,
                "dryRun": dry_run,
                "customerIds": list(customers) or None,
                "idempotencyKey": idempotency_key,
            }
            run_id = str(asked.change(_START, input=input)["billingRun"]["id"])
        run = _watched(asked, run_id)
        currency = asked.ask(_CURRENCY, day=f"{run['month']}-01")["rateCard"]
    failures = run["failures"]
    if as_json:
        show.in_json(run)
    else:
        _tell(run, "" if currency is None else f" {currency['currency']}")
    if failures or run["status"] != "COMPLETED":
        raise SystemExit(1)


def _watched(asked: Api, run_id: str) -> dict[str, Any]:
    """The finished run, with every failure."""

    def look() -> dict[str, Any]:
        run: dict[str, Any] | None = asked.ask(_LOOK, id=run_id)["billingRun"]
        if run is None:
            raise Refused(f"There is no billing run {run_id}.")
        return run

    def done(run: dict[str, Any]) -> int:
        return sum(int(run[name]) for name in _COUNTED) + int(run["failures"]["totalCount"])

    def total(run: dict[str, Any]) -> int:
        return int(run["customersTotal"])

    run = watch(Work("Billing", look, done, total, again=f"landlord bill --run {run_id}"))
    run["failures"] = pages(lambda after: dict(asked.ask(_FAILURES, id=run_id, after=after)["billingRun"]["failures"]))
    return run


def _tell(run: dict[str, Any], currency: str) -> None:
    failures = run["failures"]
    click.echo(f"{run['id']}: {run['month']}, {'a dry run, ' if run['dryRun'] else ''}{_ENDED[run['status']]}")
    click.echo()
    counts = [
        ("customers", run["customersTotal"]),
        ("created", run["invoicesCreated"]),
        ("recomputed", run["invoicesRecomputed"]),
        ("issued, of these", run["invoicesIssued"]),
        ("skipped, issued before", run["invoicesSkipped"]),
        ("failed", len(failures)),
    ]
    rows = [[name, f"{count:,}"] for name, count in counts]
    show.table("invoices", ("", "right"), rows=[*rows, ["total", show.amount(run["totalAmount"]) + currency]])
    if failures:
        click.echo()
        show.failures(failures)


_ENDED = {
    "COMPLETED": "completed.",
    "COMPLETED_WITH_FAILURES": "completed, but for the customers below: run it again once that is mended.",
    "FAILED": "broken off. What it had done stands: run it again.",
}
