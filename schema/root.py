"""The whole API on one page: Query, Mutation and the schema. The one module of `schema/` that knows the resolvers."""

from __future__ import annotations

import strawberry

from resolvers.api_keys import ApiKeyMutations, ApiKeyQueries
from resolvers.audit import AuditQueries
from resolvers.billing_runs import BillingRunMutations, BillingRunQueries
from resolvers.customers import CustomerMutations, CustomerQueries
from resolvers.execution import new_schema
from resolvers.invoices import InvoiceMutations, InvoiceQueries
from resolvers.node import NodeQueries
from resolvers.notifications import NotificationMutations
from resolvers.rate_cards import RateCardMutations, RateCardQueries
from resolvers.sessions import SessionMutations
from resolvers.tickets import TicketMutations, TicketQueries
from resolvers.usage import UsageMutations, UsageQueries
from resolvers.usage_syncs import UsageSyncMutations, UsageSyncQueries
from resolvers.webhooks import WebhookMutations


@strawberry.type(description="What can be read. A tenant sees its own customer alone; an operator every one.")
class Query(
    CustomerQueries,
    NodeQueries,
    UsageQueries,
    UsageSyncQueries,
    InvoiceQueries,
    BillingRunQueries,
    TicketQueries,
    AuditQueries,
    ApiKeyQueries,
    RateCardQueries,
):
    pass


@strawberry.type(
    description="What can be done. A refusal that the caller can act on is in the payload's `errors`, and nothing was done."
)
class Mutation(
    SessionMutations,
    ApiKeyMutations,
    CustomerMutations,
    UsageMutations,
    UsageSyncMutations,
    BillingRunMutations,
    InvoiceMutations,
    RateCardMutations,
    TicketMutations,
    NotificationMutations,
    WebhookMutations,
):
    pass


_DESCRIPTION = """
The back office of managed AWS landing zones: what a customer uses, owes and asks for, and the trail of who did what.

What holds everywhere:

- Money and other decimals are strings, and so are integers beyond 32 bits: nothing is rounded on the way. Months, days and instants
  are UTC.
- Connections are newest first, by creation and then ID. `first` is 1 to 100, to 500 for `auditEvents`; without it there are 20.
  `totalCount` is counted only when it is selected, and stops at 10000.
- A range of months in an argument includes both ends; one of instants is `[since, until)`.
- Filters and arguments narrow what the caller may see, and never widen it. A list of customers that is given and empty is INVALID,
  never everyone.
- In an update an absent field stays as it is. Null clears it where the object's field may be null, and is INVALID elsewhere.
- A mutation with an `idempotencyKey` can be sent again: it is done once, and answered alike.
- A refusal that the caller can act on is in the payload's `errors`, with a `code` to decide by. Everything else is an error of GraphQL
  with `extensions.code` and `extensions.requestId`.
"""

schema = new_schema(Query, Mutation, description=_DESCRIPTION.strip())
