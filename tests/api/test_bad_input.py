"""Bad input, case by case through the real API: each is refused by its own code, field and sentence, and stores nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from app import Settings, utc_now
from auth import keys, sessions
from auth.sessions import SigningKeys
from tests.api.books import GOOD, MUTATIONS, Books, document, object_of
from tests.api.conftest import Stored
from tests.landlord import Landlord, Tenant
from tests.prices.documents import MISTAKES

LINE = "A text in one line is expected, without control characters."
EMAIL = "An e-mail address has one @, something on both sides of it, and no spaces."
DAY = "A day in the years 1970 to 2999 is expected."
GIVEN = "This cannot be null: leave it out to keep it as it is."
NO_CUSTOMER = "There is no such customer, or it is not yours."
COUNT = "A number from 0 to 2,147,483,647 is expected."
EVENTS = "A number from 0 to 999,999,999,999,999 is expected."
BYTES = "A number from 0 to 999,999,999,999,999,999 is expected."
GIGABYTES = "A number from 0 to less than 1,000,000,000,000 is expected."
ADDRESS = (
    "An address begins with https://, names a host and not a number, and has no port but 443, no password and no #."
)
PLACES = "At most six decimal places are expected."


def length(most: int) -> str:
    return f"A text of 1 to {most} characters is expected."


def no_id(prefix: str) -> str:
    return f"This is no ID that begins with `{prefix}_` and goes on with 26 characters."


# ---------------------------------------------------------------- mutations: what differs from an input that works

# mutation, what differs, code, field below `input`, message
REFUSED: list[tuple[str, dict[str, Any], str, str | None, str]] = [
    ("createCustomer", {"name": ""}, "INVALID", "name", length(200)),
    ("createCustomer", {"name": " \t "}, "INVALID", "name", length(200)),
    ("createCustomer", {"name": "x" * 201}, "INVALID", "name", length(200)),
    ("createCustomer", {"name": "two\nlines"}, "INVALID", "name", LINE),
    ("createCustomer", {"email": "it.initech.example"}, "INVALID", "email", EMAIL),
    ("createCustomer", {"email": "@initech.example"}, "INVALID", "email", EMAIL),
    ("createCustomer", {"email": "it@"}, "INVALID", "email", EMAIL),
    ("createCustomer", {"email": "a@b@c"}, "INVALID", "email", EMAIL),
    ("createCustomer", {"email": "it @initech.example"}, "INVALID", "email", EMAIL),
    ("createCustomer", {"email": ""}, "INVALID", "email", length(254)),
    ("createCustomer", {"billingEmail": "nobody"}, "INVALID", "billingEmail", EMAIL),
    ("createCustomer", {"framework": ""}, "INVALID", "framework", length(50)),
    ("createCustomer", {"awsAccountId": "12345"}, "INVALID", "awsAccountId", "An AWS account ID has exactly 12 digits."),
    ("createCustomer", {"awsOrgId": "o-1"}, "INVALID", "awsOrgId",
     "An AWS organization ID is `o-` and 10 to 32 small letters and digits, such as o-a1b2c3d4e5."),
    ("createCustomer", {"taxJurisdiction": "germany"}, "INVALID", "taxJurisdiction",
     "A jurisdiction is an ISO 3166 code, with the state where one taxes by itself: DE, US-WA."),
    ("createCustomer", {"activeFrom": "9999-12-31"}, "INVALID", "activeFrom", DAY),
    ("createCustomer", {"activeFrom": "0001-01-01"}, "INVALID", "activeFrom", DAY),
    ("updateCustomer", {"id": "<issued>"}, "INVALID", "id", no_id("cus")),
    ("updateCustomer", {"id": "<nobody>"}, "NOT_FOUND", None, NO_CUSTOMER),
    ("updateCustomer", {"name": None}, "INVALID", "name", GIVEN),
    ("updateCustomer", {"name": " "}, "INVALID", "name", length(200)),
    ("updateCustomer", {"email": "nobody"}, "INVALID", "email", EMAIL),
    ("updateCustomer", {"tags": None}, "INVALID", "tags", GIVEN),
    ("updateCustomer", {"taxStatus": None}, "INVALID", "taxStatus", GIVEN),
    ("changeTier", {"effectiveOn": "2024-12-31"}, "INVALID", "effectiveOn",
     "This customer starts on 2025-01-01: its tier can change on that day or later."),
    ("changeTier", {"effectiveOn": "2026-09-30"}, "ILLEGAL_STATE", None,
     "2026-09 has an invoice that is issued or paid: the first day that can still change is 2026-10-01."),
    ("changeTier", {"effectiveOn": "9999-12-31"}, "INVALID", "effectiveOn", DAY),
    ("changeTier", {"id": "cus_1"}, "INVALID", "id", no_id("cus")),
    ("suspendCustomer", {"reason": ""}, "INVALID", "reason", length(500)),
    ("suspendCustomer", {"id": "<suspended>"}, "ILLEGAL_STATE", None, "This customer is suspended already."),
    ("reinstateCustomer", {"id": "<customer>"}, "ILLEGAL_STATE", None, "This customer is not suspended."),
    ("closeCustomer", {"closedOn": "2024-12-31"}, "INVALID", "closedOn",
     "This customer starts on 2025-01-01: it can close on that day or later."),
    ("closeCustomer", {"reason": "x" * 501}, "INVALID", "reason", length(500)),
    ("recordUsage", {"month": "<next month>"}, "INVALID", "month", "<next month> has not begun yet."),
    ("recordUsage", {"month": "9999-12"}, "INVALID", "month", "9999-12 has not begun yet."),
    ("recordUsage", {"month": "2024-12"}, "INVALID", "month",
     "2024-12 has no billable day: this customer's service began on 2025-01-01."),
    ("recordUsage", {"customerId": "<closed>", "month": "2026-10"}, "INVALID", "month",
     "2026-10 has no billable day: this customer's service began on 2025-01-01 and ended before 2026-10-01."),
    ("recordUsage", {"usage": {"accountCount": -1}}, "INVALID", "usage.accountCount", COUNT),
    ("recordUsage", {"usage": {"ouCount": -1}}, "INVALID", "usage.ouCount", COUNT),
    ("recordUsage", {"usage": {"scpCount": -2147483648}}, "INVALID", "usage.scpCount", COUNT),
    ("recordUsage", {"usage": {"cloudtrailEvents": "-1"}}, "INVALID", "usage.cloudtrailEvents", EVENTS),
    ("recordUsage", {"usage": {"cloudtrailEvents": str(10**15)}}, "INVALID", "usage.cloudtrailEvents", EVENTS),
    ("recordUsage", {"usage": {"configEvaluations": "-1"}}, "INVALID", "usage.configEvaluations", EVENTS),
    ("recordUsage", {"usage": {"natBytesProcessed": "-1"}}, "INVALID", "usage.natBytesProcessed", BYTES),
    ("recordUsage", {"usage": {"natBytesProcessed": str(10**18)}}, "INVALID", "usage.natBytesProcessed", BYTES),
    ("recordUsage", {"usage": {"logStorageGb": "-0.000001"}}, "INVALID", "usage.logStorageGb", GIGABYTES),
    ("recordUsage", {"usage": {"logStorageGb": str(10**30)}}, "INVALID", "usage.logStorageGb", GIGABYTES),
    ("recordUsage", {"usage": {"dataTransferGb": str(10**12)}}, "INVALID", "usage.dataTransferGb", GIGABYTES),
    ("recordUsage", {"usage": {"dataTransferGb": "0.0000001"}}, "INVALID", "usage.dataTransferGb", PLACES),
    ("recordUsage", {"expectedRevision": 7}, "CONFLICT", "expectedRevision",
     "The newest revision of <this month> is 0, not 7: look at it, then record again."),
    ("recordUsage", {"customerId": "<ticket>"}, "INVALID", "customerId", no_id("cus")),
    ("recordUsage", {"customerId": "<nobody>"}, "NOT_FOUND", None, NO_CUSTOMER),
    ("syncUsage", {"month": "<next month>"}, "INVALID", "month", "<next month> has not begun yet."),
    ("syncUsage", {"month": "9999-12"}, "INVALID", "month", "9999-12 has not begun yet."),
    ("syncUsage", {"customerIds": []}, "INVALID", "customerIds",
     "Name a customer, or leave the list out to read everyone's."),
    ("syncUsage", {"customerIds": ["<customer>", "<nobody>"]}, "NOT_FOUND", "customerIds", NO_CUSTOMER),
    ("syncUsage", {"customerIds": ["<customer>", "<ticket>"]}, "INVALID", "customerIds", no_id("cus")),
    ("syncUsage", {"idempotencyKey": ""}, "INVALID", "idempotencyKey",
     "An idempotency key has 1 to 255 printable characters."),
    *(("addRateCard", {"document": text}, "INVALID", "document", mistake.said(text))
      for mistake in MISTAKES.values() for text in [mistake.document()]),
    ("addRateCard", {"document": ""}, "INVALID", "document", "line 1: the text ends too early."),
    ("runBilling", {"month": "<this month>"}, "INVALID", "month",
     "<this month> is not over: bill it from <end of this month> on, or make a dry run."),
    ("runBilling", {"month": "<next month>", "issue": True}, "INVALID", "month",
     "<next month> is not over: bill it from <end of next month> on, or make a dry run."),
    ("runBilling", {"customerIds": []}, "INVALID", "customerIds",
     "Name a customer, or leave the list out to bill everyone."),
    ("runBilling", {"customerIds": ["<customer>", "<nobody>"]}, "NOT_FOUND", "customerIds", NO_CUSTOMER),
    ("runBilling", {"customerIds": ["<customer>", "x"]}, "INVALID", "customerIds", no_id("cus")),
    ("issueInvoice", {"id": "<customer>"}, "INVALID", "id", no_id("inv")),
    ("issueInvoice", {"id": "<issued>"}, "ILLEGAL_STATE", None, "Invoice <number> is issued: only a draft can be issued."),
    ("recordPayment", {"amount": "0"}, "INVALID", "amount", "A payment is more than 0.00."),
    ("recordPayment", {"amount": "-1.00"}, "INVALID", "amount", "A payment is more than 0.00."),
    ("recordPayment", {"amount": "0.001"}, "INVALID", "amount", "Money has two decimal places."),
    ("recordPayment", {"amount": str(10**30)}, "INVALID", "amount",
     "<due> is due on this invoice: a payment is at most that."),
    ("recordPayment", {"amount": "<a cent more than due>"}, "INVALID", "amount",
     "<due> is due on this invoice: a payment is at most that."),
    ("recordPayment", {"invoiceId": "<paid>"}, "ILLEGAL_STATE", None,
     "Invoice <paid number> is paid: only an issued or overdue invoice takes a payment."),
    ("recordPayment", {"method": ""}, "INVALID", "method", length(50)),
    ("recordPayment", {"reference": " "}, "INVALID", "reference", length(200)),
    ("recordPayment", {"receivedAt": "<tomorrow>"}, "INVALID", "receivedAt",
     "A payment is recorded once it has come in, not before."),
    ("recordPayment", {"invoiceId": "<draft>"}, "ILLEGAL_STATE", None,
     "This invoice is a draft: only an issued or overdue invoice takes a payment."),
    ("recordPayment", {"invoiceId": "<number>"}, "INVALID", "invoiceId", no_id("inv")),
    ("recordPayment", {"idempotencyKey": ""}, "INVALID", "idempotencyKey",
     "An idempotency key has 1 to 255 printable characters."),
    ("recordPayment", {"idempotencyKey": "x" * 256}, "INVALID", "idempotencyKey",
     "An idempotency key has 1 to 255 printable characters."),
    ("issueCreditNote", {"amount": "-1.00"}, "INVALID", "amount", "A credit note is more than 0.00."),
    ("issueCreditNote", {"amount": str(10**30)}, "INVALID", "amount",
     "<due> is due on this invoice: a credit note is at most that."),
    ("issueCreditNote", {"amount": "<a cent more than due>"}, "INVALID", "amount",
     "<due> is due on this invoice: a credit note is at most that."),
    ("issueCreditNote", {"invoiceId": "<paid>", "amount": "<a cent more than due>"}, "INVALID", "amount",
     "<due> was not credited before on this invoice: a credit note is at most that."),
    ("issueCreditNote", {"amount": "0"}, "INVALID", "amount", "A credit note is more than 0.00."),
    ("issueCreditNote", {"reason": ""}, "INVALID", "reason", length(500)),
    ("issueCreditNote", {"invoiceId": "<draft>"}, "ILLEGAL_STATE", None,
     "This invoice is a draft: only an issued, overdue or paid one that is not wholly credited can be credited."),
    ("cancelInvoice", {"id": "<paid>"}, "ILLEGAL_STATE", None,
     "Invoice <paid number> is paid: only a draft, or an issued or overdue one without payment and credit note, can be"
     " cancelled."),
    ("cancelInvoice", {"reason": " "}, "INVALID", "reason", length(500)),
    ("cancelInvoice", {"id": "<ticket>"}, "INVALID", "id", no_id("inv")),
    ("openTicket", {"subject": ""}, "INVALID", "subject", length(200)),
    ("openTicket", {"subject": "two\nlines"}, "INVALID", "subject", LINE),
    ("openTicket", {"body": " \n "}, "INVALID", "body", length(20_000)),
    ("openTicket", {"body": "x" * 20_001}, "INVALID", "body", length(20_000)),
    ("openTicket", {"customerId": "<foreign customer>"}, "NOT_FOUND", "customerId", NO_CUSTOMER),
    ("openTicket", {"customerId": "<ticket>"}, "INVALID", "customerId", no_id("cus")),
    ("commentOnTicket", {"body": ""}, "INVALID", "body", length(20_000)),
    ("commentOnTicket", {"id": "<customer>"}, "INVALID", "id", no_id("tkt")),
    ("commentOnTicket", {"id": "<foreign ticket>"}, "NOT_FOUND", None, "There is no such ticket, or it is not yours."),
    ("commentOnTicket", {"internal": True}, "FORBIDDEN", None,
     "Internal comments are for operators alone, whose keys have the scope `operator`."),
    ("updateTicket", {"status": "IN_PROGRESS"}, "INVALID", "status", "You can set a ticket to OPEN, RESOLVED or CLOSED."),
    ("updateTicket", {"priority": None}, "INVALID", "priority", GIVEN),
    ("updateTicket", {"assignedTo": "me"}, "FORBIDDEN", None,
     "Tickets are assigned by operators alone, whose keys have the scope `operator`."),
    ("updateTicket", {"id": "<foreign ticket>"}, "NOT_FOUND", None, "There is no such ticket, or it is not yours."),
    ("createApiKey", {"name": ""}, "INVALID", "name", "A key's name has 1 to 100 characters."),
    ("createApiKey", {"scopes": []}, "INVALID", "scopes", "Name at least one scope."),
    ("createApiKey", {"scopes": ["read", "customers:write"]}, "FORBIDDEN", None,
     "The scope `customers:write` goes to operators' keys alone."),
    ("createApiKey", {"expiresAt": "<yesterday>"}, "INVALID", "expiresAt", "A new key expires in the future, or never."),
    ("createApiKey", {"customerId": "<foreign customer>"}, "NOT_FOUND", "customerId", NO_CUSTOMER),
    ("rotateApiKey", {"overlapMinutes": -1}, "INVALID", "overlapMinutes",
     "The overlap is 0 to 43200 minutes (30 days)."),
    ("rotateApiKey", {"overlapMinutes": 43_201}, "INVALID", "overlapMinutes",
     "The overlap is 0 to 43200 minutes (30 days)."),
    ("rotateApiKey", {"id": "<customer>"}, "INVALID", "id", no_id("key")),
    ("revokeApiKey", {"id": "<key>"}, "INVALID", "id", no_id("key")),
    ("createWebhookEndpoint", {"url": "http://hooks.acme.example"}, "INVALID", "url", ADDRESS),
    ("createWebhookEndpoint", {"url": "https://127.0.0.1/hooks"}, "INVALID", "url", ADDRESS),
    ("createWebhookEndpoint", {"url": "https://user:secret@hooks.acme.example"}, "INVALID", "url", ADDRESS),
    ("deleteWebhookEndpoint", {"id": "<customer>"}, "INVALID", "id", no_id("whe")),
    ("sendNotification", {"title": ""}, "INVALID", "title", length(200)),
    ("sendNotification", {"message": " "}, "INVALID", "message", length(20_000)),
    ("sendNotification", {"customerId": "<nobody>"}, "NOT_FOUND", "customerId", NO_CUSTOMER),
]  # fmt: skip


@pytest.mark.parametrize(("mutation", "changed", "code", "field", "message"), REFUSED)
async def test_a_mutation_that_cannot_be_is_refused_as_data(
    books: Books, stored: Stored, mutation: str, changed: dict[str, Any], code: str, field: str | None, message: str
) -> None:
    before = await stored()
    answer = await books.caller(mutation).api(document(mutation), input=books.good(mutation, **changed))
    path = None if field is None else ["input", *field.split(".")]
    assert answer[mutation] == {
        object_of(mutation): None,
        "errors": [{"code": code, "field": path, "message": books.fill(message)}],
    }
    assert await stored() == before


def test_no_mutation_is_left_out() -> None:
    """Of those that take an input. That what the cases differ from works is tested beside the absurd values."""
    assert set(GOOD) == {name for name, field in MUTATIONS.items() if field.args}
    assert {mutation for mutation, *_ in REFUSED} == set(GOOD) - {"createSession"}


# ---------------------------------------------------------------- arguments of queries

FIRST = "`first` is 1 to 100."
NO_CURSOR = "This is no cursor: take `endCursor` of the page before."
FOREIGN_CURSOR = "This cursor is of another list, or of this one under another filter."
NO_ID = "This is no ID: one has a prefix, an underscore and 26 characters."
SPAN = "At most 36 months can be asked for at once."

# the root field and what is selected of it, code, field, message
ASKED: list[tuple[str, str, str | None, str]] = [
    ("invoices(first: 0) { nodes { id } }", "INVALID", "first", FIRST),
    ("invoices(first: 101) { nodes { id } }", "INVALID", "first", FIRST),
    ("invoices(first: -1) { nodes { id } }", "INVALID", "first", FIRST),
    ("tickets(first: 2147483647) { nodes { id } }", "INVALID", "first", FIRST),
    ("customers(first: 0) { nodes { id } }", "INVALID", "first", FIRST),
    ("auditEvents(first: 501) { nodes { id } }", "INVALID", "first", "`first` is 1 to 500."),
    ("customer { invoices(first: 0) { nodes { id } } }", "INVALID", "first", FIRST),
    ("customer { tickets { nodes { comments(first: 101) { nodes { id } } } } }", "INVALID", "first", FIRST),
    ('invoices(after: "") { nodes { id } }', "INVALID", "after", NO_CURSOR),
    ('invoices(after: "garbage") { nodes { id } }', "INVALID", "after", NO_CURSOR),
    ('invoices(after: "bnVsbA") { nodes { id } }', "INVALID", "after", NO_CURSOR),
    ('invoices(after: "<issued>") { nodes { id } }', "INVALID", "after", NO_CURSOR),
    ('invoices(after: "<invoices cursor>=") { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    # of another list
    ('invoices(after: "<tickets cursor>") { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    ('tickets(after: "<invoices cursor>") { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    ('auditEvents(after: "<customers cursor>") { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    ('customers(after: "<auditEvents cursor>") { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    ('customer { invoices(after: "<invoices cursor>") { nodes { id } } }', "INVALID", "after", FOREIGN_CURSOR),
    ('invoices(after: "<own invoices cursor>") { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    ('customer { tickets(after: "<own invoices cursor>") { nodes { id } } }', "INVALID", "after", FOREIGN_CURSOR),
    # of another filter
    ('tickets(after: "<urgent cursor>") { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    ('tickets(after: "<urgent cursor>", filter: {status: [CLOSED]}) { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    ('invoices(after: "<invoices cursor>", filter: {from: "2026-01"}) { nodes { id } }', "INVALID", "after", FOREIGN_CURSOR),
    # of another parent
    ('ticket(id: "<another ticket>") { comments(after: "<comments cursor>") { nodes { id } } }',
     "INVALID", "after", FOREIGN_CURSOR),
    ('node(id: "x") { id }', "INVALID", "id", NO_ID),
    ('node(id: "zzz_01jd8xzzzzzzzzzzzzzzzzzzzz") { id }', "INVALID", "id",
     "This is no ID: nothing here begins with `zzz_`."),
    ('customer(id: "<issued>") { id }', "INVALID", "id", no_id("cus")),
    ('invoice(id: "<customer>") { id }', "INVALID", "id", no_id("inv")),
    ('invoice(id: "<number>") { id }', "INVALID", "id", no_id("inv")),
    ('invoice(id: "<issued>", number: "<number>") { id }', "INVALID", "id",
     "Name the invoice by its ID or by its number: by one of them."),
    ("invoice { id }", "INVALID", "id", "Name the invoice by its ID or by its number: by one of them."),
    ('ticket(id: "tkt_") { id }', "INVALID", "id", no_id("tkt")),
    ('usage(customerId: "<ticket>") { month }', "INVALID", "customerId", no_id("cus")),
    ('invoices(filter: {customerId: "<ticket>"}) { nodes { id } }', "INVALID", "filter.customerId", no_id("cus")),
    ('tickets(filter: {customerId: ""}) { nodes { id } }', "INVALID", "filter.customerId", no_id("cus")),
    ('auditEvents(filter: {customerId: "1"}) { nodes { id } }', "INVALID", "filter.customerId", no_id("cus")),
    ('auditEvents(filter: {resourceId: "<number>"}) { nodes { id } }', "INVALID", "filter.resourceId", NO_ID),
    ('auditEvents(filter: {since: "<tomorrow>", until: "<yesterday>"}) { nodes { id } }', "INVALID", "filter.since",
     "`since` comes after `until`: give the earlier instant first."),
    ('usage(from: "2023-01", to: "2026-01") { month }', "INVALID", "from", SPAN),
    ('usage(from: "2026-02", to: "2026-01") { month }', "INVALID", "from",
     "2026-02 comes after 2026-01: name the earlier month first."),
    ('customer { usage(from: "0001-01") { month } }', "INVALID", "from", SPAN),
    ('invoicePreview(month: "2026-10", usage: {ouCount: -1}) { totalAmount }', "INVALID", "usage.ouCount", COUNT),
    ('invoicePreview(month: "2026-10", usage: {natBytesProcessed: "-1"}) { totalAmount }',
     "INVALID", "usage.natBytesProcessed", BYTES),
    ('invoicePreview(month: "2026-10", usage: {logStorageGb: "1000000000000"}) { totalAmount }',
     "INVALID", "usage.logStorageGb", GIGABYTES),
    ('invoicePreview(month: "9999-12") { totalAmount }', "INVALID", None,
     "Months reach from 0001-01 to 9999-12: 10000-01 is not one of them."),
    ('usageSync(id: "<sync>") { id }', "FORBIDDEN", None, "This key or session lacks the scope `usage:write`."),
    ('billingRun(id: "x") { id }', "FORBIDDEN", None, "This key or session lacks the scope `billing:read`."),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "code", "field", "message"), ASKED)
async def test_a_query_that_cannot_be_is_refused(
    books: Books, stored: Stored, asked: str, code: str, field: str | None, message: str
) -> None:
    before = await stored()
    answer = await books.acme.post(books.fill(f"{{ {asked} }}"))
    assert answer.status_code < 500
    error, *others = answer.json()["errors"]
    assert others == []
    assert (error["extensions"]["code"], error["message"]) == (code, message)
    assert error["extensions"].get("field") == (None if field is None else field.split("."))
    assert await stored() == before


# ---------------------------------------------------------------- values that are none of their type

MONTH = "A month is written as a year and a month from 01 to 12, such as 2026-10."
INSTANT = "An instant is a string as in RFC 3339, with its offset: 2026-10-31T23:59:59.123456Z."
BIG_INT = 'A BigInt is a whole number of at most 64 bits as a string, such as "12345678901".'
DECIMAL = 'A decimal is a string of digits, such as "12.50": no float, no exponent, no separators.'

# mutation, what differs, where the message says it is, and the rest of the message
MISTYPED: list[tuple[str, dict[str, Any], str, str]] = [
    ("recordUsage", {"month": "2026-13"}, ".month", MONTH),
    ("recordUsage", {"month": "2026-00"}, ".month", MONTH),
    ("recordUsage", {"month": "0000-01"}, ".month", MONTH),
    ("recordUsage", {"month": "26-1"}, ".month", MONTH),
    ("recordUsage", {"month": 202610}, ".month", "A month is a string, such as 2026-10."),
    ("recordUsage", {"usage": {"accountCount": 10**30}}, ".usage.accountCount",
     "Int cannot represent non 32-bit signed integer value: 1e+30"),
    ("recordUsage", {"usage": {"accountCount": 2**31}}, ".usage.accountCount",
     "Int cannot represent non 32-bit signed integer value: 2147483648"),
    ("recordUsage", {"usage": {"accountCount": 1.5}}, ".usage.accountCount",
     "Int cannot represent non-integer value: 1.5"),
    ("recordUsage", {"usage": {"accountCount": "12"}}, ".usage.accountCount",
     "Int cannot represent non-integer value: '12'"),
    ("recordUsage", {"usage": {"cloudtrailEvents": str(10**30)}}, ".usage.cloudtrailEvents", BIG_INT),
    ("recordUsage", {"usage": {"cloudtrailEvents": 10**30}}, ".usage.cloudtrailEvents", BIG_INT),
    ("recordUsage", {"usage": {"natBytesProcessed": "1e3"}}, ".usage.natBytesProcessed", BIG_INT),
    ("recordUsage", {"usage": {"logStorageGb": 0.1}}, ".usage.logStorageGb", DECIMAL),
    ("recordUsage", {"usage": {"logStorageGb": "NaN"}}, ".usage.logStorageGb", DECIMAL),
    ("recordUsage", {"usage": {"logStorageGb": "9" * 65}}, ".usage.logStorageGb",
     "A decimal has at most 64 characters."),
    ("recordUsage", {"usage": {"accounts": 1}}, ".usage",
     "Expected value of type 'UsageInput' not to include unknown field 'accounts'. Did you mean 'ouCount' or 'scpCount'?"
     " Found: {'accountCount': 1, 'accounts': 1}."),
    ("recordUsage", {"usage": None}, ".usage", "Expected value of non-null type 'UsageInput!' not to be None."),
    ("recordPayment", {"amount": 12.5}, ".amount", DECIMAL),
    ("recordPayment", {"amount": "1,000.00"}, ".amount", DECIMAL),
    ("recordPayment", {"receivedAt": "2026-10-01"}, ".receivedAt", INSTANT),
    ("recordPayment", {"receivedAt": "2026-02-30T00:00:00Z"}, ".receivedAt",
     "There is no such instant in the years 0001 to 9999."),
    ("recordPayment", {"receivedAt": "0001-01-01T00:00:00Z"}, ".receivedAt",
     "This instant stands for the beginning or the end of time: leave it out, or give another."),
    ("createApiKey", {"expiresAt": "9999-12-31T23:59:59.999999Z"}, ".expiresAt",
     "This instant stands for the beginning or the end of time: leave it out, or give another."),
    ("createApiKey", {"scopes": [None]}, ".scopes[0]", "Expected value of non-null type 'String!' not to be None."),
    ("createCustomer", {"tier": "GOLD"}, ".tier", "Value 'GOLD' does not exist in 'Tier' enum."),
    ("createCustomer", {"tier": "standard"}, ".tier",
     "Value 'standard' does not exist in 'Tier' enum. Did you mean the enum value 'STANDARD'?"),
    ("createCustomer", {"name": 7}, ".name", "String cannot represent a non string value: 7"),
    ("createCustomer", {"mfaEnforced": "yes"}, ".mfaEnforced", "Boolean cannot represent a non boolean value: 'yes'"),
    ("createCustomer", {"activeFrom": "2026-02-30"}, ".activeFrom",
     "A day is written as year, month and day, such as 2026-10-31."),
    ("createCustomer", {"tags": {"count": 2**63}}, ".tags",
     "A whole number in JSON has at most 64 bits: give larger ones as strings."),
    ("createCustomer", {"tags": {"count": 2**64}}, ".tags",
     "A whole number in JSON has at most 64 bits: give larger ones as strings."),
    ("createCustomer", {"customConfig": [-(10**30)]}, ".customConfig",
     "A whole number in JSON has at most 64 bits: give larger ones as strings."),
    ("updateCustomer", {"id": True}, ".id", "ID cannot represent value: True"),
    ("updateCustomer", {"nickname": "x"}, "",
     "Expected value of type 'UpdateCustomerInput' not to include unknown field 'nickname'. Did you mean 'name'?"
     " Found: {'id': '<customer>', 'name': 'Acme GmbH', 'nickname': 'x'}."),
    ("openTicket", {"priority": 1}, ".priority", "Enum 'TicketPriority' cannot represent non-string value: 1."),
]  # fmt: skip


@pytest.mark.parametrize(("mutation", "changed", "place", "message"), MISTYPED)
async def test_a_value_that_is_none_of_its_type_is_invalid_and_nothing_runs(
    books: Books, stored: Stored, mutation: str, changed: dict[str, Any], place: str, message: str
) -> None:
    before = await stored()
    answer = await books.caller(mutation).post(document(mutation), {"input": books.good(mutation, **changed)})
    assert (answer.status_code, "data" in answer.json()) == (400, False)
    told = f"Variable '$input' has invalid value{f' at {place}' if place else ''}: {message}"
    assert [(error["extensions"]["code"], error["message"]) for error in answer.json()["errors"]] == [
        ("INVALID", books.fill(told))
    ]
    assert await stored() == before


# ---------------------------------------------------------------- documents and bodies

# document, code, message
DOCUMENTS: list[tuple[str, str, str]] = [
    ("{ customer { id }", "BAD_REQUEST", "Syntax Error: Expected Name, found <EOF>."),
    ("customer", "BAD_REQUEST", "Syntax Error: Unexpected Name 'customer'."),
    ("{ custmer { id } }", "BAD_REQUEST", "Cannot query field 'custmer' on type 'Query'. Did you mean 'customer' or 'customers'?"),
    ("{ customer { id nmae } }", "BAD_REQUEST", "Cannot query field 'nmae' on type 'Customer'. Did you mean 'name'?"),
    ("{ customer }", "BAD_REQUEST", "Field 'customer' of type 'Customer' must have a selection of subfields."
     " Did you mean 'customer { ... }'?"),
    ("{ invoices(last: 5) { nodes { id } } }", "BAD_REQUEST", "Unknown argument 'last' on field 'Query.invoices'."),
    ("mutation { dropCustomer { id } }", "BAD_REQUEST", "Cannot query field 'dropCustomer' on type 'Mutation'."
     " Did you mean 'closeCustomer', 'createCustomer', or 'updateCustomer'?"),
    ("query ($id: ID) { customer { id } }", "BAD_REQUEST", "Variable '$id' is never used."),
    ("{ customer(id: $id) { id } }", "BAD_REQUEST", "Variable '$id' is not defined."),
    ("query ($first: String) { invoices(first: $first) { nodes { id } } }", "BAD_REQUEST",
     "Variable '$first' of type 'String' used in position expecting type 'Int'."),
    ("query ($id: ID!) { ticket(id: $id) { id } }", "INVALID",
     "Variable '$id' has invalid value: Expected a value of non-null type 'ID!' to be provided."),
    ("subscription { customer { id } }", "BAD_REQUEST", "The subscription operation is not supported by the schema."),
    ('{ usage(from: "2026-13") { month } }', "INVALID", MONTH),
    ("{ invoices(first: 1000000000000000000000000000000) { nodes { id } } }", "INVALID",
     "Int cannot represent non 32-bit signed integer value: 1000000000000000000000000000000"),
    ('{ invoices(first: "5") { nodes { id } } }', "INVALID", 'Int cannot represent non-integer value: "5"'),
    ("{ tickets(filter: {state: OPEN}) { nodes { id } } }", "INVALID",
     "Expected value of type 'TicketFilter' not to include unknown field 'state'. Did you mean 'status'? Found: { state: OPEN }."),
    ("{ tickets(filter: {status: [DONE]}) { nodes { id } } }", "INVALID", "Value 'DONE' does not exist in 'TicketStatus' enum."),
    ('mutation { openTicket(input: {subject: "Help"}) { errors { code } } }', "INVALID",
     "Expected value of type 'OpenTicketInput' to include required field 'body', found: { subject: \"Help\" }."),
    ('mutation { openTicket(input: {subject: "Help", body: "please", urgent: true}) { errors { code } } }', "INVALID",
     "Expected value of type 'OpenTicketInput' not to include unknown field 'urgent',"
     ' found: { subject: "Help", body: "please", urgent: true }.'),
    ('mutation { openTicket(input: {subject: "Help", body: 7}) { errors { code } } }', "INVALID",
     "String cannot represent a non string value: 7"),
    ('mutation { openTicket(input: {subject: "Help", body: "\\u0000"}) { errors { code } } }', "INVALID",
     "Text cannot hold the character U+0000."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "message"), DOCUMENTS)
async def test_a_document_that_does_not_fit_the_schema_is_refused_and_nothing_runs(
    books: Books, stored: Stored, text: str, code: str, message: str
) -> None:
    before = await stored()
    answer = await books.acme.post(text)
    assert (answer.status_code, "data" in answer.json()) == (400, False)
    assert [(error["extensions"]["code"], error["message"]) for error in answer.json()["errors"]] == [(code, message)]
    assert await stored() == before


OBJECT = "A request is one JSON object with `query`; lists of them are not taken."
BODIES: list[tuple[bytes, str]] = [
    (b"", "The body is no JSON in UTF-8."),
    (b'{"query": "{ viewer { name } }"', "The body is no JSON in UTF-8."),
    (b"{'query': '{ viewer { name } }'}", "The body is no JSON in UTF-8."),
    (b'{"query": "{ viewer { name } }", "variables": {"n": NaN}}', "The body is no JSON in UTF-8."),
    (b'{"query": "{ viewer { name } } \xff"}', "The body is no JSON in UTF-8."),
    (b'{"query": "{ viewer { name } } \\ud800"}', "The body is no JSON in UTF-8."),
    (b"query=%7Bviewer%7Bname%7D%7D", "The body is no JSON in UTF-8."),
    (b"null", OBJECT),
    (b'"{ viewer { name } }"', OBJECT),
    (b'[{"query": "{ viewer { name } }"}]', OBJECT),
    (b"{}", "`query` is missing, or no text."),
    (b'{"query": 7}', "`query` is missing, or no text."),
    (b'{"query": " "}', "`query` is missing, or no text."),
    (b'{"query": "{ viewer { name } }", "variables": []}', "`variables` is a JSON object or null."),
    (b'{"query": "{ viewer { name } }", "operationName": 7}', "`operationName` is text or null."),
    (b'{"query": "{ viewer { name } }", "operationName": "Other"}',
     "This document has no operation of the name in `operationName`."),
    (b"[" * 50_000, "The body is no JSON in UTF-8."),
    (b'{"query": "{ viewer { name } }", "variables": {"x": ' + b"[" * 1000 + b"]" * 1000 + b"}}",
     "The JSON of the body nests deeper than 32 levels."),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), BODIES, ids=range(len(BODIES)))
async def test_a_body_that_is_no_request_is_bad(books: Books, stored: Stored, body: bytes, message: str) -> None:
    before = await stored()
    answer = await books.acme.landlord.http.post(
        "/graphql",
        content=body,
        headers={"Authorization": f"Bearer {books.acme.token}", "Content-Type": "application/json",
                 "Accept": "application/graphql-response+json"},
    )  # fmt: skip
    assert (answer.status_code, "data" in answer.json()) == (400, False)
    assert [(error["extensions"]["code"], error["message"]) for error in answer.json()["errors"]] == [
        ("BAD_REQUEST", message)
    ]
    assert await stored() == before


# ---------------------------------------------------------------- credentials

SIGN_IN = "Sign in first: send `Authorization: Bearer` with a session token or an API key that works."


@pytest.fixture
def signing(settings: Settings) -> SigningKeys:
    return SigningKeys(
        secrets=settings.session_keys,
        current=next(iter(settings.session_keys)),
        issuer=settings.issuer,
        audience=settings.audience,
    )


def forged(token: str, secret: bytes | None, *, algorithm: str = "HS256", **claims: Any) -> str:
    """The same token with other claims, under a key of one's own."""
    header = jwt.get_unverified_header(token)
    said = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(said | claims, secret, algorithm=algorithm, headers={"kid": header["kid"], "typ": header["typ"]})


