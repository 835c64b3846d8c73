"""Root fields about tiers and price lists: the same for everyone."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import strawberry

from db import rate_cards
from schema.access import Reads
from schema.context import Info
from schema.rate_cards import RateCard, TierFeatures

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
