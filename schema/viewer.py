"""Who is asking, as the asker sees it."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from auth.caller import Caller
from db import customers
from schema.access import Reads
from schema.context import Info
from schema.customers import Customer


@strawberry.enum(description="On whose behalf a caller asks.")
class ViewerKind(enum.Enum):
    TENANT = strawberry.enum_value("tenant", description="A customer's key or session: sees that customer alone.")
    OPERATOR = strawberry.enum_value("operator", description="The company's own staff or scripts: sees every customer.")


@strawberry.type(description="Who is asking: a customer's API key or an operator's, itself or through a session.")
class Viewer:
    kind: ViewerKind = strawberry.field(description="Whether a customer asks, or the company itself.")
    name: str = strawberry.field(description="The name of the API key behind this request or session.")
    scopes: list[str] = strawberry.field(
        description="As granted to the key: `read`, `write`, `operator`, or single ones such as `invoices:read`."
    )
    session_expires_at: datetime | None = strawberry.field(
        description="Null when the request carried an API key itself."
    )
    customer_id: strawberry.Private[UUID | None]

    @strawberry.field(
        description="Null for an operator. Not to be had below `createSession`: ask for it when signed in.",
        extensions=[Reads(None)],
    )
    async def customer(self, info: Info) -> Customer | None:
        if self.customer_id is None:
            return None
        row = await info.context.loaders.one(customers.by_ids, self.customer_id)
        return None if row is None else Customer.of(row, today=info.context.now.date())

    @classmethod
    def of(cls, caller: Caller) -> Self:
        return cls(
            kind=ViewerKind(caller.kind.value),
            name=caller.name,
            scopes=sorted(caller.scopes),
            session_expires_at=None if caller.session is None else caller.session.expires_at,
            customer_id=caller.customer_id,
        )
