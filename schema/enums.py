"""The words that tables and rules share, as clients see them: by their members' names, and described."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from db.enums import Metric, TaxStatus, Tier

__all__ = ["Metric", "TaxStatus", "Tier", "shown"]

Words = TypeVar("Words", bound=type[Enum])


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
shown(Metric, "What is metered. The counts of organizational units and of policies are metered and not priced.")
shown(
    TaxStatus,
    "Whether tax is added to a customer's invoices.",
    REVERSE_CHARGE="The customer accounts for the tax itself; the invoice says so.",
)
