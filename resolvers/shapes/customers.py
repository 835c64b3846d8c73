"""Customers as known documents read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from billing.customers import status_on, tier_on, tier_periods
from billing.failures import NoRateCard
from db import customers, invoices, rate_cards
from db.customers import CustomerRow
from db.session import Asked
from resolvers.shapes import (
    Edge,
    Shape,
    derived,
    id_of,
    names,
)
from schema.context import Context
from schema.ids import uuid_of


async def _histories(context: Context, rows: Sequence[CustomerRow]) -> Sequence[Any]:
    return [tier_periods(row) for row in rows]


async def _features(context: Context, rows: Sequence[CustomerRow]) -> Sequence[Any]:
    """Raises NoRateCard."""
    by_tier = {one.tier: one for one in await rate_cards.tiers_on(context.session, [context.today])}
    try:
        return [by_tier[tier_on(row, context.today)] for row in rows]
    except KeyError:
        raise NoRateCard(context.today) from None


async def _balances(context: Context, rows: Sequence[CustomerRow]) -> Sequence[Any]:
    found = {one.id: one.balance for one in await invoices.balances(context.session, list({row.id for row in rows}))}
    return [found.get(row.id, 0) for row in rows]


async def customer_of_caller(
    context: Context, parents: Sequence[None], id: str | None = None, row: Asked[CustomerRow] = CustomerRow
) -> Sequence[Any]:
    asked = context.caller.customer_id if id is None else uuid_of("cus", id, ("id",))
    found = [] if asked is None else await customers.by_ids(context.session, [asked], row=row)
    return found or [None]


_TIER_PERIOD = Shape(
    plain=names("tier"),
    derived={"from_": derived(lambda one, _: one.start, "start"), "to": derived(lambda one, _: one.end, "end")},
)
_FEATURES = Shape(
    plain=names(
        "tier base_price max_accounts max_regions sso_users_limit custom_scps priority_support compliance_reports"
        " cost_analytics multi_region break_glass_role"
    )
)
_CUSTOMER = Shape(
    plain=names(
        "name framework aws_org_id aws_account_id email billing_email mfa_enforced encryption_required tax_jurisdiction"
        " tax_status invoice_prefix active_from closed_on created_at updated_at"
    ),
    derived={
        "id": id_of("cus"),
        "status": derived(lambda row, context: status_on(row, context.today), "closed_on suspended_at"),
        "tier": derived(lambda row, context: tier_on(row, context.today), "begun"),
        "tags": derived(lambda row, _: orjson.loads(row.tags), "tags"),
        "custom_config": derived(lambda row, _: orjson.loads(row.custom_config), "custom_config"),
    },
    edges={
        "tier_history": Edge("many", _histories, "TierPeriod", reads=names("begun"), asks=0),
        "features": Edge("one", _features, "TierFeatures", reads=names("begun")),
        "usage": "usage.OF_CUSTOMER",
        "invoices": "invoices.OF_CUSTOMER",
        "tickets": "tickets.OF_CUSTOMER",
        "audit_events": "audit.OF_CUSTOMER",
        "api_keys": "api_keys.OF_CUSTOMER",
        "balance_due": Edge("value", _balances),
    },
)
OF_CALLER = Edge("one", customer_of_caller, "Customer", CustomerRow)
SHAPES = {"Customer": _CUSTOMER, "TierFeatures": _FEATURES, "TierPeriod": _TIER_PERIOD}
