"""Customers over the API: what tenants and operators see, find and change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from schema.ids import typeid
from tests.landlord import Refused, Tenant

WHOLE = """
    name status tier tierHistory { tier from to } framework awsOrgId awsAccountId email billingEmail mfaEnforced
    encryptionRequired tags customConfig taxJurisdiction taxStatus activeFrom closedOn
"""
CREATE = f"""
mutation ($input: CreateCustomerInput!) {{
  createCustomer(input: $input) {{ customer {{ id {WHOLE} }} errors {{ code field }} }}
}}
"""
UPDATE = f"""
mutation ($input: UpdateCustomerInput!) {{
  updateCustomer(input: $input) {{ customer {{ {WHOLE} }} errors {{ code field }} }}
}}
"""
CHANGE_TIER = """
mutation ($input: ChangeTierInput!) {
  changeTier(input: $input) { customer { tier tierHistory { tier from to } } errors { code field message } }
}
"""
STATE = "mutation ($input: {}!) {{ {}(input: $input) {{ customer {{ status }} errors {{ code }} }} }}"
SUSPEND = STATE.format("CustomerStateInput", "suspendCustomer")
REINSTATE = STATE.format("CustomerStateInput", "reinstateCustomer")
CLOSE = STATE.format("CloseCustomerInput", "closeCustomer")
CUSTOMER = f"query ($id: ID) {{ customer(id: $id) {{ id {WHOLE} }} }}"
CUSTOMERS = """
query ($first: Int, $after: String, $filter: CustomerFilter) {
  customers(first: $first, after: $after, filter: $filter) {
    nodes { name } edges { cursor node { name } } totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


def today() -> date:
    return datetime.now(UTC).date()


async def create(house: Tenant, **given: Any) -> dict[str, Any]:
    given = {"name": "Initech", "tier": "STANDARD", "email": "it@initech.example"} | given
    answer = (await house.api(CREATE, input=given))["createCustomer"]
    assert answer["errors"] == []
    made: dict[str, Any] = answer["customer"]
    return made


async def names(caller: Tenant, **filter: Any) -> list[str]:
    return [node["name"] for node in (await caller.api(CUSTOMERS, filter=filter))["customers"]["nodes"]]


# ---------------------------------------------------------------- seen


async def test_a_new_customer_is_what_was_given_and_the_defaults(house: Tenant) -> None:
    made = await create(house, name="Initech GmbH", tier="GOV_FEDERAL", activeFrom="2026-01-15", tags=[1, {"a": None}])
    id = made.pop("id")
    assert made == {
        "name": "Initech GmbH",
        "status": "ACTIVE",
        "tier": "GOV_FEDERAL",
        "tierHistory": [{"tier": "GOV_FEDERAL", "from": "2026-01-15", "to": None}],
        "framework": "CIS",
        "awsOrgId": None,
        "awsAccountId": None,
        "email": "it@initech.example",
        "billingEmail": "it@initech.example",
        "mfaEnforced": True,
        "encryptionRequired": True,
        "tags": [1, {"a": None}],
        "customConfig": {},
        "taxJurisdiction": "US-DE",
        "taxStatus": "TAXABLE",
        "activeFrom": "2026-01-15",
        "closedOn": None,
    }
    assert (await house.api(CUSTOMER, id=id))["customer"] == {"id": id, **made}


async def test_false_null_and_empty_are_values_where_they_are_given(house: Tenant) -> None:
    made = await create(house, mfaEnforced=False, encryptionRequired=False, tags=[], customConfig=0, billingEmail=None)
    assert (made["mfaEnforced"], made["encryptionRequired"]) == (False, False)
    assert (made["tags"], made["customConfig"], made["billingEmail"]) == ([], 0, "it@initech.example")


async def test_a_tenant_sees_itself_by_any_way_and_no_other_customer(acme: Tenant, globex: Tenant) -> None:
    assert (await acme.api("{ customer { id } }"))["customer"] == {"id": acme.id}
    assert (await acme.api(CUSTOMER, id=acme.id))["customer"]["id"] == acme.id
    assert (await acme.api(CUSTOMER, id=globex.id))["customer"] is None
    assert (await acme.api(CUSTOMERS))["customers"]["totalCount"] == 1
    assert await names(acme) == ["Acme"]
    assert await names(acme, search="Globex") == []


async def test_an_operator_who_names_no_customer_gets_none(house: Tenant) -> None:
    assert await house.api("{ customer { id } viewer { customer { id } } }") == {
        "customer": None,
        "viewer": {"customer": None},
    }
    assert (await house.api(CUSTOMER, id=typeid("cus", uuid4())))["customer"] is None


@pytest.mark.parametrize(
    "id", ["", "x", "inv_01jd8xzzzzzzzzzzzzzzzzzzzz", "cus_01jd8x", "cus_81jd8xzzzzzzzzzzzzzzzzzzzz"]
)
async def test_what_is_no_customers_id_is_invalid(acme: Tenant, id: str) -> None:
    with pytest.raises(Refused) as refusal:
        await acme.api(CUSTOMER, id=id)
    assert refusal.value.codes == ["INVALID"]


async def test_the_viewer_is_the_key_and_its_customer(acme: Tenant, house: Tenant) -> None:
    query = "{ viewer { kind name scopes customer { id } sessionExpiresAt } }"
    viewer = (await acme.api(query))["viewer"]
    assert viewer.pop("sessionExpiresAt") > f"{today()}T"
    assert viewer == {"kind": "TENANT", "name": "front end", "scopes": ["write"], "customer": {"id": acme.id}}
    assert (await house.api("{ viewer { kind name scopes } }"))["viewer"] == {
        "kind": "OPERATOR",
        "name": "operations",
        "scopes": ["operator"],
    }


async def test_features_are_those_of_todays_tier(acme: Tenant, house: Tenant) -> None:
    query = "{ customer { features { tier basePrice maxAccounts breakGlassRole } } }"
    assert (await acme.api(query))["customer"]["features"] == {
        "tier": "STANDARD",
        "basePrice": "2000.00",
        "maxAccounts": 10,
        "breakGlassRole": False,
    }
    await house.api(CHANGE_TIER, input={"id": acme.id, "tier": "HEALTHCARE"})
    assert (await acme.api(query))["customer"]["features"] == {
        "tier": "HEALTHCARE",
        "basePrice": "15000.00",
        "maxAccounts": 100,
        "breakGlassRole": True,
    }


async def test_everything_that_hangs_on_a_customer_is_there_when_there_is_nothing(house: Tenant) -> None:
    made = await create(house)
    query = """
        query ($id: ID) { customer(id: $id) {
            usage { month } invoices { totalCount nodes { id } } tickets { totalCount nodes { id } }
            notifications { totalCount nodes { id } } apiKeys { id } webhookEndpoints { id } balanceDue
            auditEvents(first: 500) { totalCount nodes { eventType } }
        } }
    """
    nothing = {"totalCount": 0, "nodes": []}
    assert (await house.api(query, id=made["id"]))["customer"] == {
        "usage": [],
        "invoices": nothing,
        "tickets": nothing,
        "notifications": nothing,
        "apiKeys": [],
        "webhookEndpoints": [],
        "balanceDue": "0.00",
        "auditEvents": {"totalCount": 1, "nodes": [{"eventType": "customer.created"}]},
    }


async def test_a_customer_without_invoices_owes_nothing(acme: Tenant) -> None:
    assert (await acme.api("{ customer { balanceDue } }"))["customer"]["balanceDue"] == "0.00"


# ---------------------------------------------------------------- found


async def test_search_finds_a_part_of_name_or_email_in_any_case_and_takes_wildcards_as_they_are(house: Tenant) -> None:
    mark = uuid4().hex
    await create(house, name=f"100%_Übermut {mark}", email=f"one@{mark}.example")
    await create(house, name=f"100 Uebermut {mark}", email=f"two\\x@{mark}.example")
    assert await names(house, search=mark.upper()) == [f"100 Uebermut {mark}", f"100%_Übermut {mark}"]
    assert await names(house, search=f"ÜBERMUT {mark}") == [f"100%_Übermut {mark}"]
    assert await names(house, search=f"100%_übermut {mark}") == [f"100%_Übermut {mark}"]
    assert await names(house, search=f"%{mark}") == []
    assert await names(house, search=f"100_Uebermut {mark}") == []
    assert await names(house, search=f"TWO\\X@{mark}") == [f"100 Uebermut {mark}"]
    assert await names(house, search=f"\\{mark}") == []


async def test_filters_ask_for_the_tier_and_status_of_today(house: Tenant) -> None:
    mark = uuid4().hex
    tomorrow = (today() + timedelta(days=1)).isoformat()
    soon = await create(house, name=f"soon {mark}", activeFrom=tomorrow, tier="FINTECH")
    moving = await create(house, name=f"moving {mark}", activeFrom="2026-01-01")
    await house.api(CHANGE_TIER, input={"id": moving["id"], "tier": "FINTECH", "effectiveOn": tomorrow})
    leaving = await create(house, name=f"leaving {mark}", activeFrom="2026-01-01")
    await house.api(CLOSE, input={"id": leaving["id"], "reason": "x", "closedOn": tomorrow})
    gone = await create(house, name=f"gone {mark}", activeFrom="2026-01-01")
    answer = await house.api(CLOSE, input={"id": gone["id"], "reason": "x"})
    assert answer["closeCustomer"]["customer"]["status"] == "CLOSED"
    answer = await house.api(SUSPEND, input={"id": soon["id"], "reason": "x"})
    assert answer["suspendCustomer"]["customer"]["status"] == "SUSPENDED"

    assert await names(house, search=mark, tier="FINTECH") == [f"soon {mark}"]
    assert await names(house, search=mark, tier="STANDARD") == [f"gone {mark}", f"leaving {mark}", f"moving {mark}"]
    assert await names(house, search=mark, status="ACTIVE") == [f"leaving {mark}", f"moving {mark}"]
    assert await names(house, search=mark, status="SUSPENDED") == [f"soon {mark}"]
    assert await names(house, search=mark, status="CLOSED", tier="STANDARD") == [f"gone {mark}"]
    assert await names(house, search=mark, status=None, tier=None) == await names(house, search=mark)


async def test_pages_follow_one_another_newest_first(house: Tenant) -> None:
    mark = uuid4().hex
    for number in range(5):
        await create(house, name=f"{mark} {number}")
    filter = {"search": mark}
    page = (await house.api(CUSTOMERS, first=2, filter=filter))["customers"]
    assert [node["name"][-1] for node in page["nodes"]] == ["4", "3"]
    assert page["totalCount"] == 5
    assert (page["pageInfo"]["hasNextPage"], page["pageInfo"]["hasPreviousPage"]) == (True, False)
    assert [edge["cursor"] for edge in page["edges"]] == [
        page["pageInfo"]["startCursor"],
        page["pageInfo"]["endCursor"],
    ]
    page = (await house.api(CUSTOMERS, first=3, after=page["pageInfo"]["endCursor"], filter=filter))["customers"]
    assert [node["name"][-1] for node in page["nodes"]] == ["2", "1", "0"]
    assert (page["pageInfo"]["hasNextPage"], page["pageInfo"]["hasPreviousPage"], page["totalCount"]) == (
        False,
        True,
        5,
    )
    for other in ({"search": mark[:-1]}, {"search": mark, "status": "ACTIVE"}, None):
        with pytest.raises(Refused) as refusal:
            await house.api(CUSTOMERS, after=page["pageInfo"]["endCursor"], filter=other)
        assert refusal.value.codes == ["INVALID"]


# ---------------------------------------------------------------- changed


async def test_an_update_tells_absent_from_null(house: Tenant) -> None:
    made = await create(house, awsOrgId="o-a1b2c3d4e5", awsAccountId="123456789012")
    id = made.pop("id")
    answer = (await house.api(UPDATE, input={"id": id, "awsOrgId": None, "taxStatus": "EXEMPT"}))["updateCustomer"]
    assert answer == {"customer": made | {"awsOrgId": None, "taxStatus": "EXEMPT"}, "errors": []}
    answer = (await house.api(UPDATE, input={"id": id, "framework": "SOC2", "billingEmail": None}))["updateCustomer"]
    assert answer == {"customer": None, "errors": [{"code": "INVALID", "field": ["input", "billingEmail"]}]}
    assert (await house.api(CUSTOMER, id=id))["customer"]["framework"] == "CIS"


async def test_what_cannot_be_is_refused_as_data_and_makes_no_customer(house: Tenant) -> None:
    mark = uuid4().hex
    answer = await house.api(CREATE, input={"name": mark, "tier": "STANDARD", "email": "nobody"})
    assert answer["createCustomer"] == {"customer": None, "errors": [{"code": "INVALID", "field": ["input", "email"]}]}
    assert await names(house, search=mark) == []


async def test_a_tier_changes_today_when_no_day_is_given(house: Tenant) -> None:
    made = await create(house, activeFrom="2026-01-01")
    answer = await house.api(CHANGE_TIER, input={"id": made["id"], "tier": "FINTECH", "effectiveOn": None})
    assert answer["changeTier"] == {
        "customer": {
            "tier": "FINTECH",
            "tierHistory": [
                {"tier": "STANDARD", "from": "2026-01-01", "to": today().isoformat()},
                {"tier": "FINTECH", "from": today().isoformat(), "to": None},
            ],
        },
        "errors": [],
    }


async def test_a_tenant_changes_no_customer_its_own_neither(acme: Tenant, globex: Tenant, house: Tenant) -> None:
    before = [(await house.api(CUSTOMER, id=one.id))["customer"] for one in (acme, globex)]
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("changeTier", CHANGE_TIER, {"tier": "FINTECH"}),
        ("updateCustomer", UPDATE, {"name": "Mine"}),
        ("suspendCustomer", SUSPEND, {"reason": "x"}),
        ("reinstateCustomer", REINSTATE, {"reason": "x"}),
        ("closeCustomer", CLOSE, {"reason": "x"}),
    ]
    for name, mutation, given in asked:
        for one in (acme, globex):
            answer = (await acme.api(mutation, input={"id": one.id, **given}))[name]
            assert (answer["customer"], [error["code"] for error in answer["errors"]]) == (None, ["FORBIDDEN"])
    assert [(await house.api(CUSTOMER, id=one.id))["customer"] for one in (acme, globex)] == before


async def test_an_unknown_customer_is_not_found(house: Tenant) -> None:
    answer = await house.api(CHANGE_TIER, input={"id": typeid("cus", uuid4()), "tier": "FINTECH"})
    assert answer["changeTier"]["customer"] is None
    assert [error["code"] for error in answer["changeTier"]["errors"]] == ["NOT_FOUND"]
    answer = await house.api(CHANGE_TIER, input={"id": typeid("inv", uuid4()), "tier": "FINTECH"})
    assert [(error["code"], error["field"]) for error in answer["changeTier"]["errors"]] == [
        ("INVALID", ["input", "id"])
    ]
