"""Root fields about notifications."""

from __future__ import annotations

import strawberry

from auth.scopes import Scope
from billing import notices
from db.audit import AuditAction
from resolvers.access import Writes
from schema.context import Info
from schema.ids import uuid_of
from schema.notifications import Notification, NotificationPayload, SendNotificationInput


@strawberry.type
class NotificationMutations:
    @strawberry.mutation(
        description="Operators only. Write to a customer: it leaves in the background, and `status` says how far it got.",
        extensions=[Writes(Scope.NOTIFICATIONS_WRITE, event="notification.sent", action=AuditAction.CREATE)],
    )
    async def send_notification(self, info: Info, input: SendNotificationInput) -> NotificationPayload:
        context = info.context
        row = await notices.send(
            context.session,
            uuid_of("cus", input.customer_id, ("input", "customerId")),
            title=input.title,
            message=input.message,
            channel=input.channel,
            address=input.delivery_address,
            now=context.now,
        )
        return NotificationPayload(notification=Notification.of(row))
