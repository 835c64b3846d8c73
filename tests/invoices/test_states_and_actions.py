"""Every state of an invoice with every act on it: through the API, and by SQL as the roles that applications run as."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from billing.invoicing import InvoiceAction
from billing.periods import Month
from db import billing_runs
from db.connection import Role
from db.invoices import InvoiceRow
from db.session import Session
from schema.ids import typeid
from tests.invoices.states import ALLOWED, State, credit, draft, issued, paid, part_credited, part_paid, pay
from tests.landlord import Tenant
from tests.ledger import OCTOBER, SEPTEMBER, TOTAL, Ledger

AUGUST = Month(2026, 8)
ISSUE, PAY, CANCEL, CREDIT = (
    InvoiceAction.ISSUE,
    InvoiceAction.RECORD_PAYMENT,
    InvoiceAction.CANCEL,
    InvoiceAction.ISSUE_CREDIT_NOTE,
)


async def with_credit(ledger: Ledger) -> InvoiceRow:
    """A draft whose customer has credit of one cent."""
    customer = await ledger.customer(used=(SEPTEMBER, OCTOBER))
    await credit(ledger, await pay(ledger, await ledger.issued(customer, SEPTEMBER), TOTAL))
    return await ledger.draft(customer)


async def with_credit_used(ledger: Ledger) -> InvoiceRow:
    """A draft whose customer had credit of one cent, which another invoice took up."""
    customer = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    await credit(ledger, await pay(ledger, await ledger.issued(customer, AUGUST), TOTAL))
    assert (await ledger.issued(customer, SEPTEMBER)).credit_applied == Decimal("0.01")
    return await ledger.draft(customer)


STATES = pytest.mark.parametrize("state", ALLOWED, ids=[state.__name__ for state in ALLOWED])


async def books(ledger: Ledger, invoice: InvoiceRow) -> dict[str, Any]:
    """All that an act on an invoice could change."""
    tables = ("invoices", "invoice_lines", "invoice_counters", "payments", "credit_notes", "credit_uses", "outbox")
    return {
        table: await ledger.admin.fetchval(
            f"select jsonb_agg(row order by row) from (select to_jsonb(t) as row from {table} t where customer_id = $1) r",
            invoice.customer_id,
        )
        for table in tables
    }


# ---------------------------------------------------------------- through the API

_ANSWER = "{ invoice { id status availableActions } errors { code message } }"
MUTATIONS = {
    ISSUE: f"mutation ($id: ID!) {{ issueInvoice(input: {{id: $id}}) {_ANSWER} }}",
    PAY: f"""mutation ($id: ID!, $key: String!) {{
        recordPayment(input: {{invoiceId: $id, amount: "0.01", method: "card", idempotencyKey: $key}}) {_ANSWER}
    }}""",
    CANCEL: f'mutation ($id: ID!) {{ cancelInvoice(input: {{id: $id, reason: "a test"}}) {_ANSWER} }}',
    CREDIT: f"""mutation ($id: ID!, $key: String!) {{
        issueCreditNote(input: {{invoiceId: $id, amount: "0.01", reason: "a test", idempotencyKey: $key}}) {_ANSWER}
    }}""",
}
# What the invoice is afterwards; where it isn't here, it stays what it was.
BECOMES = {ISSUE: "ISSUED", CANCEL: "CANCELLED"}


@pytest.mark.parametrize("action", MUTATIONS)
@STATES
async def test_the_api_allows_what_available_actions_say_and_refuses_the_rest(
    ledger: Ledger, house: Tenant, state: State, action: InvoiceAction
) -> None:
    invoice = await state(ledger)
    id = typeid("inv", invoice.id)
    query = "query ($id: ID!) { invoice(id: $id) { status availableActions } }"
    before, stood = await books(ledger, invoice), (await house.api(query, id=id))["invoice"]
    assert (action.name in stood["availableActions"]) == (action in ALLOWED[state])
    ((_, answer),) = (await house.api(MUTATIONS[action], id=id, key=f"{action} {id}")).items()
    if action in ALLOWED[state]:
        assert answer["errors"] == []
        assert answer["invoice"]["status"] == BECOMES.get(action, stood["status"])
        assert await books(ledger, invoice) != before
    else:
        assert answer["invoice"] is None
        assert [error["code"] for error in answer["errors"]] == ["ILLEGAL_STATE"]
        assert await books(ledger, invoice) == before


# ---------------------------------------------------------------- by SQL

# Each act as somebody would write it who asks nobody: values that fit together, so that only the state speaks against it.
STATEMENTS = {
    ISSUE: """
        update invoices
           set status = 'issued', number = 'K7M2QX-9999', issued_at = now(), due_on = current_date, paid_at = null,
               cancelled_at = null, cancel_reason = null
         where id = $1
    """,
    PAY: """
        with paid as (
            insert into payments (customer_id, invoice_id, amount, method, received_at)
            select customer_id, id, 0.01, 'card', now() from invoices where id = $1
        )
        update invoices set amount_paid = amount_paid + 0.01 where id = $1
    """,
    CANCEL: """
        update invoices
           set status = 'cancelled', paid_at = null, cancelled_at = now(), cancel_reason = 'a test' where id = $1
    """,
    CREDIT: """
        with note as (
            insert into credit_notes (customer_id, invoice_id, number, amount, as_credit, reason, issued_at)
            select customer_id, id, 'K7M2QX-CN-9999', 0.01, case when status = 'paid' then 0.01 else 0 end, 'a test', now()
              from invoices where id = $1
        )
        update invoices set amount_credited = amount_credited + 0.01 where id = $1
    """,
}
# A broken rule of ours, a check, or no right to touch the table at all.
REFUSALS = ("LL010", asyncpg.CheckViolationError.sqlstate, asyncpg.InsufficientPrivilegeError.sqlstate)
# A worker neither takes money nor credits; the rest it may as far as the state does.
RIGHTS = {Role.OPERATOR: set(STATEMENTS), Role.WORKER: {ISSUE, CANCEL}, Role.TENANT: set()}


@asynccontextmanager
async def acting(ledger: Ledger, role: Role, invoice: InvoiceRow) -> AsyncIterator[Session]:
    """A transaction of this role in which the invoice can be seen, as far as the role can see one."""
    if role is Role.OPERATOR:
        async with ledger.house.session() as session:
            yield session
    elif role is Role.TENANT:
        owner = await ledger.house.landlord.key(invoice.customer_id, ["write"])
        async with owner.session() as session:
            yield session
    else:
        run = await ledger.start([invoice.customer_id], dry_run=True)
        async with ledger.connections.transaction(Role.WORKER) as session:
            assert await billing_runs.claim(session, run.id, most=1) == [invoice.customer_id]
            yield session


@pytest.mark.off_script("it writes past the API, and has what is deferred checked at once")
@pytest.mark.parametrize("role", RIGHTS, ids=[role.value for role in RIGHTS])
@pytest.mark.parametrize("action", STATEMENTS)
@STATES
async def test_the_database_refuses_what_the_states_do_not_allow_whoever_asks(
    ledger: Ledger, state: State, action: InvoiceAction, role: Role
) -> None:
    invoice = await state(ledger)
    before = await books(ledger, invoice)
    allowed = action in ALLOWED[state] and action in RIGHTS[role]
    refusal = None
    try:
        async with acting(ledger, role, invoice) as session:
            assert await session.execute(STATEMENTS[action], invoice.id) == 1
            await session.execute("set constraints all immediate")
    except asyncpg.PostgresError as error:
        refusal = error.sqlstate
    await ledger.work()
    if allowed:
        assert refusal is None
        assert await books(ledger, invoice) != before
    else:
        assert refusal in REFUSALS
        assert await books(ledger, invoice) == before


# What no act of ours does, since it would lose money or make some: refused to an operator, who may write all of this.
_NOTE = """
    insert into credit_notes (customer_id, invoice_id, number, amount, as_credit, reason, issued_at)
    select customer_id, id, 'K7M2QX-CN-9999', {amount}, {as_credit}, 'a test', now() from invoices where id = $1
