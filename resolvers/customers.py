"""Root fields about customers, and about who is asking."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import strawberry

from auth.scopes import Scope
from billing import customers as rules
from db import customers as stored
from db.audit import AuditAction
from db.customers import CustomerRow
from resolvers.access import Writes
from schema.access import Reads
from schema.context import Info
from schema.customers import (
    ChangeTierInput,
    CloseCustomerInput,
    CreateCustomerInput,
    Customer,
    CustomerConnection,
    CustomerFilter,
    CustomerPayload,
    CustomerStateInput,
    UpdateCustomerInput,
)
from schema.ids import uuid_of
from schema.pagination import FIRST_BY_DEFAULT, After, First, window
from schema.viewer import Viewer

Id = Annotated[strawberry.ID | None, strawberry.argument(description="Which customer, by its ID.")]


@strawberry.type
class CustomerQueries:
    @strawberry.field(description="Who is asking, and with which scopes.", extensions=[Reads(None)])
    async def viewer(self, info: Info) -> Viewer:
        return Viewer.of(info.context.caller)

    @strawberry.field(
        description="The caller's own customer when `id` is left out; null for an operator who names none.",
        extensions=[Reads(Scope.CUSTOMERS_READ)],
    )
    async def customer(self, info: Info, id: Id = None) -> Customer | None:
        customer_id = info.context.caller.customer_id if id is None else uuid_of("cus", id, ("id",))
        if customer_id is None:
            return None
        row = await info.context.loaders.one(stored.by_ids, customer_id)
        return None if row is None else _shown(info, row)

    @strawberry.field(
        description="A tenant finds itself alone here; an operator finds everyone.",
        extensions=[Reads(Scope.CUSTOMERS_READ)],
    )
    async def customers(
        self,
        info: Info,
        first: First = FIRST_BY_DEFAULT,
        after: After = None,
        filter: CustomerFilter | None = None,
    ) -> CustomerConnection:
        wanted = filter or CustomerFilter()
        part = window("customers", first=first, after=after, filter=filter)
        page = await stored.page(
            info.context.session,
            today=info.context.now.date(),
            first=part.first,
            after=part.after,
            tier=wanted.tier or None,
            status=wanted.status or None,
            search=wanted.search or None,
        )
        return CustomerConnection.of(page, part, lambda row: _shown(info, row))


@strawberry.type
class CustomerMutations:
    @strawberry.mutation(
        description="Operators only. Enter a new customer, with the tier that it begins with.",
        extensions=[Writes(Scope.CUSTOMERS_WRITE, event="customer.created", action=AuditAction.CREATE)],
    )
    async def create_customer(self, info: Info, input: CreateCustomerInput) -> CustomerPayload:
        context = info.context
        row = await rules.create(
            context.session, input.profile(), tier=input.tier, active_from=input.active_from or None, now=context.now
        )
        return _payload(info, row)

    @strawberry.mutation(
        description="Operators only. Change what is given, and nothing else.",
        extensions=[Writes(Scope.CUSTOMERS_WRITE, event="customer.updated", action=AuditAction.UPDATE)],
    )
    async def update_customer(self, info: Info, input: UpdateCustomerInput) -> CustomerPayload:
        context = info.context
        row = await rules.update(context.session, _id(input.id), input.changes(), now=context.now)
        return _payload(info, row)

    @strawberry.mutation(
        description="Operators only. Replaces what was planned from that day on. The tier that it has on that day"
        " already: nothing changes.",
        extensions=[Writes(Scope.CUSTOMERS_WRITE, event="customer.tier_changed", action=AuditAction.UPDATE)],
    )
    async def change_tier(self, info: Info, input: ChangeTierInput) -> CustomerPayload:
        context = info.context
        row = await rules.change_tier(
            context.session, _id(input.id), input.tier, effective_on=input.effective_on or None, now=context.now
        )
        return _payload(info, row)

    @strawberry.mutation(
        description="Operators only. Refuse the tenant's mutations until it is reinstated; its sessions end, and it can"
        " open new ones to read.",
        extensions=[Writes(Scope.CUSTOMERS_WRITE, event="customer.suspended", action=AuditAction.UPDATE)],
    )
    async def suspend_customer(self, info: Info, input: CustomerStateInput) -> CustomerPayload:
        context = info.context
        row = await rules.suspend(context.session, _id(input.id), reason=input.reason, now=context.now)
        return _payload(info, row)

    @strawberry.mutation(
        description="Operators only. End a suspension.",
        extensions=[Writes(Scope.CUSTOMERS_WRITE, event="customer.reinstated", action=AuditAction.UPDATE)],
    )
    async def reinstate_customer(self, info: Info, input: CustomerStateInput) -> CustomerPayload:
        context = info.context
        row = await rules.reinstate(context.session, _id(input.id), reason=input.reason, now=context.now)
        return _payload(info, row)

    @strawberry.mutation(
        description="Operators only. For good: from the closing day on there is no access and no billable day.",
        extensions=[Writes(Scope.CUSTOMERS_WRITE, event="customer.closed", action=AuditAction.UPDATE)],
    )
    async def close_customer(self, info: Info, input: CloseCustomerInput) -> CustomerPayload:
        context = info.context
        row = await rules.close(
            context.session, _id(input.id), reason=input.reason, closed_on=input.closed_on or None, now=context.now
        )
        return _payload(info, row)


def _id(text: strawberry.ID) -> UUID:
    return uuid_of("cus", text, ("input", "id"))


def _shown(info: Info, row: CustomerRow) -> Customer:
    return Customer.of(row, today=info.context.now.date())


def _payload(info: Info, row: CustomerRow) -> CustomerPayload:
    return CustomerPayload(customer=_shown(info, row))
