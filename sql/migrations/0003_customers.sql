-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- A customer: one tenant, whose id is `customer_id` everywhere else.
create table customers (
    id                  uuid        primary key default app.new_id(),
    name                text        not null check (length(trim(name)) between 1 and 200),
    framework           text        not null default 'CIS' check (length(trim(framework)) between 1 and 50),
    aws_org_id          text        check (aws_org_id ~ '^o-[a-z0-9]{10,32}$'),
    aws_account_id      text        check (aws_account_id ~ '^[0-9]{12}$'),
    email               text        not null check (length(email) <= 254 and email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    billing_email       text        not null check (length(billing_email) <= 254 and billing_email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),
    mfa_enforced        boolean     not null default true,
    encryption_required boolean     not null default true,
    tags                jsonb       not null default '{}',
    custom_config       jsonb       not null default '{}',
    tax_jurisdiction    text        not null check (tax_jurisdiction ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    tax_status          text        not null check (tax_status in ('taxable', 'exempt', 'reverse_charge')),
    -- drawn at random by the server, so a duplicate tells nobody anything
    invoice_prefix      text        not null unique default app.new_invoice_prefix() check (invoice_prefix ~ '^[2-9A-HJKMNP-TV-Z]{6}$'),
    active_from         date        not null,
    closed_on           date,                                  -- first day without service
    closed_reason       text,
    suspended_at        timestamptz,
    suspended_reason    text,
    epoch               bigint      not null default 1,        -- goes up when credentials must be looked at again
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),

    check (closed_on >= active_from),
    check ((closed_on is null) = (closed_reason is null)),
    check ((suspended_at is null) = (suspended_reason is null))
);
create index customers_newest on customers (id desc);

-- Which tier from which day on; a period lasts until the next one starts, so two can never overlap.
create table tier_history (
    customer_id uuid        not null references customers (id),
    starts_on   date        not null,
    tier        text        not null check (tier in ('standard', 'fintech', 'healthcare', 'gov_federal')),
    created_at  timestamptz not null default now(),

    primary key (customer_id, starts_on)
);

-- An epoch that went down would bring ended credentials back.
create function customer_keeps_itself() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if new.epoch < old.epoch or new.id <> old.id or new.invoice_prefix <> old.invoice_prefix then
        raise exception 'a customer keeps its id and invoice prefix, and its epoch only goes up' using errcode = 'LL010';
    end if;
    return new;
end
$$;
create trigger customers_epoch before update on customers for each row execute function customer_keeps_itself();

alter table customers enable row level security;
alter table customers force row level security;
create policy customers_of_tenant on customers to landlord_tenant using (id = (select app.tenant()));
create policy customers_of_operator on customers to landlord_operator using ((select app.operator()));
create policy customers_of_worker on customers to landlord_worker using (id in (select app.claimed()));
create policy customers_of_guard on customers to landlord_guard using (true);
create policy customers_of_analytics on customers for select to landlord_analytics using (true);
grant select, update (epoch) on customers to landlord_tenant;
grant select, insert, update on customers to landlord_operator;
grant select on customers to landlord_worker;
grant select on customers to landlord_guard;
grant select (id, active_from, closed_on, tax_jurisdiction, created_at) on customers to landlord_analytics;

alter table tier_history enable row level security;
alter table tier_history force row level security;
create policy tier_history_of_tenant on tier_history to landlord_tenant using (customer_id = (select app.tenant()));
create policy tier_history_of_operator on tier_history to landlord_operator using ((select app.operator()));
create policy tier_history_of_worker on tier_history to landlord_worker using (customer_id in (select app.claimed()));
create policy tier_history_of_analytics on tier_history for select to landlord_analytics using (true);
grant select on tier_history to landlord_tenant, landlord_worker, landlord_analytics;
grant select, insert, delete on tier_history to landlord_operator;
