"""The root field that reads the audit trail."""

from __future__ import annotations

from functools import partial

import strawberry

from auth.scopes import Scope
from db import audit as stored
from schema.access import Reads
from schema.audit import AuditEvent, AuditEventConnection, AuditFilter, First
from schema.context import Info
from schema.pagination import FIRST_BY_DEFAULT, After, window
from schema.windows import LONGEST_PAGE


@strawberry.type
class AuditQueries:
    @strawberry.field(
        description="A tenant's own; for an operator everyone's, and the company's own.",
        extensions=[Reads(Scope.AUDIT_READ)],
    )
    async def audit_events(
        self,
        info: Info,
        first: First = FIRST_BY_DEFAULT,
        after: After = None,
        filter: AuditFilter | None = None,
    ) -> AuditEventConnection:
        context = info.context
        part = window("audit events", first=first, after=after, filter=filter, most=LONGEST_PAGE)
        wanted = filter or AuditFilter()
        page = await stored.page(
            context.session,
            first=part.first,
            after=part.after,
            customer_id=wanted.customer(),
            wanted=wanted.wanted(context.now),
        )
        return AuditEventConnection.of(page, part, partial(AuditEvent.of, caller=context.caller))
