-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- A message to a customer, and how far it got.
create table notifications (
    id               uuid        not null default app.new_id(),
    customer_id      uuid        not null references customers (id),
    title            text        not null check (length(trim(title)) between 1 and 200),
    message          text        not null check (length(message) between 1 and 20000),
    channel          text        not null check (channel in ('email', 'sms', 'webhook')),
    delivery_address text        not null check (length(trim(delivery_address)) between 1 and 500),
    status           text        not null default 'pending' check (status in ('pending', 'sent', 'failed')),
    attempts         int         not null default 0 check (attempts >= 0),
    sent_at          timestamptz,
    failed_reason    text,
    created_at       timestamptz not null default now(),

    primary key (customer_id, id),
    check ((status = 'sent') = (sent_at is not null)),
    check ((status = 'failed') <= (failed_reason is not null))
);
create index notifications_newest on notifications (customer_id, id desc);

-- Where a customer's own server hears of changes.
create table webhook_endpoints (
    id          uuid        not null default app.new_id(),
    customer_id uuid        not null references customers (id),
    url         text        not null check (url like 'https://%' and length(url) <= 2000),
    event_types text[]      not null default '{}',
    secret      bytea       not null,                         -- encrypted; never selected by the API
    is_active   boolean     not null default true,
    deleted_at  timestamptz,
    created_at  timestamptz not null default now(),

    primary key (customer_id, id)
);

-- What has to leave the house after a commit: written with the change, delivered at least once under a stable key.
create table outbox (
    id            uuid        not null default app.new_id(),
    customer_id   uuid        not null references customers (id),
    kind          text        not null check (kind in ('email', 'sms', 'webhook', 'pdf', 'epoch')),
    key           text        not null,
    payload       jsonb       not null,
    due_at        timestamptz not null default now(),
    claimed_until timestamptz,
    attempts      int         not null default 0 check (attempts >= 0),
    sent_at       timestamptz,
    failed_reason text,
    created_at    timestamptz not null default now(),

    primary key (customer_id, id),
    unique (customer_id, key)
);
create index outbox_due on outbox (due_at) where sent_at is null and failed_reason is null;

alter table notifications enable row level security;
alter table notifications force row level security;
create policy notifications_of_tenant on notifications to landlord_tenant using (customer_id = (select app.tenant()));
create policy notifications_of_operator on notifications to landlord_operator using ((select app.operator()));
create policy notifications_of_worker on notifications to landlord_worker using (customer_id in (select app.claimed()));
grant select on notifications to landlord_tenant;
grant select, insert on notifications to landlord_operator, landlord_worker;

alter table webhook_endpoints enable row level security;
alter table webhook_endpoints force row level security;
create policy webhook_endpoints_of_tenant on webhook_endpoints to landlord_tenant using (customer_id = (select app.tenant()));
create policy webhook_endpoints_of_operator on webhook_endpoints to landlord_operator using ((select app.operator()));
grant select (id, customer_id, url, event_types, is_active, deleted_at, created_at) on webhook_endpoints
    to landlord_tenant, landlord_operator;

alter table outbox enable row level security;
alter table outbox force row level security;
create policy outbox_of_tenant on outbox for insert to landlord_tenant with check (customer_id = (select app.tenant()));
create policy outbox_of_operator on outbox to landlord_operator using ((select app.operator()));
create policy outbox_of_worker on outbox to landlord_worker using (true);   -- its queue
grant insert (customer_id, kind, key, payload, due_at) on outbox to landlord_tenant;
grant select, insert (customer_id, kind, key, payload, due_at) on outbox to landlord_operator;
grant select, insert, update (claimed_until, attempts, sent_at, failed_reason) on outbox to landlord_worker;
