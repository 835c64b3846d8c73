"""What became of a letter after SES had taken it: where nobody took it in the end, its notification says so.

SES tells by an event of EventBridge's, which names the letter by the tags that it was sent with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from db import notifications, outbox
from db.connection import Connections, Role
from db.notifications import NotificationStatus

BOUNCED = "Email Bounced"
# of a letter: whose notification it is
CUSTOMER, NOTIFICATION = "customer", "notification"
_LONGEST_REASON = 500


class NotSentYet(Exception):
    """Nobody has written down by now that it was sent: the event is to come again."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """`notification` is named by (customer, notification); `reason` is for the customer to read."""

    notification: tuple[UUID, UUID]
    reason: str

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> Bounce | None:
        """None for an event about something else, or about mail that is not ours."""
        if event.get("detail-type") != BOUNCED:
            return None
        tags: Mapping[str, list[str]] = event["detail"]["mail"].get("tags", {})
        if CUSTOMER not in tags or NOTIFICATION not in tags:
            return None
        bounce = event["detail"]["bounce"]
        said = [
            f"{one['emailAddress']}: {one.get('diagnosticCode') or bounce['bounceSubType']}"
            for one in bounce["bouncedRecipients"]
        ]
        reason = f"The mail was sent back by {'; '.join(said)}"[:_LONGEST_REASON]
        return cls((UUID(tags[CUSTOMER][0]), UUID(tags[NOTIFICATION][0])), reason)


async def settle(connections: Connections, bounce: Bounce) -> None:
    """Write it down. Twice is as once. Raises NotSentYet."""
    async with connections.transaction(Role.WORKER) as session:
        attempts = await outbox.hold_sent(session, bounce.notification)
        if attempts is None:
            raise NotSentYet
        await notifications.tell(
            session, bounce.notification, NotificationStatus.FAILED, attempts=attempts, failed_reason=bounce.reason
        )
