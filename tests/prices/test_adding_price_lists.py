"""Price lists added over the API: in force from their day, and refused with the line where one cannot be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db import rate_cards, tax_rates
from tests.landlord import Tenant
from tests.prices.documents import MISTAKES, Mistake, a_day, replaced, starting

ADD = """
mutation ($input: AddRateCardInput!) {
  addRateCard(input: $input) {
    rateCard { id name currency effectiveFrom tiers { tier basePrice } }
    errors { code message field }
  }
}
"""


async def standing(house: Tenant) -> tuple[list[rate_cards.RateCardRow], list[tax_rates.TaxRateRow]]:
    async with house.session() as session:
        return await rate_cards.every(session), await tax_rates.every(session)


async def test_a_price_list_is_in_force_from_its_first_day_on(house: Tenant) -> None:
    day = a_day()
    text = replaced(starting(day), '"basePrice": "2000.00"', '"basePrice": "2500.00"')
    answer = (await house.api(ADD, input={"document": text}))["addRateCard"]
    assert answer["errors"] == []
    added = answer["rateCard"]
    assert (added["currency"], added["effectiveFrom"]) == ("USD", str(day))
    assert added["tiers"][0] == {"tier": "STANDARD", "basePrice": "2500.00"}
    on = "query ($on: Date) { rateCard(on: $on) { id } }"
    assert (await house.api(on, on=str(day)))["rateCard"]["id"] == added["id"]
    assert (await house.api(on, on=str(day - timedelta(days=1))))["rateCard"]["id"] != added["id"]
    events = await house.landlord.admin.fetch(
        "select event_type, action, resource_type, actor from audit_events where resource_id = $1", added["id"]
    )
    assert [tuple(event) for event in events] == [("rate_card.added", "create", "RateCard", "operations")]


async def test_the_same_list_again_is_refused(house: Tenant) -> None:
    text = starting(a_day())
    await house.api(ADD, input={"document": text})
    before = await standing(house)
    answer = (await house.api(ADD, input={"document": text}))["addRateCard"]
    assert [error["message"][:24] for error in answer["errors"]] == ["line 4: effectiveFrom: a"]
    assert await standing(house) == before


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
async def test_a_mistake_is_refused_with_its_line_and_nothing_is_added(house: Tenant, mistake: Mistake) -> None:
    before = await standing(house)
    text = mistake.document()
    answer = (await house.api(ADD, input={"document": text}))["addRateCard"]
    assert answer == {
        "rateCard": None,
        "errors": [{"code": "INVALID", "field": ["input", "document"], "message": mistake.said(text)}],
    }
    assert await standing(house) == before


async def test_a_tenant_adds_none(acme: Tenant, house: Tenant) -> None:
    before = await standing(house)
    answer = (await acme.api(ADD, input={"document": starting(a_day())}))["addRateCard"]
    assert [error["code"] for error in answer["errors"]] == ["FORBIDDEN"]
    assert await standing(house) == before
