"""The words that tables and rules share, as clients see them: by their members' names, and described."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from db.billing_runs import RunStatus
from db.enums import ActorKind, Metric, TaxStatus, Tier

__all__ = ["ActorKind", "Metric", "RunStatus", "TaxStatus", "Tier", "reader", "shown"]

Word = TypeVar("Word", bound=Enum)
Words = TypeVar("Words", bound=type[Enum])


def reader(words: type[Word]) -> Callable[[str], Word]:
    """`reader(Tier)("standard")` is `Tier("standard")` in a fifth of the time: lists are long. Raises KeyError."""
    return {word.value: word for word in words}.__getitem__


def shown(words: Words, description: str, **members: str) -> Words:
    """Show an enum of the domain to clients, and annotate with it as it is: `shown(Tier, "What a customer pays.")`.

    `members` are descriptions by the members' names.
    """
    strawberry.enum(words, description=description)
    definition: StrawberryEnumDefinition = words.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = members.pop(value.name, None)
    if members:
        raise ValueError(f"{words.__name__} has no {', '.join(members)}")
    return words


# Several nouns speak of these, so they are shown here: whoever shows words of its own has shown them too.
shown(Tier, "What a customer pays for: it sets the base price, the allowances and the bands.")
shown(
    Metric,
    "What is metered. The counts of organizational units and of policies are metered and not priced.",
    ACCOUNT_COUNT="AWS accounts in the landing zone: the month's peak.",
    OU_COUNT="Organizational units: the month's peak.",
    SCP_COUNT="Service control policies: the month's peak.",
    CLOUDTRAIL_EVENTS="Events that CloudTrail recorded in the month.",
    CONFIG_EVALUATIONS="Rule evaluations by AWS Config in the month.",
    LOG_STORAGE_GB="Gigabytes of stored logs: the month's peak.",
    NAT_BYTES_PROCESSED="Bytes through NAT gateways in the month.",
    DATA_TRANSFER_GB="Gigabytes that left AWS in the month.",
)
shown(
    TaxStatus,
    "Whether tax is added to a customer's invoices.",
    TAXABLE="At the rate of the customer's jurisdiction.",
    EXEMPT="No tax is charged.",
    REVERSE_CHARGE="The customer accounts for the tax itself; the invoice says so.",
)
shown(
    ActorKind,
    "Whose a name is: whoever makes a key gives it any name.",
    TENANT="The customer's own.",
    OPERATOR="The company's staff or scripts.",
    SYSTEM="A part of the service, such as a billing run.",
    ANONYMOUS="Nobody who was known.",
)
shown(
    RunStatus,
    "Of work that goes on in the background. Finished when `finishedAt` is set.",
    QUEUED="Nobody has begun with it yet.",
    RUNNING="It goes on; its counts grow.",
    COMPLETED="Finished.",
    COMPLETED_WITH_FAILURES="Finished, and some customers could not be done: each is named; run it again to take only"
    " those.",
    FAILED="The run itself broke; what it had done stands. Run it again.",
)
