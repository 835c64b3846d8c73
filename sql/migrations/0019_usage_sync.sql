-- migrate:up
-- Reading CloudWatch in the background: syncs with an item for each customer, and what was read.
set local role landlord_owner;
set local search_path = landlord;

alter table usage_syncs
    add column customers_missing int not null default 0,
    add column customers_failed  int not null default 0,
    add column started_by        text,
    add column started_at        timestamptz,
    add column failed_reason     text;          -- why the sync itself broke
-- No release has made a sync yet, so nothing is read for these.
-- squawk-ignore constraint-missing-not-valid
alter table usage_syncs add constraint usage_syncs_counts_are_counts check (customers_missing >= 0 and customers_failed >= 0);
-- squawk-ignore constraint-missing-not-valid
alter table usage_syncs add constraint usage_syncs_count_each_once
    check (customers_updated + customers_unchanged + customers_missing + customers_failed <= customers_total);
-- squawk-ignore constraint-missing-not-valid
alter table usage_syncs add constraint usage_syncs_say_when_they_ended
    check ((status in ('completed', 'completed_with_failures', 'failed')) = (finished_at is not null));
-- squawk-ignore constraint-missing-not-valid
alter table usage_syncs add constraint usage_syncs_say_why_they_broke
    check ((status = 'failed') = (failed_reason is not null));
-- squawk-ignore require-concurrent-index-creation
create index usage_syncs_open on usage_syncs (id) where finished_at is null;

-- One customer of a sync. CloudWatch is asked outside of any transaction, so whoever asks has the item under a lease
-- until then; it is claimed and finished in the transaction that stores the answer.
create table usage_sync_items (
    customer_id   uuid        not null references customers (id),
    sync_id       uuid        not null references usage_syncs (id),
    outcome       text        not null default 'pending'
                              check (outcome in ('pending', 'updated', 'unchanged', 'missing', 'failed')),
    code          text        check (code in ('BAD_ANSWER', 'NOT_BILLABLE', 'INTERNAL')),
    reason        text,
    claimed_until timestamptz,                                       -- somebody asks CloudWatch until then
    claimed_in    xid8,                                              -- the transaction that stores it: what `app.claimed` reads
    created_at    timestamptz not null default now(),
    finished_at   timestamptz,

    primary key (customer_id, sync_id),
    check ((outcome = 'failed') = (code is not null) and (code is null) = (reason is null)),
    check ((outcome = 'pending') = (finished_at is null))
);
create index usage_sync_items_pending on usage_sync_items (sync_id, customer_id) where outcome = 'pending';
create index usage_sync_items_missing on usage_sync_items (sync_id, customer_id) where outcome = 'missing';
create index usage_sync_items_failed on usage_sync_items (sync_id, customer_id) where outcome = 'failed';
create index usage_sync_items_claimed on usage_sync_items (claimed_in) where claimed_in is not null;

alter table usage_sync_items enable row level security;
alter table usage_sync_items force row level security;
create policy usage_sync_items_of_operator on usage_sync_items to landlord_operator using ((select app.operator()));
create policy usage_sync_items_of_worker on usage_sync_items to landlord_worker using (true);   -- its queue
create policy usage_sync_items_of_guard on usage_sync_items for select to landlord_guard using (true);
grant select, insert on usage_sync_items to landlord_operator;
grant select, update (outcome, code, reason, claimed_until, claimed_in, finished_at) on usage_sync_items to landlord_worker;
grant select (customer_id, claimed_in) on usage_sync_items to landlord_guard;

-- What CloudWatch said, day by day, when the numbers of a revision were first read: it forgets, and this explains them.
create table usage_readings (
    customer_id uuid        not null,
    month       date        not null,
    revision    int         not null,
    sync_id     uuid        not null references usage_syncs (id),
    source      jsonb       not null check (jsonb_typeof(source) = 'object'),   -- what was asked, and where
    daily       jsonb       not null check (jsonb_typeof(daily) = 'object'),    -- {"account_count": {"2026-10-01": "12"}}
    read_at     timestamptz not null,
    created_at  timestamptz not null default now(),

    primary key (customer_id, month, revision),
    foreign key (customer_id, month, revision) references usage_metrics (customer_id, month, revision)
);
create trigger usage_readings_never_change before update or delete on usage_readings
    for each row execute function never_changes();
alter table usage_readings enable always trigger usage_readings_never_change;

alter table usage_readings enable row level security;
alter table usage_readings force row level security;
create policy usage_readings_of_operator on usage_readings to landlord_operator using ((select app.operator()));
create policy usage_readings_of_worker on usage_readings to landlord_worker using (customer_id in (select app.claimed()));
grant select on usage_readings to landlord_operator;
grant insert on usage_readings to landlord_worker;

grant insert on usage_metrics to landlord_worker;
-- to lock the customer, as whoever records its use does, and for nothing else: nobody sets it
grant update (updated_at) on customers to landlord_worker;

-- The customers whose items or messages this transaction has claimed; what a worker may touch.
set local role landlord_guard;
create or replace function app.claimed() returns setof uuid
    language plpgsql stable security definer parallel restricted
    set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select item.customer_id from landlord.billing_run_items item where item.claimed_in = pg_current_xact_id_if_assigned()
     union all
    select item.customer_id from landlord.usage_sync_items item where item.claimed_in = pg_current_xact_id_if_assigned()
     union all
    select message.customer_id from landlord.outbox message where message.claimed_in = pg_current_xact_id_if_assigned();
end
$$;