"""
_USE = """
    insert into credit_uses (customer_id, credit_note_id, invoice_id, amount)
    select i.customer_id, note.id, i.id, {amount}
      from invoices i join credit_notes note on note.customer_id = i.customer_id where i.id = $1
"""
FORGERIES: dict[str, tuple[State, list[str]]] = {
    "a draft is paid before anything came in": (
        draft,
        [
            "update invoices set status = 'paid', number = 'K7M2QX-9999', issued_at = now(), due_on = current_date,"
            " paid_at = now() where id = $1"
        ],
    ),
    "an invoice is paid before anything came in": (
        issued,
        ["update invoices set status = 'paid', paid_at = now() where id = $1"],
    ),
    "a payment that nobody wrote down": (issued, ["update invoices set amount_paid = 1 where id = $1"]),
    "a payment that the invoice does not know": (
        issued,
        ["insert into payments (customer_id, invoice_id, amount, method, received_at)"
         " select customer_id, id, 1, 'card', now() from invoices where id = $1"],
    ),
    "a credit note beyond what is due is lost": (
        part_paid,
        [
            _NOTE.format(amount="2448.25", as_credit="0"),
            "update invoices set amount_credited = 2448.25, status = 'paid', paid_at = now() where id = $1",
        ],
    ),
    "a credit note on what is due becomes credit too": (
        issued,
        [_NOTE.format(amount="1", as_credit="1"), "update invoices set amount_credited = 1 where id = $1"],
    ),
    "a credit note on a paid invoice becomes no credit": (
        paid,
        [_NOTE.format(amount="1", as_credit="0"), "update invoices set amount_credited = 1 where id = $1"],
    ),
    "credit for more than the invoice was": (
        paid,
        [_NOTE.format(amount="2448.26", as_credit="2448.26"), "update invoices set amount_credited = 2448.26 where id = $1"],
    ),
    "credit that nobody has": (
        draft,
        [
            "update invoices set status = 'issued', number = 'K7M2QX-9999', issued_at = now(), due_on = current_date,"
            " credit_applied = 1 where id = $1"
        ],
    ),
    "credit that was used before": (with_credit_used, [_USE.format(amount="0.01")]),
    "more credit than there is": (with_credit, [_USE.format(amount="0.02")]),
    "numbers are skipped": (issued, ["update invoice_counters set last_invoice = last_invoice + 2"
                                      " where customer_id = (select customer_id from invoices where id = $1)"]),
    "credit notes' numbers are given again": (
        part_credited,
        ["update invoice_counters set last_credit_note = last_credit_note - 1"
         " where customer_id = (select customer_id from invoices where id = $1)"],
    ),
    "a credit note is taken back": (part_credited, ["delete from credit_notes where invoice_id = $1"]),
    "a payment is taken back": (part_paid, ["delete from payments where invoice_id = $1"]),
}  # fmt: skip


@pytest.mark.off_script("it writes past the API, and has what is deferred checked at once")
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_the_database_makes_no_money_and_loses_none(ledger: Ledger, forgery: str) -> None:
    state, statements = FORGERIES[forgery]
    invoice = await state(ledger)
    before = await books(ledger, invoice)
    with pytest.raises(asyncpg.PostgresError) as refusal:
        async with ledger.house.session() as session:
            for statement in statements:
                assert await session.execute(statement, invoice.id) == 1
            await session.execute("set constraints all immediate")
    assert refusal.value.sqlstate in REFUSALS
    assert await books(ledger, invoice) == before
