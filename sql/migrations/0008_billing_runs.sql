-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- One run of billing for a month. Its counts grow in the transactions that bill, so they are true at any moment.
create table billing_runs (
    id                  uuid           primary key default app.new_id(),
    month               date           not null check (extract(day from month) = 1),
    status              text           not null default 'queued'
                                       check (status in ('queued', 'running', 'completed', 'completed_with_failures', 'failed')),
    dry_run             boolean        not null,
    issue               boolean        not null,
    customers_total     int            not null default 0 check (customers_total >= 0),
    invoices_created    int            not null default 0 check (invoices_created >= 0),
    invoices_recomputed int            not null default 0 check (invoices_recomputed >= 0),
    invoices_skipped    int            not null default 0 check (invoices_skipped >= 0),
    invoices_issued     int            not null default 0 check (invoices_issued >= 0),
    customers_failed    int            not null default 0 check (customers_failed >= 0),
    total_amount        numeric(20, 2) not null default 0 check (total_amount >= 0),
    billed_at           timestamptz    not null,               -- the instant that this run counts as now
    started_by          text           not null,
    created_at          timestamptz    not null default now(),
    started_at          timestamptz,
    finished_at         timestamptz,

    check (invoices_created + invoices_recomputed + invoices_skipped + customers_failed <= customers_total),
    check ((status in ('completed', 'completed_with_failures', 'failed')) = (finished_at is not null))
);
create index billing_runs_newest on billing_runs (id desc);
create index billing_runs_open on billing_runs (id) where finished_at is null;

-- One customer of a run: claimed and finished in the transaction that bills it.
create table billing_run_items (
    customer_id uuid           not null references customers (id),
    run_id      uuid           not null references billing_runs (id),
    outcome     text           not null default 'pending'
                               check (outcome in ('pending', 'created', 'recomputed', 'skipped', 'failed')),
    issued      boolean        not null default false,
    amount      numeric(14, 2),
    code        text           check (code in ('NO_USAGE', 'NO_TAX_RATE', 'NO_RATE_CARD', 'NOT_BILLABLE', 'SANITY_BOUND', 'INTERNAL')),
    reason      text,
    claimed_in  xid8,                                          -- the transaction that bills it: what `app.claimed` reads
    created_at  timestamptz    not null default now(),
    finished_at timestamptz,

    primary key (customer_id, run_id),
    check ((outcome = 'failed') = (code is not null) and (code is null) = (reason is null)),
    check ((outcome = 'pending') = (finished_at is null))
);
create index billing_run_items_pending on billing_run_items (run_id, customer_id) where outcome = 'pending';
create index billing_run_items_failed on billing_run_items (run_id, customer_id) where outcome = 'failed';
create index billing_run_items_claimed on billing_run_items (claimed_in) where claimed_in is not null;

alter table billing_runs enable row level security;
alter table billing_runs force row level security;
create policy billing_runs_of_operator on billing_runs to landlord_operator using ((select app.operator()));
create policy billing_runs_of_worker on billing_runs to landlord_worker using (true);
grant select, insert on billing_runs to landlord_operator;
grant select, update on billing_runs to landlord_worker;

alter table billing_run_items enable row level security;
alter table billing_run_items force row level security;
create policy billing_run_items_of_operator on billing_run_items to landlord_operator using ((select app.operator()));
create policy billing_run_items_of_worker on billing_run_items to landlord_worker using (true);   -- its queue
create policy billing_run_items_of_guard on billing_run_items for select to landlord_guard using (true);
grant select, insert on billing_run_items to landlord_operator;
grant select, update (outcome, issued, amount, code, reason, claimed_in, finished_at) on billing_run_items to landlord_worker;
grant select (customer_id, claimed_in) on billing_run_items to landlord_guard;
