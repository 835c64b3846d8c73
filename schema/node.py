"""Node: what every object with an ID has in common."""

from __future__ import annotations

import strawberry


@strawberry.interface(
    description="""
Anything with an ID. IDs are TypeIDs: a type prefix, an underscore and 26 characters
(`cus_01jd8x...`), sortable by creation time, and safe to log. Prefixes: `cus` Customer, `inv`
Invoice, `pay` Payment, `crn` CreditNote, `run` BillingRun, `syn` UsageSync, `rcd` RateCard,
`tkt` Ticket, `tkc` TicketComment, `ntf` Notification, `whe` WebhookEndpoint, `key` ApiKey,
`evt` AuditEvent. An ID that is no TypeID, or of another type than asked for, is INVALID; a
well-formed one that does not exist, or is not the caller's, is null or NOT_FOUND.
""".strip()
)
class Node:
    id: strawberry.ID = strawberry.field(description="Stays the same, and is nobody else's.")
