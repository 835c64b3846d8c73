"""The scopes: what each one opens, which others it holds, and which are for operators' keys alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from db.errors import Forbidden, Invalid


class Scope(StrEnum):
    CUSTOMERS_READ = "customers:read"
    USAGE_READ = "usage:read"
    INVOICES_READ = "invoices:read"
    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    NOTIFICATIONS_READ = "notifications:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    AUDIT_READ = "audit:read"
    CUSTOMERS_WRITE = "customers:write"
    USAGE_WRITE = "usage:write"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    NOTIFICATIONS_WRITE = "notifications:write"
    READ = "read"
    WRITE = "write"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Meaning:
    """`holds` are the scopes that come with this one, and theirs in turn."""

    allows: str
    holds: tuple[Scope, ...] = ()
    operators: bool = False


MEANINGS: dict[Scope, Meaning] = {
    Scope.CUSTOMERS_READ: Meaning("`customer`, `customers`, and edges to a customer"),
    Scope.USAGE_READ: Meaning("`usage`, `invoicePreview`"),
    Scope.INVOICES_READ: Meaning("invoices with their lines, payments, credit notes and PDF"),
    Scope.TICKETS_READ: Meaning("tickets and their comments"),
    Scope.TICKETS_WRITE: Meaning("open, comment on and update tickets", (Scope.TICKETS_READ,)),
    Scope.NOTIFICATIONS_READ: Meaning("notifications"),
    Scope.WEBHOOKS_READ: Meaning("webhook endpoints"),
    Scope.WEBHOOKS_WRITE: Meaning("create and delete webhook endpoints", (Scope.WEBHOOKS_READ,)),
    Scope.KEYS_READ: Meaning("API keys, never their secrets"),
    Scope.KEYS_WRITE: Meaning(
        "create API keys (only with scopes that the caller has), rotate and revoke them", (Scope.KEYS_READ,)
    ),
    Scope.AUDIT_READ: Meaning("the audit trail"),
    Scope.CUSTOMERS_WRITE: Meaning(
        "create and update customers, change their tier, suspend, reinstate and close them",
        (Scope.CUSTOMERS_READ,),
        operators=True,
    ),
    Scope.USAGE_WRITE: Meaning("`recordUsage`, `syncUsage`, `usageSync`", (Scope.USAGE_READ,), operators=True),
    Scope.BILLING_READ: Meaning("`billingRun`, `billingRuns`, an invoice's `recomputation`", operators=True),
    Scope.BILLING_WRITE: Meaning(
        "`runBilling`; issue and cancel invoices, record payments, issue credit notes; add price lists",
        (Scope.BILLING_READ, Scope.INVOICES_READ),
        operators=True,
    ),
    Scope.NOTIFICATIONS_WRITE: Meaning("`sendNotification`", (Scope.NOTIFICATIONS_READ,), operators=True),
    Scope.READ: Meaning(
        "every `:read` that is not for operators",
        (
            Scope.CUSTOMERS_READ,
            Scope.USAGE_READ,
            Scope.INVOICES_READ,
            Scope.TICKETS_READ,
            Scope.NOTIFICATIONS_READ,
            Scope.WEBHOOKS_READ,
            Scope.KEYS_READ,
            Scope.AUDIT_READ,
        ),
    ),
    Scope.WRITE: Meaning(
        "`read`, and every `:write` that is not for operators",
        (Scope.READ, Scope.TICKETS_WRITE, Scope.WEBHOOKS_WRITE, Scope.KEYS_WRITE),
    ),
    Scope.OPERATOR: Meaning("everything", tuple(Scope), operators=True),
}

OPERATOR_ONLY: frozenset[Scope] = frozenset(scope for scope, meaning in MEANINGS.items() if meaning.operators)


def _closure(scope: Scope) -> frozenset[Scope]:
    found: set[Scope] = set()
    ahead = [scope]
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead.extend(MEANINGS[one].holds)
    return frozenset(found)


_HELD: dict[str, frozenset[Scope]] = {scope.value: _closure(scope) for scope in Scope}


def expand(granted: Iterable[str]) -> frozenset[Scope]:
    """These scopes and all that they hold. A name that is no scope of ours (any more) opens nothing."""
    return frozenset[Scope]().union(*(_HELD.get(name, frozenset()) for name in granted))


def parse(names: Sequence[str], *, operator: bool, field: Sequence[str] | None = None) -> list[Scope]:
    """The scopes asked for a key, each once, in the order of the table; `operator` is whether the key is an operator's.

    Raises Invalid for none at all or an unknown one, Forbidden for an operators' scope on a customer's key.
    """
    if not names:
        raise Invalid("Name at least one scope.", field=field)
    known = set(Scope)
    for name in names:
        if name not in known:
            raise Invalid(f"`{name[:40]}` is no scope. There are: {', '.join(Scope)}.", field=field)
    wanted = [scope for scope in Scope if scope in names]
    for scope in wanted:
        if scope in OPERATOR_ONLY and not operator:
            raise Forbidden(scope, f"The scope `{scope}` goes to operators' keys alone.")
    return wanted


def describe() -> str:
    """The whole table in Markdown, for the documentation."""
    rows = [
        f"| `{scope}`{' (operators)' if meaning.operators else ''} | {meaning.allows} |"
        for scope, meaning in MEANINGS.items()
    ]
    return "\n".join(["| scope | allows |", "| --- | --- |", *rows]) + "\n"
