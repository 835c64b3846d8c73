"""An invoice as the API says it, read back into the values that billing computes with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from billing.comparison import Billed
from billing.periods import Month
from billing.rate_card import Band, Discount, MetricPrice, RateCard, TierPrice
from billing.rating import Line, LineBand, Rating
from cli.api import Api, Refused
from db.enums import LineKind, Metric, Tier

SAID = """
    fragment Said on Invoice {
        id number month status currency tier taxJurisdiction taxStatus taxRate usageRevision issuedAt dueOn
        tierBaseCost usageCharges volumeDiscount adjustments subtotal taxAmount totalAmount
        creditApplied amountCredited amountPaid amountDue
        customer { id name }
        lines {
            position kind metric tier adjustedMonth description quantity billable amount
            bands { quantity unit pricePerUnit amount }
        }
        rateCard {
            id name currency effectiveFrom discounts { over rate }
            tiers { tier basePrice metrics { metric included unit bands { upTo pricePerUnit } } }
        }
    }
"""


@dataclass(frozen=True, slots=True)
class Paper:
    """`said` is the API's own answer; `billed` the same as values."""

    said: dict[str, Any]
    billed: Billed

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.said["number"] or f"draft {self.said['id']}"


def ask(asked: Api, *names: str, selected: str = "...Said", fragments: str = SAID) -> list[dict[str, Any]]:
    """These invoices, each named by its number or its ID, all in one question. Raises Refused for an unknown one."""
    types = {name: "id" if name.startswith("inv_") else "number" for name in names}
    declared = ", ".join(f"$i{at}: {'ID' if types[name] == 'id' else 'String'}" for at, name in enumerate(names))
    fields = " ".join(f"i{at}: invoice({types[name]}: $i{at}) {{ {selected} }}" for at, name in enumerate(names))
    answer = asked.ask(
        f"query Invoices({declared}) {{ {fields} }} {fragments}", **{f"i{at}": name for at, name in enumerate(names)}
    )
    found = [answer[f"i{at}"] for at in range(len(names))]
    for name, one in zip(names, found, strict=True):
        if one is None:
            raise Refused(f"There is no invoice {name}.")
    return found


def papers(asked: Api, *names: str) -> list[Paper]:
    return [read(said) for said in ask(asked, *names)]


def read(said: dict[str, Any]) -> Paper:
    """What the fragment `Said` answered."""
    return Paper(said, Billed(_rating(said), _card(said["rateCard"])))


def _rating(said: dict[str, Any]) -> Rating:
    return Rating(
        month=Month.parse(said["month"]),
        tier=Tier[said["tier"]],
        currency=said["currency"],
        lines=tuple(_line(line) for line in said["lines"]),
        tier_base_cost=Decimal(said["tierBaseCost"]),
        usage_charges=Decimal(said["usageCharges"]),
        volume_discount=Decimal(said["volumeDiscount"]),
        adjustments=Decimal(said["adjustments"]),
        subtotal=Decimal(said["subtotal"]),
        tax_rate=Decimal(said["taxRate"]),
        tax_amount=Decimal(said["taxAmount"]),
        total_amount=Decimal(said["totalAmount"]),
    )


def _line(line: dict[str, Any]) -> Line:
    return Line(
        position=line["position"],
        kind=LineKind[line["kind"]],
        description=line["description"],
        amount=Decimal(line["amount"]),
        metric=None if line["metric"] is None else Metric[line["metric"]],
        tier=None if line["tier"] is None else Tier[line["tier"]],
        adjusted_month=None if line["adjustedMonth"] is None else Month.parse(line["adjustedMonth"]),
        quantity=None if line["quantity"] is None else Decimal(line["quantity"]),
        billable=None if line["billable"] is None else Decimal(line["billable"]),
        bands=tuple(
            LineBand(
                quantity=Decimal(band["quantity"]),
                unit=Decimal(band["unit"]),
                price_per_unit=Decimal(band["pricePerUnit"]),
                amount=Decimal(band["amount"]),
            )
            for band in line["bands"]
        ),
    )


def _card(said: dict[str, Any]) -> RateCard:
    return RateCard(
        name=said["name"],
        currency=said["currency"],
        effective_from=date.fromisoformat(said["effectiveFrom"]),
        tiers=tuple(
            TierPrice(
                Tier[tier["tier"]],
                Decimal(tier["basePrice"]),
                tuple(
                    MetricPrice(
                        Metric[price["metric"]],
                        Decimal(price["included"]),
                        Decimal(price["unit"]),
                        tuple(
                            Band(None if band["upTo"] is None else Decimal(band["upTo"]), Decimal(band["pricePerUnit"]))
                            for band in price["bands"]
                        ),
                    )
                    for price in tier["metrics"]
                ),
            )
            for tier in said["tiers"]
        ),
        discounts=tuple(Discount(Decimal(one["over"]), Decimal(one["rate"])) for one in said["discounts"]),
    )
