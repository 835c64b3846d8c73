"""`Invoice.pdfUrl`, and what is served there: to whoever may read the invoice, and to nobody else."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from billing import pdf
from db.invoices import InvoiceRow
from schema.ids import typeid
from tests.landlord import Landlord, Tenant
from tests.ledger import Ledger

PDF_URL = "query($id: ID!) { invoice(id: $id) { pdfUrl } }"


async def issued(ledger: Ledger, tenant: Tenant) -> InvoiceRow:
    assert tenant.customer_id is not None
    await ledger.use(tenant.customer_id)
    return await ledger.issued(tenant.customer_id)


async def fetch(caller: Tenant, url: str, **headers: str) -> httpx.Response:
    return await caller.landlord.http.get(url, headers={"Authorization": f"Bearer {caller.token}"} | headers)


async def events(caller: Tenant, resource: str | None) -> list[tuple[Any, ...]]:
    rows = await caller.landlord.admin.fetch(
        """
        select event_type, action, status, actor, resource_type, error_message, metadata ->> 'fields' as fields
          from audit_events where resource_id is not distinct from $1 and metadata ->> 'fields' like '%invoicePdf%'
           and (customer_id is not distinct from $2)
         order by id
        """,
        resource,
        caller.customer_id,
    )
    return [tuple(row) for row in rows]


FIELDS = '["invoicePdf"]'


async def test_a_tenant_fetches_its_invoice_where_pdf_url_says_and_leaves_an_event(
    ledger: Ledger, acme: Tenant
) -> None:
    invoice = await issued(ledger, acme)
    id = typeid("inv", invoice.id)
    url = (await acme.api(PDF_URL, id=id))["invoice"]["pdfUrl"]
    assert url == f"http://landlord.test/invoices/{id}.pdf"
    answer = await fetch(acme, url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == f'inline; filename="{invoice.number}.pdf"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    async with acme.session() as session:
        assert answer.content == pdf.render(await pdf.read(session, *invoice.key))
    assert await events(acme, id) == [("api.query", "read", "success", "front end", "Invoice", None, FIELDS)]
    assert (await fetch(acme, url)).content == answer.content


async def test_an_api_key_opens_it_as_a_session_does(ledger: Ledger, acme: Tenant) -> None:
    invoice = await issued(ledger, acme)
    url = f"/invoices/{typeid('inv', invoice.id)}.pdf"
    answer = await fetch(acme, url, Authorization=f"Bearer {acme.key}")
    assert answer.status_code == 200
    assert answer.content == (await fetch(acme, url)).content


async def test_an_operator_fetches_any_invoice(ledger: Ledger, acme: Tenant, house: Tenant) -> None:
    invoice = await issued(ledger, acme)
    id = typeid("inv", invoice.id)
    answer = await fetch(house, f"/invoices/{id}.pdf")
    assert answer.status_code == 200
    assert answer.content == (await fetch(acme, f"/invoices/{id}.pdf")).content
    assert await events(house, id) == [("api.query", "read", "success", "operations", "Invoice", None, FIELDS)]


async def test_a_neighbours_invoice_and_one_that_is_not_there_are_one_and_the_same(
    ledger: Ledger, acme: Tenant, globex: Tenant
) -> None:
    invoice = await issued(ledger, acme)
    theirs = typeid("inv", invoice.id)
    answers = []
    for id in (theirs, "inv_01jd8x00000000000000000000", "inv_1", "cus_01jd8x00000000000000000000", "%2e%2e"):
        answer = await fetch(globex, f"/invoices/{id}.pdf")
        body = answer.json()
        assert body["errors"][0]["extensions"].pop("requestId") == answer.headers["x-request-id"]
        answers.append((answer.status_code, body))
    refused = {
        "message": "There is no such invoice, or it is not yours.",
        "extensions": {"code": "NOT_FOUND"},
    }
    assert answers == [(404, {"errors": [refused]})] * 5
    failure = "NOT_FOUND: There is no such invoice, or it is not yours."
    assert await events(globex, theirs) == [("api.query", "read", "failure", "front end", "Invoice", failure, FIELDS)]
    assert len(await events(globex, None)) == 3
    assert await events(acme, theirs) == []


async def test_a_draft_has_no_pdf_for_anybody(ledger: Ledger, acme: Tenant, house: Tenant) -> None:
    assert acme.customer_id is not None
    await ledger.use(acme.customer_id)
    id = typeid("inv", (await ledger.draft(acme.customer_id)).id)
    assert await house.api(PDF_URL, id=id) == {"invoice": {"pdfUrl": None}}
    assert await acme.api(PDF_URL, id=id) == {"invoice": None}
    assert [(await fetch(caller, f"/invoices/{id}.pdf")).status_code for caller in (house, acme)] == [404, 404]


@pytest.mark.parametrize("credentials", [None, "Bearer nonsense", "Basic YTpi", "Bearer lz_test_abc"])
async def test_without_credentials_that_work_nothing_is_served(
    ledger: Ledger, acme: Tenant, credentials: str | None
) -> None:
    invoice = await issued(ledger, acme)
    id = typeid("inv", invoice.id)
    headers = {} if credentials is None else {"Authorization": credentials}
    answer = await acme.landlord.http.get(f"/invoices/{id}.pdf", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert await events(acme, id) == []
    left = await acme.landlord.admin.fetch(
        "select event_type, status, actor_kind, customer_id from audit_events where resource_id = $1 and event_type = 'auth.denied'",
        id,
    )
    assert [tuple(row) for row in left] == [("auth.denied", "denied", "anonymous", None)]


async def test_a_key_without_the_scope_is_refused(landlord: Landlord, ledger: Ledger, acme: Tenant) -> None:
    invoice = await issued(ledger, acme)
    id = typeid("inv", invoice.id)
    clerk = await landlord.key(acme.customer_id, ["tickets:read"], "clerk")
    answer = await fetch(clerk, f"/invoices/{id}.pdf")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
    assert await events(acme, id) == [
        (
            "api.query", "read", "denied", "clerk", "Invoice",
            "FORBIDDEN: This key or session lacks the scope `invoices:read`.", FIELDS,
        )
    ]  # fmt: skip


async def test_a_key_that_was_revoked_is_refused_at_once(ledger: Ledger, acme: Tenant) -> None:
    invoice = await issued(ledger, acme)
    url = f"/invoices/{typeid('inv', invoice.id)}.pdf"
    assert (await fetch(acme, url)).status_code == 200
    await acme.landlord.admin.execute("update api_keys set revoked_at = now() where id = $1", acme.key_id)
    assert (await fetch(acme, url)).status_code == 401


async def test_a_suspended_customer_still_reads_its_invoices(ledger: Ledger, acme: Tenant) -> None:
    invoice = await issued(ledger, acme)
    await acme.landlord.admin.execute(
        "update customers set suspended_at = now(), suspended_reason = 'unpaid' where id = $1", acme.customer_id
    )
    assert (await fetch(acme, f"/invoices/{typeid('inv', invoice.id)}.pdf")).status_code == 200


async def test_it_is_read_and_nothing_else(ledger: Ledger, acme: Tenant) -> None:
    invoice = await issued(ledger, acme)
    answer = await acme.landlord.http.post(f"/invoices/{typeid('inv', invoice.id)}.pdf")
    assert answer.status_code == 405
