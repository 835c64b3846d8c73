"""Root fields about tiers and price lists, the same for everyone; and how operators add one."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import strawberry

from auth.scopes import Scope
from billing import prices
from db import rate_cards
from db.audit import AuditAction
from resolvers.access import Writes
from schema.access import Reads
from schema.context import Info
from schema.rate_cards import AddRateCardInput, RateCard, RateCardPayload, TierFeatures

On = Annotated[date | None, strawberry.argument(description="The day; today when left out.")]


@strawberry.type
class RateCardQueries:
    @strawberry.field(
        description="What each tier costs and grants today, in the price list's order; none before the first list.",
        extensions=[Reads(None)],
    )
    async def tiers(self, info: Info) -> list[TierFeatures]:
        rows = await info.context.loaders.many(rate_cards.tiers_on, info.context.now.date(), by="day")
        return [TierFeatures.of(row) for row in rows]

    @strawberry.field(
        description="The price list in force on a day; today's when none is given. Null before the first.",
        extensions=[Reads(None)],
    )
    async def rate_card(self, info: Info, on: On = None) -> RateCard | None:
        row = await rate_cards.on(info.context.session, on or info.context.now.date())
        return None if row is None else RateCard.of(row)


@strawberry.type
class RateCardMutations:
    @strawberry.mutation(
        description="Operators only. Add a price list, in force from its first day until the next one's. What stands is"
        " never changed: another currency,\na first day that is taken, another rate of a tax that is known, or another price"
        " or tax for a month with an issued or paid\ninvoice is refused.",
        extensions=[Writes(Scope.BILLING_WRITE, event="rate_card.added", action=AuditAction.CREATE)],
    )
    async def add_rate_card(self, info: Info, input: AddRateCardInput) -> RateCardPayload:
        context = info.context
        made = await prices.load(context.session, input.document, now=context.now)
        [row] = await rate_cards.by_ids(context.session, [made])
        return RateCardPayload(rate_card=RateCard.of(row))
