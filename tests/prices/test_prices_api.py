"""Tiers and price lists over the API: the same for everyone, and exactly as loaded."""

from __future__ import annotations

import json
from typing import Any

from billing.price_list import FIRST_PRICE_LIST
from tests.landlord import Tenant

RATE_CARD = """
query ($on: Date) {
  rateCard(on: $on) {
    name currency effectiveFrom
    tiers { tier basePrice metrics { metric included unit bands { upTo pricePerUnit } } }
    discounts { over rate }
  }
}
"""


def as_answered(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what the API says elsewhere, and with decimals as it writes them."""

    def plain(text: str | None) -> str | None:
        return text.rstrip("0").rstrip(".") if text and "." in text else text

    return {
        "name": document["name"],
        "currency": document["currency"],
        "effectiveFrom": document["effectiveFrom"],
        "tiers": [
            {
                "tier": tier["tier"],
                "basePrice": tier["basePrice"],
                "metrics": [
                    {
                        "metric": price["metric"],
                        "included": plain(price["included"]),
                        "unit": plain(price["unit"]),
                        "bands": [
                            {"upTo": plain(band["upTo"]), "pricePerUnit": plain(band["pricePerUnit"])}
                            for band in price["bands"]
                        ],
                    }
                    for price in tier["metrics"]
                ],
            }
            for tier in document["tiers"]
        ],
        "discounts": [{"over": one["over"], "rate": plain(one["rate"])} for one in document["discounts"]],
    }


async def test_the_first_price_list_is_answered_as_its_document_says(acme: Tenant) -> None:
    document = json.loads(FIRST_PRICE_LIST.read_text())
    assert (await acme.api(RATE_CARD, on="2025-01-01"))["rateCard"] == as_answered(document)


async def test_before_the_first_price_list_there_is_none(acme: Tenant, house: Tenant) -> None:
    for caller in (acme, house):
        assert (await caller.api(RATE_CARD, on="1980-01-01"))["rateCard"] is None


async def test_tiers_are_what_todays_price_list_grants(acme: Tenant) -> None:
    document = json.loads(FIRST_PRICE_LIST.read_text())
    query = """{ tiers { tier basePrice maxAccounts maxRegions ssoUsersLimit customScps prioritySupport
                         complianceReports costAnalytics multiRegion breakGlassRole } }"""
    assert (await acme.api(query))["tiers"] == [
        {"tier": tier["tier"], "basePrice": tier["basePrice"], **tier["features"]} for tier in document["tiers"]
    ]
