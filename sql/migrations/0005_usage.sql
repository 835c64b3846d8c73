-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- One customer's metered use in one month, whole. A correction is a new revision; the highest one counts.
create table usage_metrics (
    customer_id         uuid           not null references customers (id),
    month               date           not null check (extract(day from month) = 1),
    revision            int            not null check (revision > 0),
    account_count       int            not null check (account_count >= 0),
    ou_count            int            not null check (ou_count >= 0),
    scp_count           int            not null check (scp_count >= 0),
    cloudtrail_events   bigint         not null check (cloudtrail_events >= 0 and cloudtrail_events < 1000000000000000),
    config_evaluations  bigint         not null check (config_evaluations >= 0 and config_evaluations < 1000000000000000),
    log_storage_gb      numeric(24, 6) not null check (log_storage_gb >= 0 and log_storage_gb < 1000000000000),
    nat_bytes_processed bigint         not null check (nat_bytes_processed >= 0 and nat_bytes_processed < 1000000000000000000),
    data_transfer_gb    numeric(24, 6) not null check (data_transfer_gb >= 0 and data_transfer_gb < 1000000000000),
    source              text           not null check (source in ('api', 'cloudwatch', 'demo')),
    recorded_at         timestamptz    not null default now(),

    primary key (customer_id, month, revision)
);
create index usage_metrics_month on usage_metrics (month, customer_id, revision desc);

create trigger usage_metrics_never_change before update or delete on usage_metrics
    for each row execute function never_changes();
alter table usage_metrics enable always trigger usage_metrics_never_change;

alter table usage_metrics enable row level security;
alter table usage_metrics force row level security;
create policy usage_metrics_of_tenant on usage_metrics to landlord_tenant using (customer_id = (select app.tenant()));
create policy usage_metrics_of_operator on usage_metrics to landlord_operator using ((select app.operator()));
create policy usage_metrics_of_worker on usage_metrics to landlord_worker using (customer_id in (select app.claimed()));
create policy usage_metrics_of_analytics on usage_metrics for select to landlord_analytics using (true);
grant select on usage_metrics to landlord_tenant, landlord_worker, landlord_analytics;
grant select, insert on usage_metrics to landlord_operator;

-- One reading of CloudWatch for a month.
create table usage_syncs (
    id                  uuid        primary key default app.new_id(),
    month               date        not null check (extract(day from month) = 1),
    status              text        not null default 'queued'
                                    check (status in ('queued', 'running', 'completed', 'completed_with_failures', 'failed')),
    customers_total     int         not null default 0 check (customers_total >= 0),
    customers_updated   int         not null default 0 check (customers_updated >= 0),
    customers_unchanged int         not null default 0 check (customers_unchanged >= 0),
    created_at          timestamptz not null default now(),
    finished_at         timestamptz
);

alter table usage_syncs enable row level security;
alter table usage_syncs force row level security;
create policy usage_syncs_of_operator on usage_syncs to landlord_operator using ((select app.operator()));
create policy usage_syncs_of_worker on usage_syncs to landlord_worker using (true);
grant select, insert on usage_syncs to landlord_operator;
grant select, update on usage_syncs to landlord_worker;
