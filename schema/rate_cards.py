"""Tiers and price lists as clients see them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Protocol, Self
from uuid import UUID

import strawberry

from db import rate_cards
from db.rate_cards import DiscountRow, MetricPriceRow, RateCardRow
from schema.access import Reads
from schema.context import Info
from schema.enums import Metric, Tier
from schema.errors import UserError
from schema.ids import typeid
from schema.node import Node
from schema.scalars import Money


class FeaturesRow(Protocol):
    """Any row that says what a tier costs and grants."""

    @property
    def tier(self) -> str: ...
    @property
    def base_price(self) -> Decimal: ...
    @property
    def max_accounts(self) -> int: ...
    @property
    def max_regions(self) -> int: ...
    @property
    def sso_users_limit(self) -> int: ...
    @property
    def custom_scps(self) -> bool: ...
    @property
    def priority_support(self) -> bool: ...
    @property
    def compliance_reports(self) -> bool: ...
    @property
    def cost_analytics(self) -> bool: ...
    @property
    def multi_region(self) -> bool: ...
    @property
    def break_glass_role(self) -> bool: ...


@strawberry.type(description="What a tier costs and grants.")
class TierFeatures:
    tier: Tier = strawberry.field(description="The tier itself.")
    base_price: Money = strawberry.field(description="A whole month's price, before any usage.")
    max_accounts: int = strawberry.field(description="How many AWS accounts the landing zone may hold.")
    max_regions: int = strawberry.field(description="How many AWS regions it may span.")
    sso_users_limit: int = strawberry.field(description="How many people may sign in through single sign-on.")
    custom_scps: bool = strawberry.field(description="Whether service control policies of your own are possible.")
    priority_support: bool = strawberry.field(description="Whether tickets are answered before others.")
    compliance_reports: bool = strawberry.field(description="Whether reports for auditors are made.")
    cost_analytics: bool = strawberry.field(description="Whether costs are broken down by account.")
    multi_region: bool = strawberry.field(description="Whether workloads may run in several regions at once.")
    break_glass_role: bool = strawberry.field(description="Whether there is a role for emergencies.")

    @classmethod
    def of(cls, row: FeaturesRow) -> Self:
        return cls(
            tier=Tier(row.tier),
            base_price=Money(row.base_price),
            max_accounts=row.max_accounts,
            max_regions=row.max_regions,
            sso_users_limit=row.sso_users_limit,
            custom_scps=row.custom_scps,
            priority_support=row.priority_support,
            compliance_reports=row.compliance_reports,
            cost_analytics=row.cost_analytics,
            multi_region=row.multi_region,
            break_glass_role=row.break_glass_role,
        )


@strawberry.type(description="The price of a unit within one band of the billable quantity.")
class PriceBand:
    up_to: Decimal | None = strawberry.field(
        description="Upper edge of the billable quantity, inclusive; null on the last band."
    )
    price_per_unit: Decimal = strawberry.field(description="In the price list's currency.")


@strawberry.type(description="How one metric is priced in one tier.")
class MetricPrice:
    metric: Metric = strawberry.field(description="What is metered.")
    included: Decimal = strawberry.field(description="What the base price covers.")
    unit: Decimal = strawberry.field(
        description="How many of the metric one price unit holds: 1000000 for 'per million events'. A power of ten."
    )
    bands: list[PriceBand] = strawberry.field(
        description="Graduated: each band prices only the quantity that falls inside it."
    )

    @classmethod
    def of(cls, row: MetricPriceRow) -> Self:
        return cls(
            metric=Metric(row.metric),
            included=row.included,
            unit=row.unit,
            bands=[
                PriceBand(up_to=up_to, price_per_unit=price)
                for up_to, price in zip(row.band_up_to, row.band_price, strict=True)
            ],
        )


@strawberry.type(description="What one tier costs under one price list.")
class TierPrice:
    tier: Tier = strawberry.field(description="The tier itself.")
    base_price: Money = strawberry.field(description="A whole month's price, before any usage.")
    metrics: list[MetricPrice] = strawberry.field(
        description="Every priced metric, in the order of an invoice's lines."
    )


@strawberry.type(
    description="Taken off all usage charges of a month where they are high enough; the highest one alone."
)
class VolumeDiscount:
    over: Money = strawberry.field(description="Applies when usage charges are greater than this.")
    rate: Decimal = strawberry.field(description="Of all usage charges, 0.05 = 5 %.")

    @classmethod
    def of(cls, row: DiscountRow) -> Self:
        return cls(over=Money(row.over), rate=row.rate)


@strawberry.type(
    description="The price list in force from a day on. Earlier ones stay, so old invoices can be recomputed."
)
class RateCard(Node):
    id: strawberry.ID = strawberry.field(description="Begins with `rcd_`.")
    name: str = strawberry.field(description="What people call it.")
    currency: str = strawberry.field(description="ISO 4217 code of all its amounts, the same in every price list.")
    effective_from: date = strawberry.field(description="Its first day; it lasts until the next one's.")
    rate_card_id: strawberry.Private[UUID]

    @strawberry.field(description="Every tier's prices.", extensions=[Reads(None)])
    async def tiers(self, info: Info) -> list[TierPrice]:
        loaders = info.context.loaders
        by = "rate_card_id"
        tiers = await loaders.many(rate_cards.tiers_by_cards, self.rate_card_id, by=by)
        metrics: dict[str, list[MetricPrice]] = defaultdict(list)
        for row in await loaders.many(rate_cards.metric_prices_by_cards, self.rate_card_id, by=by):
            metrics[row.tier].append(MetricPrice.of(row))
        return [
            TierPrice(tier=Tier(row.tier), base_price=Money(row.base_price), metrics=metrics[row.tier]) for row in tiers
        ]

    @strawberry.field(description="The lowest threshold first.", extensions=[Reads(None)])
    async def discounts(self, info: Info) -> list[VolumeDiscount]:
        rows = await info.context.loaders.many(rate_cards.discounts_by_cards, self.rate_card_id, by="rate_card_id")
        return [VolumeDiscount.of(row) for row in rows]

    @classmethod
    def of(cls, row: RateCardRow) -> Self:
        return cls(
            id=typeid("rcd", row.id),
            name=row.name,
            currency=row.currency,
            effective_from=row.effective_from,
            rate_card_id=row.id,
        )


@strawberry.input(description="A price list to follow those that stand.")
class AddRateCardInput:
    document: str = strawberry.field(
        description="JSON with the names of this schema: `name`, `currency`, `effectiveFrom`, `tiers` with their"
        " `features`, `discounts` and `taxRates`;\ndecimals are strings. A mistake is refused with its line."
    )


@strawberry.type(description="What adding a price list answers.")
class RateCardPayload:
    rate_card: RateCard | None = strawberry.field(description="As it stands now; null where nothing was added.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why not; empty on success.")