def bad_credentials(caller: Tenant, other: Tenant, signing: SigningKeys) -> dict[str, str]:
    """An `Authorization` header of each kind that does not work."""
    token, now = caller.token, utc_now()
    expired, _ = sessions.issue(signing, caller.caller(), key_expires_at=None, now=now - timedelta(hours=25))
    early, _ = sessions.issue(signing, caller.caller(), key_expires_at=None, now=now + timedelta(hours=1))
    head, claims, signature = token.split(".")
    secret = signing.secrets[signing.current]
    body = caller.prefix + other.key[len(other.prefix) : -6]
    spliced = body + keys._checksum(body)
    assert keys.parse(spliced) is not None
    return {
        "nothing": "",
        "no token": "Bearer",
        "an empty token": "Bearer  ",
        "another scheme": f"Basic {token}",
        "no scheme": token,
        "garbage": "Bearer garbage",
        "three parts of garbage": "Bearer a.b.c",
        "a very long token": f"Bearer {'x' * 7000}",
        "no ASCII": "Bearer tokén",
        "an expired token": f"Bearer {expired}",
        "a token from tomorrow": f"Bearer {early}",
        "a token cut short": f"Bearer {token[:-1]}",
        "another token's claims": f"Bearer {head}.{other.token.split('.')[1]}.{signature}",
        "another token's signature": f"Bearer {head}.{claims}.{other.token.split('.')[2]}",
        "a token that nobody signed": "Bearer " + forged(token, None, algorithm="none"),
        "a token signed by somebody": "Bearer " + forged(token, b"x" * 32),
        "a token for another audience": "Bearer " + forged(token, secret, aud="other"),
        "a token of another issuer": "Bearer " + forged(token, secret, iss="other"),
        "a token that lasts for years": "Bearer " + forged(token, secret, exp=int(now.timestamp()) + 10**8),
        "a token of an older epoch": "Bearer " + forged(token, secret, epoch=0),
        "a key that nobody was given": f"Bearer {keys.mint('test').secret}",
        "a key cut short": f"Bearer {caller.key[:-1]}",
        "a key's public part": f"Bearer {caller.prefix}",
        "a key of another checksum": f"Bearer {caller.prefix}{other.key[len(other.prefix) :]}",
        "a key with another's secret": f"Bearer {spliced}",
    }


