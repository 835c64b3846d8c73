"""Every state of an invoice with every act on it: through the API, and by SQL as the roles that applications run as."""

from __future__ import annotations

import asyncio
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

# The next numbers of the customer, counted up.
_COUNTED = """
    with counted as (
        update invoice_counters counter set last_invoice = last_invoice + 1
          from invoices i join customers c on c.id = i.customer_id
         where i.id = $1 and counter.customer_id = i.customer_id
        returning c.invoice_prefix || '-' || lpad(counter.last_invoice::text, 4, '0') as number
    )
"""
_COUNTED_NOTE = _COUNTED.replace("last_invoice", "last_credit_note").replace("'-'", "'-CN-'")

# Each act as somebody would write it who asks nobody: values that fit together, so that only the state speaks against it.
STATEMENTS = {
    ISSUE: f"""
        {_COUNTED}
        update invoices
           set status = 'issued', number = counted.number, issued_at = now(), due_on = current_date, paid_at = null,
               cancelled_at = null, cancel_reason = null
          from counted
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
    CREDIT: f"""
        {_COUNTED_NOTE}, note as (
            insert into credit_notes (customer_id, invoice_id, number, amount, as_credit, reason, issued_at)
            select customer_id, id, counted.number, 0.01, case when status = 'paid' then 0.01 else 0 end, 'a test', now()
              from invoices, counted where id = $1
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
_NOTE = f"""
    {_COUNTED_NOTE}
    insert into credit_notes (customer_id, invoice_id, number, amount, as_credit, reason, issued_at)
    select customer_id, id, counted.number, {{amount}}, {{as_credit}}, 'a test', now() from invoices, counted where id = $1
"""
_USE = """
    insert into credit_uses (customer_id, credit_note_id, invoice_id, amount)
    select i.customer_id, note.id, i.id, {amount}
      from invoices i join credit_notes note on note.customer_id = i.customer_id where i.id = $1
"""
_GIVEN = """
    update invoices i set status = 'issued', number = {number}, issued_at = now(), due_on = current_date
      from customers c where i.id = $1 and c.id = i.customer_id
"""
FORGERIES: dict[str, tuple[State, list[str]]] = {
    "a draft is paid before anything came in": (
        draft,
        [
            f"{_COUNTED} update invoices set status = 'paid', number = counted.number, issued_at = now(),"
            " due_on = current_date, paid_at = now() from counted where id = $1"
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
            f"{_COUNTED} update invoices set status = 'issued', number = counted.number, issued_at = now(),"
            " due_on = current_date, credit_applied = 1 from counted where id = $1"
        ],
    ),
    "credit that was used before": (with_credit_used, [_USE.format(amount="0.01")]),
    "more credit than there is": (with_credit, [_USE.format(amount="0.02")]),
    "numbers are skipped": (issued, ["update invoice_counters set last_invoice = last_invoice + 2"
                                      " where customer_id = (select customer_id from invoices where id = $1)"]),
    "numbers go on under another prefix": (issued, ["update customers set invoice_prefix = 'K7M2QX'"
                                                    " where id = (select customer_id from invoices where id = $1)"]),
    "a number is counted and not given": (issued, ["update invoice_counters set last_invoice = last_invoice + 1"
                                                   " where customer_id = (select customer_id from invoices where id = $1)"]),
    "a credit note's number is counted and not given": (
        part_credited,
        ["update invoice_counters set last_credit_note = last_credit_note + 1"
         " where customer_id = (select customer_id from invoices where id = $1)"],
    ),
    "a number is given that was not counted": (draft, [_GIVEN.format(number="c.invoice_prefix || '-0001'")]),
    "a number is counted, and another given": (
        draft, [_COUNTED + _GIVEN.format(number="replace(counted.number, '-0001', '-0002')").replace("from", "from counted,")]
    ),
    "a number with another prefix": (
        draft, [_COUNTED + _GIVEN.format(number="'K7M2QX-0001'").replace("from", "from counted,")]
    ),
    "a credit note's number is given that was not counted": (
        issued,
        ["insert into credit_notes (customer_id, invoice_id, number, amount, reason, issued_at)"
         " select i.customer_id, i.id, c.invoice_prefix || '-CN-0001', 1, 'a test', now()"
         "   from invoices i join customers c on c.id = i.customer_id where i.id = $1",
         "update invoices set amount_credited = 1 where id = $1"],
    ),
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


@pytest.mark.off_script("it writes past the API")
async def test_numbers_begin_with_the_first(ledger: Ledger) -> None:
    customer_id = await ledger.customer()
    with pytest.raises(asyncpg.PostgresError, match="numbers are counted from one"):
        async with ledger.house.session() as session:
            await session.execute(
                "insert into invoice_counters (customer_id, last_invoice) values ($1, 5)", customer_id
            )
    assert str((await ledger.issued(customer_id)).number)[7:] == "0001"


_LINE = """
    insert into invoice_lines (customer_id, invoice_id, position, kind, description, amount)
    select customer_id, id, 99, 'discount', 'a test', -1 from invoices where id = $1
"""


@pytest.mark.off_script("it writes past the API, on two connections at once")
@pytest.mark.parametrize(
    ("first", "second", "refusal"),
    [
        (_LINE, STATEMENTS[ISSUE], "the lines of an invoice sum to its total"),
        (STATEMENTS[ISSUE], _LINE, "the lines of an invoice are frozen once it has a number"),
    ],
    ids=["line then issue", "issue then line"],
)
async def test_no_line_slips_under_an_invoice_while_it_is_issued(
    ledger: Ledger, first: str, second: str, refusal: str
) -> None:
    invoice = await draft(ledger)
    pids: asyncio.Queue[int] = asyncio.Queue()

    async def write(statement: str) -> None:
        async with ledger.house.session() as session:
            pids.put_nowait(await session.value("select pg_backend_pid()"))
            await session.execute(statement, invoice.id)

    async with ledger.house.session() as session:
        assert await session.execute(first, invoice.id) == 1
        other = asyncio.create_task(write(second))
        await ledger.until_it_waits(other, await pids.get())
    with pytest.raises(asyncpg.PostgresError, match=refusal):
        await other


@pytest.mark.off_script("it writes past the API, on two connections at once")
async def test_two_invoices_that_are_issued_at_once_do_not_use_the_same_cent_of_credit(ledger: Ledger) -> None:
    customer_id = await ledger.customer(used=(AUGUST, SEPTEMBER, OCTOBER))
    await credit(ledger, await pay(ledger, await ledger.issued(customer_id, AUGUST), TOTAL))
    september, october = await ledger.draft(customer_id, SEPTEMBER), await ledger.draft(customer_id)
    use, issue = _USE.format(amount="0.01"), STATEMENTS[ISSUE].replace("paid_at = null", "credit_applied = 0.01")
    pids: asyncio.Queue[int] = asyncio.Queue()
    numbered = asyncio.Event()

    async def write() -> None:
        async with ledger.house.session() as session:
            await session.execute(use, october.id)
            pids.put_nowait(await session.value("select pg_backend_pid()"))
            await numbered.wait()
            await session.execute(issue, october.id)

    async with ledger.house.session() as session:
        await session.execute(use, september.id)
        other = asyncio.create_task(write())
        pid = await pids.get()
        assert await session.execute(issue, september.id) == 1
        numbered.set()
        await ledger.until_it_waits(other, pid)
    with pytest.raises(asyncpg.PostgresError, match="a credit note gives no more credit than it has"):
        await other
    assert [one.credit_applied for one in (await ledger.again(september), await ledger.again(october))] == [
        Decimal("0.01"),
        Decimal("0.00"),
    ]
