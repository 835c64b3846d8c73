"""A customer with something of everything, an input for each mutation that works on it, and the document that sends it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import uuid4

from graphql import GraphQLInputObjectType, GraphQLObjectType, get_named_type

from auth.scopes import OPERATOR_ONLY
from billing.periods import Month
from resolvers.access import declared_access
from schema.ids import typeid
from schema.root import schema
from tests.landlord import Landlord, Tenant
from tests.ledger import SEPTEMBER, Ledger
from tests.prices.documents import a_day, starting

CORE = schema._schema
assert CORE.query_type is not None
assert CORE.mutation_type is not None
QUERIES = CORE.query_type.fields
MUTATIONS = CORE.mutation_type.fields
ACCESS = declared_access(schema)

# What stands in angle brackets is filled in from the books. A new mutation is added here.
GOOD: dict[str, dict[str, Any]] = {
    "createSession": {"apiKey": "<key>"},
    "createApiKey": {"name": "batch", "scopes": ["read"]},
    "rotateApiKey": {"id": "<api key>"},
    "revokeApiKey": {"id": "<api key>"},
    "createCustomer": {"name": "Initech", "tier": "STANDARD", "email": "it@initech.example"},
    "updateCustomer": {"id": "<customer>", "name": "Acme GmbH"},
    "changeTier": {"id": "<customer>", "tier": "FINTECH"},
    "suspendCustomer": {"id": "<customer>", "reason": "unpaid"},
    "reinstateCustomer": {"id": "<suspended>", "reason": "paid"},
    "closeCustomer": {"id": "<customer>", "reason": "leaves"},
    "addRateCard": {"document": "<price list>"},
    "recordUsage": {"customerId": "<customer>", "month": "<this month>", "usage": {"accountCount": 1}},
    "syncUsage": {"month": "<this month>", "customerIds": ["<customer>"]},
    "runBilling": {"month": "<last month>", "customerIds": ["<customer>"]},
    "issueInvoice": {"id": "<draft>"},
    "recordPayment": {"invoiceId": "<issued>", "amount": "1.00", "method": "wire", "idempotencyKey": "payment"},
    "cancelInvoice": {"id": "<issued>", "reason": "wrong"},
    "issueCreditNote": {"invoiceId": "<issued>", "amount": "1.00", "reason": "goodwill", "idempotencyKey": "note"},
    "openTicket": {"subject": "Help", "body": "please"},
    "commentOnTicket": {"id": "<ticket>", "body": "again"},
    "updateTicket": {"id": "<ticket>", "priority": "HIGH"},
    "sendNotification": {"customerId": "<customer>", "title": "Maintenance", "message": "On Sunday.", "channel": "EMAIL",
                         "deliveryAddress": "it@acme.example"},
    "createWebhookEndpoint": {"url": "https://hooks.acme.example/landlord"},
    "deleteWebhookEndpoint": {"id": "<endpoint>"},
}  # fmt: skip

_CURSORS = """
query ($ticket: ID!) {
  customers(first: 1) { pageInfo { endCursor } }
  invoices(first: 1) { pageInfo { endCursor } }
  tickets(first: 1) { pageInfo { endCursor } }
  urgent: tickets(first: 1, filter: {status: [OPEN]}) { pageInfo { endCursor } }
  auditEvents(first: 1) { pageInfo { endCursor } }
  customer { invoices(first: 1) { pageInfo { endCursor } } tickets(first: 1) { pageInfo { endCursor } } }
  ticket(id: $ticket) { comments(first: 1) { pageInfo { endCursor } } }
}
"""


@dataclass(frozen=True)
class Books:
    """`known` is what can be named; `acme` has the scope `write`, `house` everything."""

    acme: Tenant
    globex: Tenant
    house: Tenant
    known: Mapping[str, str]

    @classmethod
    async def of(cls, landlord: Landlord) -> Self:
        house = landlord.house
        ledger = Ledger(house, landlord.connections, landlord.admin)
        customer_id = await ledger.customer(used=[SEPTEMBER.previous(), SEPTEMBER])
        issued = await ledger.issued(customer_id, SEPTEMBER)
        await ledger.use(customer_id)
        draft = await ledger.draft(customer_id)
        acme, other = await landlord.key(customer_id, ["write"]), await landlord.key(customer_id, ["read"])
        globex, suspended = await landlord.tenant("Globex"), await landlord.tenant("Umbrella")
        closed = await landlord.tenant("Vandelay")
        await house.api(document("suspendCustomer"), input={"id": suspended.id, "reason": "unpaid"})
        await house.api(document("closeCustomer"), input={"id": closed.id, "reason": "left", "closedOn": "2026-10-01"})
        paid = await ledger.issued(customer_id, SEPTEMBER.previous())
        settled = {"invoiceId": typeid("inv", paid.id), "amount": str(paid.total_amount), "method": "wire"}
        await house.api(document("recordPayment"), input={**settled, "idempotencyKey": f"{paid.id}"})
        tickets = {
            name: (await caller.api(document("openTicket", "id"), input=GOOD["openTicket"]))["openTicket"]["ticket"][
                "id"
            ]
            for name, caller in (("ticket", acme), ("another ticket", acme), ("foreign ticket", globex))
        }
        run = (await house.api("{ billingRuns(first: 1) { nodes { id } } }"))["billingRuns"]["nodes"][0]["id"]
        reading = {"month": str(SEPTEMBER), "customerIds": [acme.id]}
        sync = (await house.api(document("syncUsage", "id"), input=reading))["syncUsage"]["usageSync"]["id"]
        endpoint = await acme.api(
            document("createWebhookEndpoint", "id"), input={"url": "https://hooks.acme.example/tickets"}
        )
        lists = await acme.api(_CURSORS, ticket=tickets["ticket"])
        cursors = {
            **{f"{name} cursor": found for name, found in lists.items() if "pageInfo" in found},
            **{f"own {name} cursor": found for name, found in lists["customer"].items()},
            "comments cursor": lists["ticket"]["comments"],
        }
        now = datetime.now(UTC)
        month = Month.of(now.date())
        known = {
            "customer": acme.id,
            "foreign customer": globex.id,
            "suspended": suspended.id,
            "closed": closed.id,
            "nobody": typeid("cus", uuid4()),
            "key": acme.key,
            "api key": typeid("key", other.key_id),
            "issued": typeid("inv", issued.id),
            "number": str(issued.number),
            "due": str(issued.total_amount),
            "a cent more than due": str(issued.total_amount + Decimal("0.01")),
            "paid": typeid("inv", paid.id),
            "paid number": str(paid.number),
            "price list": starting(a_day()),
            "draft": typeid("inv", draft.id),
            "run": run,
            "sync": sync,
            "endpoint": endpoint["createWebhookEndpoint"]["webhookEndpoint"]["id"],
            **tickets,
            **{name: found["pageInfo"]["endCursor"] for name, found in cursors.items()},
            "last month": str(month.previous()),
            "this month": str(month),
            "next month": str(month.next()),
            "end of this month": str(month.next().first),
            "end of next month": str(month.next().next().first),
            "yesterday": (now - timedelta(days=1)).isoformat(),
            "tomorrow": (now + timedelta(days=1)).isoformat(),
        }
        return cls(acme, globex, house, known)

    def fill(self, value: Any) -> Any:
        """Every text with what stands in angle brackets filled in."""
        if isinstance(value, str):
            return re.sub(r"<([a-zA-Z ]+)>", lambda found: self.known[found[1]], value)
        if isinstance(value, dict):
            return {name: self.fill(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return value

    def good(self, mutation: str, **changed: Any) -> dict[str, Any]:
        """An input that works, but for what is changed."""
        filled: dict[str, Any] = self.fill(merged(GOOD[mutation], changed))
        return filled

    def caller(self, mutation: str) -> Tenant:
        """For whom it is meant."""
        return self.house if ACCESS["Mutation", mutation].scope in OPERATOR_ONLY else self.acme


def merged(good: dict[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Objects are merged, everything else is replaced."""
    both = dict(good)
    for name, value in changed.items():
        inner = both.get(name)
        both[name] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def object_of(mutation: str) -> str | None:
    """The field of its payload that is about an object, if any is."""
    payload = get_named_type(MUTATIONS[mutation].type)
    assert isinstance(payload, GraphQLObjectType)
    first = next(iter(payload.fields))
    return None if first == "errors" else first


def document(mutation: str, wanted: str = "__typename") -> str:
    """Asks for the errors, and for this of the object."""
    found = object_of(mutation)
    selected = f"{found} {{ {wanted} }} " if found else ""
    field = MUTATIONS[mutation]
    declared, passed = (f"($input: {field.args['input'].type})", "(input: $input)") if field.args else ("", "")
    return f"mutation{declared} {{ {mutation}{passed} {{ {selected}errors {{ code field message }} }} }}"


def idempotent() -> list[str]:
    """The mutations that take an idempotency key."""
    found = []
    for name, field in MUTATIONS.items():
        if "input" in field.args:
            type_ = get_named_type(field.args["input"].type)
            assert isinstance(type_, GraphQLInputObjectType)
            if "idempotencyKey" in type_.fields:
                found.append(name)
    return found