async def test_credentials_that_do_not_work_are_unauthenticated(
    books: Books, globex: Tenant, signing: SigningKeys, stored: Stored
) -> None:
    before = await stored()
    credentials = bad_credentials(books.acme, globex, signing)
    for kind, header in credentials.items():
        for text in ("{ viewer { name } }", document("openTicket"), "{ nonsense }"):
            answer = await books.acme.landlord.http.post(
                "/graphql",
                json={"query": text, "variables": {"input": GOOD["openTicket"]}},
                headers={b"Authorization": header.encode()},
            )
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), kind
            error, *others = answer.json().pop("errors")
            assert (others, error["extensions"]["code"], error["message"]) == ([], "UNAUTHENTICATED", SIGN_IN), kind
            assert "data" not in answer.json(), kind
    assert await stored() == before


async def test_a_stranger_learns_nothing_of_the_schema(landlord: Landlord) -> None:
    for text in ("{ __schema { types { name } } }", "{ custmer { id } }", "{ customer(id: 1.5) { id } }"):
        answer = await landlord.http.post("/graphql", json={"query": text})
        assert [error["message"] for error in answer.json()["errors"]] == [SIGN_IN]
        assert answer.status_code == 401


async def test_a_key_that_does_not_work_makes_no_session(
    books: Books, globex: Tenant, signing: SigningKeys, stored: Stored
) -> None:
    before = await stored()
    for kind, header in bad_credentials(books.acme, globex, signing).items():
        answer = await books.acme.landlord.http.post(
            "/graphql", json={"query": document("createSession"), "variables": {"input": {"apiKey": header[7:]}}}
        )
        assert answer.status_code == 401, kind
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == ["UNAUTHENTICATED"], kind
    assert await stored() == before


async def test_good_credentials_are_what_the_bad_ones_differ_from(books: Books, signing: SigningKeys) -> None:
    now = datetime.now(UTC)
    token, _ = sessions.issue(signing, books.acme.caller(), key_expires_at=None, now=now - timedelta(hours=23))
    again = forged(token, signing.secrets[signing.current])
    for header in (f"Bearer {token}", f"bearer {token}", f"Bearer {again}", f"Bearer {books.acme.key}"):
        answer = await books.acme.post("{ viewer { name } }", Authorization=header)
        assert answer.json()["data"] == {"viewer": {"name": "front end"}}
