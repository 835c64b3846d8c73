"""Customers as clients see them: what they are, what hangs on them, and how operators change them."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

import orjson
import strawberry

from auth.scopes import Scope
from billing import periods
from billing.customers import status_on, tier_on, tier_periods
from billing.failures import NoRateCard
from db import invoices as stored_invoices
from db import rate_cards
from db.customers import CustomerRow, CustomerStatus
from schema import usage as metered
from schema.access import Reads
from schema.context import Info
from schema.enums import TaxStatus, Tier, shown
from schema.errors import UserError
from schema.ids import typeid
from schema.node import Node
from schema.pagination import FIRST_BY_DEFAULT, After, Connection, First
from schema.rate_cards import TierFeatures
from schema.scalars import JSON, Money
from schema.usage import UsageMonth

if TYPE_CHECKING:
    from schema.api_keys import ApiKey
    from schema.audit import AuditEventConnection, AuditFilter
    from schema.invoices import InvoiceConnection, InvoiceFilter
    from schema.notifications import NotificationConnection
    from schema.tickets import TicketConnection, TicketFilter
    from schema.webhooks import WebhookEndpoint

shown(
    CustomerStatus,
    "Whether a customer is served.",
    SUSPENDED="Reads, sessions and billing go on; the tenant's other mutations are refused (ILLEGAL_STATE), operators'"
    " are not.",
    CLOSED="From the closing day on: no access, and no billable day.",
)


@strawberry.type(description="From the first day (inclusive) to the last (exclusive; null while it lasts).")
class TierPeriod:
    tier: Tier = strawberry.field(description="The tier of these days.")
    from_: date = strawberry.field(name="from", description="The first day.")
    to: date | None = strawberry.field(description="The first day of the next period; null while this one lasts.")

    @classmethod
    def of(cls, period: periods.TierPeriod) -> Self:
        return cls(tier=period.tier, from_=period.start, to=period.end)


@strawberry.type(description="A company whose AWS landing zone is run here.")
class Customer(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `cus_`.")
    name: str = strawberry.field(description="The company's name.")
    status: CustomerStatus = strawberry.field(description="Today's.")
    tier: Tier = strawberry.field(description="The tier today; changes planned for later stand in `tierHistory`.")
    tier_history: list[TierPeriod] = strawberry.field(description="Oldest first; neighbours differ in tier.")
    framework: str = strawberry.field(
        description="The compliance framework this landing zone follows, e.g. `CIS`, `SOC2`, `HIPAA`, `FEDRAMP`."
    )
    aws_org_id: str | None = strawberry.field(description="The AWS organization, e.g. `o-a1b2c3d4e5`.")
    aws_account_id: str | None = strawberry.field(description="The management account: 12 digits.")
    email: str = strawberry.field(description="Whom to write to.")
    billing_email: str = strawberry.field(description="Where invoices are sent.")
    mfa_enforced: bool = strawberry.field(description="Whether everyone signs in with a second factor.")
    encryption_required: bool = strawberry.field(description="Whether everything stored must be encrypted.")
    tags: JSON = strawberry.field(description="Labels of any form, kept as they are.")
    custom_config: JSON = strawberry.field(description="Settings of any form, kept as they are.")
    tax_jurisdiction: str = strawberry.field(
        description="ISO 3166 code, with the state where one taxes by itself: `DE`, `US-WA`."
    )
    tax_status: TaxStatus = strawberry.field(description="Whether tax is added to the invoices.")
    invoice_prefix: str = strawberry.field(description="Starts every invoice number of this customer.")
    active_from: date = strawberry.field(description="The first billable day.")
    closed_on: date | None = strawberry.field(description="The first day without service; null while none is named.")
    created_at: datetime = strawberry.field(description="When the customer was entered here.")
    updated_at: datetime = strawberry.field(description="When any of this last changed.")
    customer_id: strawberry.Private[UUID]

    @strawberry.field(description="Of today's tier in today's price list.", extensions=[Reads(None)])
    async def features(self, info: Info) -> TierFeatures:
        today = info.context.now.date()
        for row in await info.context.loaders.many(rate_cards.tiers_on, today, by="day"):
            if row.tier == self.tier:
                return TierFeatures.of(row)
        raise NoRateCard(today)

    @strawberry.field(
        description="Newest month first, each in its newest revision; a month without any is left out. At most 36"
        " months; the last 12 when no range is given: this month and the eleven before it.",
        extensions=[Reads(Scope.USAGE_READ)],
    )
    async def usage(self, info: Info, from_: metered.From = None, to: metered.To = None) -> list[UsageMonth]:
        return await metered.of_customer(info, self.customer_id, from_, to)

    @strawberry.field(
        description="Tenants see invoices that have a number; drafts are for operators.",
        extensions=[Reads(Scope.INVOICES_READ)],
    )
    async def invoices(
        self,
        info: Info,
        first: First = FIRST_BY_DEFAULT,
        after: After = None,
        filter: Annotated[InvoiceFilter, strawberry.lazy("schema.invoices")] | None = None,
    ) -> Annotated[InvoiceConnection, strawberry.lazy("schema.invoices")]:
        from schema import invoices

        return await invoices.connection(info, self.customer_id, first=first, after=after, filter=filter)

    @strawberry.field(description="Support tickets.", extensions=[Reads(Scope.TICKETS_READ)])
    async def tickets(
        self,
        info: Info,
        first: First = FIRST_BY_DEFAULT,
        after: After = None,
        filter: Annotated[TicketFilter, strawberry.lazy("schema.tickets")] | None = None,
    ) -> Annotated[TicketConnection, strawberry.lazy("schema.tickets")]:
        from schema import tickets

        return await tickets.of_customer(info, self.customer_id, first=first, after=after, filter=filter)

    @strawberry.field(description="What was sent to this customer.", extensions=[Reads(Scope.NOTIFICATIONS_READ)])
    async def notifications(
        self, info: Info, first: First = FIRST_BY_DEFAULT, after: After = None
    ) -> Annotated[NotificationConnection, strawberry.lazy("schema.notifications")]:
        from schema import notifications

        return await notifications.of_customer(info, self.customer_id, first=first, after=after)

    @strawberry.field(
        description="Newest first: those that work (at most 50) and those that ended in the last 30 days, of these the newest 1000.",
        extensions=[Reads(Scope.KEYS_READ)],
    )
    async def api_keys(self, info: Info) -> list[Annotated[ApiKey, strawberry.lazy("schema.api_keys")]]:
        from schema import api_keys

        return await api_keys.of_customer(info, self.customer_id)

    @strawberry.field(description="At most 20.", extensions=[Reads(Scope.WEBHOOKS_READ)])
    async def webhook_endpoints(
        self, info: Info
    ) -> list[Annotated[WebhookEndpoint, strawberry.lazy("schema.webhooks")]]:
        from schema import webhooks

        return await webhooks.of_customer(info, self.customer_id)

    @strawberry.field(description="The audit trail of this customer.", extensions=[Reads(Scope.AUDIT_READ)])
    async def audit_events(
        self,
        info: Info,
        first: Annotated[
            int | None, strawberry.argument(description="How many, 1 to 500; null is 20.")
        ] = FIRST_BY_DEFAULT,
        after: After = None,
        filter: Annotated[AuditFilter, strawberry.lazy("schema.audit")] | None = None,
    ) -> Annotated[AuditEventConnection, strawberry.lazy("schema.audit")]:
        from schema import audit

        return await audit.of_customer(info, self.customer_id, first=first, after=after, filter=filter)

    @strawberry.field(
        description="The sum of `amountDue` of all invoices, less the credit that no invoice has taken up yet; negative"
        " when credit is left.",
        extensions=[Reads(Scope.INVOICES_READ)],
    )
    async def balance_due(self, info: Info) -> Money:
        row = await info.context.loaders.one(stored_invoices.balances, self.customer_id)
        return Money(0 if row is None else row.balance)

    @classmethod
    def of(cls, row: CustomerRow, *, today: date) -> Self:
        return cls(
            id=typeid("cus", row.id),
            name=row.name,
            status=status_on(row, today),
            tier=tier_on(row, today),
            tier_history=[TierPeriod.of(period) for period in tier_periods(row)],
            framework=row.framework,
            aws_org_id=row.aws_org_id,
            aws_account_id=row.aws_account_id,
            email=row.email,
            billing_email=row.billing_email,
            mfa_enforced=row.mfa_enforced,
            encryption_required=row.encryption_required,
            tags=orjson.loads(row.tags),
            custom_config=orjson.loads(row.custom_config),
            tax_jurisdiction=row.tax_jurisdiction,
            tax_status=TaxStatus(row.tax_status),
            invoice_prefix=row.invoice_prefix,
            active_from=row.active_from,
            closed_on=row.closed_on,
            created_at=row.created_at,
            updated_at=row.updated_at,
            customer_id=row.id,
        )


@strawberry.type(description="Customers, newest first.")
class CustomerConnection(Connection[Customer]):
    pass


@strawberry.input(description="Which customers: those that fit all that is given.")
class CustomerFilter:
    tier: Tier | None = strawberry.field(default=strawberry.UNSET, description="The tier today.")
    status: CustomerStatus | None = strawberry.field(default=strawberry.UNSET, description="The status today.")
    search: str | None = strawberry.field(
        default=strawberry.UNSET, description="Case-insensitive part of the name or e-mail."
    )


@strawberry.input(description="A new customer.")
class CreateCustomerInput:
    name: str = strawberry.field(description="1 to 200 characters.")
    tier: Tier = strawberry.field(description="The tier to begin with.")
    framework: str = strawberry.field(
        default="CIS", description="The compliance framework, e.g. `CIS`, `SOC2`, `HIPAA`, `FEDRAMP`."
    )
    email: str = strawberry.field(description="Whom to write to.")
    billing_email: str | None = strawberry.field(default=strawberry.UNSET, description="As `email` when left out.")
    aws_org_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="The AWS organization, e.g. `o-a1b2c3d4e5`."
    )
    aws_account_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="The management account: 12 digits."
    )
    mfa_enforced: bool = strawberry.field(default=True, description="Whether everyone signs in with a second factor.")
    encryption_required: bool = strawberry.field(
        default=True, description="Whether everything stored must be encrypted."
    )
    tags: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="Labels of any form; `{}` when left out."
    )
    custom_config: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="Settings of any form; `{}` when left out."
    )
    tax_jurisdiction: str = strawberry.field(
        default="US-DE", description="ISO 3166 code, with the state where one taxes by itself: `DE`, `US-WA`."
    )
    tax_status: TaxStatus = strawberry.field(
        default=TaxStatus.TAXABLE, description="Whether tax is added to the invoices."
    )
    active_from: date | None = strawberry.field(
        default=strawberry.UNSET, description="The first billable day. Today when left out."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Sent again with the same key, the customer is made once and answered twice.",
    )

    def profile(self) -> dict[str, Any]:
        """By the names of `db.customers.Profile`; None for what is left out."""
        apart = ("tier", "active_from", "idempotency_key")
        given = ((field.name, getattr(self, field.name)) for field in fields(self) if field.name not in apart)
        return {name: None if value is strawberry.UNSET else value for name, value in given}


@strawberry.input(
    description="What is left out stays as it is. Null clears `awsOrgId` and `awsAccountId`, and is INVALID elsewhere."
)
class UpdateCustomerInput:
    id: strawberry.ID = strawberry.field(description="Which customer.")
    name: str | None = strawberry.field(default=strawberry.UNSET, description="1 to 200 characters.")
    framework: str | None = strawberry.field(default=strawberry.UNSET, description="1 to 50 characters.")
    email: str | None = strawberry.field(default=strawberry.UNSET, description="Whom to write to.")
    billing_email: str | None = strawberry.field(default=strawberry.UNSET, description="Where invoices are sent.")
    aws_org_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="The AWS organization, e.g. `o-a1b2c3d4e5`."
    )
    aws_account_id: str | None = strawberry.field(
        default=strawberry.UNSET, description="The management account: 12 digits."
    )
    mfa_enforced: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether everyone signs in with a second factor."
    )
    encryption_required: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether everything stored must be encrypted."
    )
    tags: JSON | None = strawberry.field(default=strawberry.UNSET, description="Labels of any form, as a whole.")
    custom_config: JSON | None = strawberry.field(
        default=strawberry.UNSET, description="Settings of any form, as a whole."
    )
    tax_jurisdiction: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="ISO 3166 code, with the state where one taxes by itself. Counts from the next draft on.",
    )
    tax_status: TaxStatus | None = strawberry.field(
        default=strawberry.UNSET, description="Whether tax is added to the invoices. Counts from the next draft on."
    )

    def changes(self) -> dict[str, Any]:
        """What is given, by the names of `db.customers.Profile`."""
        given = ((field.name, getattr(self, field.name)) for field in fields(self) if field.name != "id")
        return {name: value for name, value in given if value is not strawberry.UNSET}


@strawberry.input(description="Another tier from a day on.")
class ChangeTierInput:
    id: strawberry.ID = strawberry.field(description="Which customer.")
    tier: Tier = strawberry.field(description="The new tier.")
    effective_on: date | None = strawberry.field(
        default=strawberry.UNSET,
        description="First day of the new tier; today when left out. After the last month with an issued invoice.",
    )


@strawberry.input(description="A customer, and why.")
class CustomerStateInput:
    id: strawberry.ID = strawberry.field(description="Which customer.")
    reason: str = strawberry.field(description="Why, in a line of 1 to 500 characters.")


@strawberry.input(description="A customer that leaves for good.")
class CloseCustomerInput:
    id: strawberry.ID = strawberry.field(description="Which customer.")
    reason: str = strawberry.field(description="Why, in a line of 1 to 500 characters.")
    closed_on: date | None = strawberry.field(
        default=strawberry.UNSET,
        description="First day without service; today when left out. After the last month with an issued invoice.",
    )


@strawberry.type(description="What a change of a customer answers.")
class CustomerPayload:
    customer: Customer | None = strawberry.field(
        description="The customer as it is now; null where nothing was changed for a refusal."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")
