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


schema = new_schema(Query, Mutation)
