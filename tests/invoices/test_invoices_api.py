"""Invoices over the API: what tenants and operators read, and what operators change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app import utc_now
from billing.periods import Month
from db.session import Session
from schema.ids import typeid
from tests.landlord import Refused, Tenant
from tests.ledger import Ledger

# The application reads the real clock; these months are over by it.
LAST = Month.of(utc_now().date()).previous()
BEFORE = LAST.previous()

INVOICES = """
query ($first: Int, $after: String, $filter: InvoiceFilter) {
  invoices(first: $first, after: $after, filter: $filter) {
    nodes { id number month status totalAmount }
    pageInfo { hasNextPage hasPreviousPage endCursor }
    totalCount
  }
}
"""
INVOICE = """
query ($id: ID, $number: String) {
  invoice(id: $id, number: $number) {
    id number month tier status availableActions currency
    tierBaseCost usageCharges volumeDiscount adjustments subtotal taxJurisdiction taxStatus taxRate taxAmount
    totalAmount
    amountPaid amountCredited creditApplied amountDue dueOn paidAt cancelledAt cancelReason usageRevision pdfUrl
    customer { id invoicePrefix }
    lines {
      position kind metric tier adjustedMonth description quantity billable amount
      bands { quantity unit pricePerUnit amount }
    }
    payments { amount method reference }
    creditNotes { id }
    rateCard { name currency effectiveFrom }
  }
}
"""
ISSUE = """
mutation ($id: ID!) {
  issueInvoice(input: {id: $id}) { invoice { id number status totalAmount } errors { code message field } }
}
"""
PAY = """
mutation ($input: RecordPaymentInput!) {
  recordPayment(input: $input) {
    invoice { status amountPaid amountDue payments { id amount method receivedAt invoice { id } } }
    errors { code field }
  }
}
"""
CANCEL = """
mutation ($id: ID!, $reason: String!) {
  cancelInvoice(input: {id: $id, reason: $reason}) {
    invoice { number status cancelReason amountDue } errors { code message field }
  }
}
"""
PREVIEW = """
query ($customerId: ID, $month: Month!, $tier: Tier, $usage: UsageInput) {
  invoicePreview(customerId: $customerId, month: $month, tier: $tier, usage: $usage) {
    month tier currency tierBaseCost usageCharges volumeDiscount adjustments subtotal taxRate taxAmount totalAmount
    lines { position kind metric quantity billable amount bands { quantity amount } }
  }
}
"""


@pytest.fixture
async def billed(ledger: Ledger, acme: Tenant) -> Tenant:
    """Acme with an issued invoice of the month before the last, and a draft of the last."""
    assert acme.customer_id is not None
    for month in (BEFORE, LAST):
        await ledger.use(acme.customer_id, month)
    await ledger.issued(acme.customer_id, BEFORE, now=utc_now())
    await ledger.draft(acme.customer_id, LAST, now=utc_now())
    return acme


async def of(ledger: Ledger, tenant: Tenant, month: Month) -> str:
    assert tenant.customer_id is not None
    return typeid("inv", (await ledger.invoice(tenant.customer_id, month)).id)


async def test_a_tenant_reads_its_invoice_to_the_last_band(ledger: Ledger, billed: Tenant) -> None:
    id = await of(ledger, billed, BEFORE)
    found = (await billed.api(INVOICE, id=id))["invoice"]
    prefix = found["customer"]["invoicePrefix"]
    due_on = (utc_now() + timedelta(days=30)).date().isoformat()
    days = str(BEFORE.days)
    assert [line.pop("description") for line in found["lines"]] == [
        f"Standard base price, {BEFORE.first} to {LAST.first} ({days} of {days} days)",
        "Accounts: 12 over 10 included",
        "CloudTrail events: 12,345,678 over 5,000,000 included",
        "Tax US-WA, 10.35 %",
    ]
    nothing: dict[str, Any] = {
        "metric": None, "tier": None, "adjustedMonth": None, "quantity": None, "billable": None, "bands": [],
    }  # fmt: skip
    assert found == {
        "id": id, "number": f"{prefix}-0001", "month": str(BEFORE), "tier": "STANDARD", "status": "ISSUED",
        "availableActions": [], "currency": "USD", "tierBaseCost": "2000.00", "usageCharges": "57.35",
        "volumeDiscount": "0.00", "adjustments": "0.00", "subtotal": "2057.35", "taxJurisdiction": "US-WA",
        "taxStatus": "TAXABLE", "taxRate": "0.1035", "taxAmount": "212.94", "totalAmount": "2270.29",
        "amountPaid": "0.00", "amountCredited": "0.00", "creditApplied": "0.00", "amountDue": "2270.29",
        "dueOn": due_on, "paidAt": None, "cancelledAt": None, "cancelReason": None, "usageRevision": 1,
        "pdfUrl": f"http://landlord.test/invoices/{id}.pdf",
        "customer": {"id": billed.id, "invoicePrefix": prefix}, "payments": [], "creditNotes": [],
        "rateCard": {"name": "2025 list", "currency": "USD", "effectiveFrom": "2025-01-01"},
        "lines": [
            nothing | {"position": 1, "kind": "BASE", "tier": "STANDARD", "quantity": days, "amount": "2000.00"},
            nothing | {
                "position": 2, "kind": "USAGE", "metric": "ACCOUNT_COUNT", "quantity": "12", "billable": "2",
                "amount": "50.00", "bands": [{"quantity": "2", "unit": "1", "pricePerUnit": "25", "amount": "50"}],
            },
            nothing | {
                "position": 3, "kind": "USAGE", "metric": "CLOUDTRAIL_EVENTS", "quantity": "12345678",
                "billable": "7345678", "amount": "7.35",
                "bands": [
                    {"quantity": "7345678", "unit": "1000000", "pricePerUnit": "1", "amount": "7.345678"},
                ],
            },
            nothing | {"position": 4, "kind": "TAX", "amount": "212.94"},
        ],
    }  # fmt: skip


async def test_drafts_are_for_operators(ledger: Ledger, billed: Tenant, house: Tenant) -> None:
    draft = await of(ledger, billed, LAST)
    assert (await billed.api(INVOICE, id=draft))["invoice"] is None
    seen = (await billed.api(INVOICES))["invoices"]
    assert [node["month"] for node in seen["nodes"]] == [str(BEFORE)]
    assert seen["totalCount"] == 1
    narrowed = (await billed.api(INVOICES, filter={"status": ["DRAFT"]}))["invoices"]
    assert (narrowed["nodes"], narrowed["totalCount"]) == ([], 0)
    of_acme = (await house.api(INVOICES, filter={"customerId": billed.id}))["invoices"]
    assert [(node["month"], node["status"], node["number"] is None) for node in of_acme["nodes"]] == [
        (str(LAST), "DRAFT", True),
        (str(BEFORE), "ISSUED", False),
    ]


async def test_an_invoice_is_found_by_id_or_number_and_by_one_of_them(
    ledger: Ledger, billed: Tenant, globex: Tenant
) -> None:
    id = await of(ledger, billed, BEFORE)
    number = (await billed.api(INVOICE, id=id))["invoice"]["number"]
    assert (await billed.api(INVOICE, number=number))["invoice"]["id"] == id
    for foreign in ({"id": id}, {"number": number}, {"number": "garbage"}, {"number": ""}):
        assert (await globex.api(INVOICE, **foreign))["invoice"] is None
    for wrong in ({}, {"id": id, "number": number}, {"id": ""}, {"id": "inv_garbage"}, {"id": billed.id}):
        with pytest.raises(Refused) as refusal:
            await billed.api(INVOICE, **wrong)
        assert refusal.value.codes == ["INVALID"]


async def test_lists_go_on_where_a_page_ended(ledger: Ledger, billed: Tenant, house: Tenant) -> None:
    mine = {"customerId": billed.id}
    first = (await house.api(INVOICES, first=1, filter=mine))["invoices"]
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"], first["totalCount"]) == (
        True,
        False,
        2,
    )
    cursor = first["pageInfo"]["endCursor"]
    rest = (await house.api(INVOICES, first=1, after=cursor, filter=mine))["invoices"]
    assert [node["month"] for node in (*first["nodes"], *rest["nodes"])] == [str(LAST), str(BEFORE)]
    assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    for wrong in (
        {"first": 0},
        {"first": 101},
        {"after": "garbage"},
        {"after": cursor},
        {"filter": {"customerId": "inv_1"}},
        {"filter": {"from": str(LAST), "to": str(BEFORE)}},
    ):
        with pytest.raises(Refused) as refusal:
            await house.api(INVOICES, **wrong)
        assert refusal.value.codes == ["INVALID"]


async def test_a_customers_invoices_narrow_and_never_widen(billed: Tenant, globex: Tenant) -> None:
    query = """
    query ($filter: InvoiceFilter) {
      customer { balanceDue invoices(filter: $filter) { nodes { month } totalCount } }
    }
    """
    mine = (await billed.api(query))["customer"]
    assert mine == {"balanceDue": "2270.29", "invoices": {"nodes": [{"month": str(BEFORE)}], "totalCount": 1}}
    other_month = {"from": str(LAST), "to": str(LAST)}
    for filter in ({"customerId": globex.id}, other_month, {"status": ["OVERDUE", "PAID"]}):
        narrowed = (await billed.api(query, filter=filter))["customer"]["invoices"]
        assert narrowed == {"nodes": [], "totalCount": 0}
    same = {"customerId": billed.id, "status": ["ISSUED"], "from": str(BEFORE), "to": str(LAST)}
    assert (await billed.api(query, filter=same))["customer"] == mine


async def test_a_list_costs_the_same_few_statements_however_long_it_is(
    ledger: Ledger, house: Tenant, monkeypatch: pytest.MonkeyPatch, one_way: None
) -> None:
    query = """
    query ($ids: InvoiceFilter) {
      invoices(filter: $ids) {
        nodes {
          lines { amount } payments { amount invoice { id } } creditNotes { id } customer { name } rateCard { name }
        }
      }
    }
    """
    asked: list[str] = []
    ask = Session._ask

    async def counting(session: Session, sql: str, args: Any) -> Any:
        asked.append(sql)
        return await ask(session, sql, args)

    monkeypatch.setattr(Session, "_ask", counting)
    found: list[int] = []
    for count in (1, 4):
        months = [LAST.shift(-back) for back in range(count)]
        customer = await ledger.customer(used=months)
        for month in months:
            invoice = await ledger.issued(customer, month, now=utc_now())
            paid = {"amount": "1.00", "method": "card", "idempotencyKey": str(invoice.id)}
            await house.api(PAY, input={"invoiceId": typeid("inv", invoice.id)} | paid)
        asked.clear()
        answer = await house.api(query, ids={"customerId": typeid("cus", customer)})
        nodes = answer["invoices"]["nodes"]
        assert [len(node["payments"]) for node in nodes] == [1] * count
        found.append(len(asked))
    # open, invoices, lines, payments, their invoices, credit notes, customers, price lists
    assert found == [8, 8]


# ---------------------------------------------------------------- changes


async def test_an_operator_issues_takes_payments_and_is_told_what_goes(
    ledger: Ledger, billed: Tenant, house: Tenant
) -> None:
    actions = "query ($id: ID!) { invoice(id: $id) { availableActions } }"
    id = await of(ledger, billed, LAST)

    async def available(caller: Tenant) -> list[str]:
        found: list[str] = (await caller.api(actions, id=id))["invoice"]["availableActions"]
        return found

    assert await available(house) == ["ISSUE", "CANCEL"]
    issued = (await house.api(ISSUE, id=id))["issueInvoice"]
    assert issued["errors"] == []
    assert (issued["invoice"]["status"], issued["invoice"]["number"][7:]) == ("ISSUED", "0002")
    assert await available(house) == ["RECORD_PAYMENT", "CANCEL", "ISSUE_CREDIT_NOTE"]
    assert await available(billed) == []
    reader = await house.landlord.key(None, ["invoices:read", "billing:read"])
    assert await available(reader) == []
    again = (await house.api(ISSUE, id=id))["issueInvoice"]
    assert again["invoice"] is None
    assert [(error["code"], error["field"]) for error in again["errors"]] == [("ILLEGAL_STATE", None)]
    payment = {"invoiceId": id, "amount": "2270.29", "method": "bank transfer", "idempotencyKey": "first"}
    paid = (await house.api(PAY, input=payment))["recordPayment"]
    assert (paid["errors"], paid["invoice"]["status"], paid["invoice"]["amountDue"]) == ([], "PAID", "0.00")
    assert [(one["amount"], one["invoice"]["id"]) for one in paid["invoice"]["payments"]] == [("2270.29", id)]
    assert (await house.api(PAY, input=payment))["recordPayment"] == paid
    other = (await house.api(PAY, input=payment | {"amount": "1.00"}))["recordPayment"]
    assert other == {"invoice": None, "errors": [{"code": "IDEMPOTENCY_MISMATCH", "field": None}]}
    assert await available(house) == ["ISSUE_CREDIT_NOTE"]
    trail = await house.landlord.admin.fetch(
        "select event_type, resource_type, resource_id, customer_id, status from audit_events"
        " where resource_id = $1 and actor_kind = 'operator' order by id",
        id,
    )
    mine = ("Invoice", id, billed.customer_id, "success")
    assert [tuple(row) for row in trail] == [
        ("invoice.issued", *mine),
        ("invoice.payment_recorded", *mine),
        ("mutation.repeated", *mine),
    ]


async def test_a_refused_change_says_why_and_changes_nothing(ledger: Ledger, billed: Tenant, house: Tenant) -> None:
    id = await of(ledger, billed, BEFORE)
    before = await house.api(INVOICE, id=id)
    later = (utc_now() + timedelta(hours=1)).isoformat()
    payment = {"invoiceId": id, "amount": "1.00", "method": "card", "idempotencyKey": "k"}
    for change, code, field in (
        ({"amount": "2270.30"}, "INVALID", "amount"),
        ({"amount": "-1.00"}, "INVALID", "amount"),
        ({"receivedAt": later}, "INVALID", "receivedAt"),
        ({"invoiceId": billed.id}, "INVALID", "invoiceId"),
        ({"idempotencyKey": ""}, "INVALID", "idempotencyKey"),
    ):
        answer = (await house.api(PAY, input=payment | change))["recordPayment"]
        assert answer == {"invoice": None, "errors": [{"code": code, "field": ["input", field]}]}
    refused = (await house.api(CANCEL, id=id, reason=" "))["cancelInvoice"]
    assert [(error["code"], error["field"]) for error in refused["errors"]] == [("INVALID", ["input", "reason"])]
    unknown = (await house.api(ISSUE, id=typeid("inv", UUID(int=1))))["issueInvoice"]
    assert [error["code"] for error in unknown["errors"]] == ["NOT_FOUND"]
    for mutation, variables in ((ISSUE, {"id": id}), (CANCEL, {"id": id, "reason": "x"}), (PAY, {"input": payment})):
        (answer,) = (await billed.api(mutation, **variables)).values()
        assert (answer["invoice"], [error["code"] for error in answer["errors"]]) == (None, ["FORBIDDEN"])
    assert await house.api(INVOICE, id=id) == before


async def test_an_operator_cancels_and_the_tenant_reads_why(ledger: Ledger, billed: Tenant, house: Tenant) -> None:
    id = await of(ledger, billed, BEFORE)
    number = (await billed.api(INVOICE, id=id))["invoice"]["number"]
    cancelled = (await house.api(CANCEL, id=id, reason="disputed"))["cancelInvoice"]
    assert cancelled == {
        "invoice": {"number": number, "status": "CANCELLED", "cancelReason": "disputed", "amountDue": "0.00"},
        "errors": [],
    }
    seen = (await billed.api(INVOICE, id=id))["invoice"]
    assert (seen["status"], seen["cancelReason"]) == ("CANCELLED", "disputed")
    assert (await billed.api("{ customer { balanceDue } }"))["customer"]["balanceDue"] == "0.00"


# ---------------------------------------------------------------- preview


async def test_a_tenant_previews_its_month_and_what_another_tier_or_use_would_cost(billed: Tenant) -> None:
    found = (await billed.api(PREVIEW, month=str(LAST)))["invoicePreview"]
    lines = found.pop("lines")
    assert found == {
        "month": str(LAST), "tier": "STANDARD", "currency": "USD", "tierBaseCost": "2000.00", "usageCharges": "57.35",
        "volumeDiscount": "0.00", "adjustments": "0.00", "subtotal": "2057.35", "taxRate": "0.1035",
        "taxAmount": "212.94", "totalAmount": "2270.29",
    }  # fmt: skip
    assert lines[2] == {
        "position": 3, "kind": "USAGE", "metric": "CLOUDTRAIL_EVENTS", "quantity": "12345678", "billable": "7345678",
        "amount": "7.35", "bands": [{"quantity": "7345678", "amount": "7.345678"}],
    }  # fmt: skip
    usage = {"accountCount": 410, "dataTransferGb": "100.5"}
    other = (await billed.api(PREVIEW, month=str(LAST), tier="FINTECH", usage=usage))["invoicePreview"]
    # 360 accounts over 50: 100 at 25.00 and 260 at 20.00; 5 % off
    assert [other[name] for name in ("tier", "tierBaseCost", "usageCharges", "volumeDiscount", "totalAmount")] == [
        "FINTECH", "8000.00", "7700.00", "385.00", "16900.10",
    ]  # fmt: skip


async def test_a_preview_that_cannot_be_says_why(ledger: Ledger, billed: Tenant, globex: Tenant, house: Tenant) -> None:
    assert (await house.api(PREVIEW, month=str(LAST)))["invoicePreview"] is None
    assert (await globex.api(PREVIEW, month=str(LAST), customerId=billed.id))["invoicePreview"] is None
    assert (await billed.api(PREVIEW, month="2024-12"))["invoicePreview"] is None
    untaxed = typeid("cus", await ledger.customer(jurisdiction="ZZ", used=()))
    for caller, variables, code in (
        (house, {"month": str(LAST), "customerId": untaxed}, "NO_TAX_RATE"),
        (billed, {"month": str(LAST), "usage": {"accountCount": -1}}, "INVALID"),
        (billed, {"month": str(LAST), "customerId": "garbage"}, "INVALID"),
        (billed, {"month": "9999-12"}, "INVALID"),
    ):
        with pytest.raises(Refused) as refusal:
            await caller.api(PREVIEW, **variables)
        assert refusal.value.codes == [code]
