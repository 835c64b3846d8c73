-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- A price list, in force from its first day until the next one's. Never changed, only followed by another.
create table rate_cards (
    id             uuid        primary key default app.new_id(),
    name           text        not null check (length(trim(name)) between 1 and 200),
    currency       text        not null check (currency ~ '^[A-Z]{3}$'),
    effective_from date        not null unique,
    created_at     timestamptz not null default now()
);

-- What a tier costs and grants under one price list.
create table tier_features (
    rate_card_id       uuid           not null references rate_cards (id),
    tier               text           not null check (tier in ('standard', 'fintech', 'healthcare', 'gov_federal')),
    position           int            not null,
    base_price         numeric(14, 2) not null check (base_price >= 0),
    max_accounts       int            not null check (max_accounts >= 0),
    max_regions        int            not null check (max_regions >= 0),
    sso_users_limit    int            not null check (sso_users_limit >= 0),
    custom_scps        boolean        not null,
    priority_support   boolean        not null,
    compliance_reports boolean        not null,
    cost_analytics     boolean        not null,
    multi_region       boolean        not null,
    break_glass_role   boolean        not null,
    created_at         timestamptz    not null default now(),

    primary key (rate_card_id, tier),
    unique (rate_card_id, position)
);

-- The graduated price of one metric in one tier: two arrays of bands, edges inclusive, the last one open.
create table rate_card_prices (
    rate_card_id uuid             not null,
    tier         text             not null,
    metric       text             not null check (metric in (
                     'account_count', 'ou_count', 'scp_count', 'cloudtrail_events', 'config_evaluations', 'log_storage_gb',
                     'nat_bytes_processed', 'data_transfer_gb')),
    position     int              not null,                                   -- the price list's own order
    included     numeric(24, 6)   not null check (included >= 0),
    unit         numeric(24, 6)   not null check (unit > 0),                  -- a power of ten: checked when loaded
    band_up_to   numeric(24, 6)[] not null,
    band_price   numeric(20, 9)[] not null,
    created_at   timestamptz      not null default now(),

    primary key (rate_card_id, tier, metric),
    foreign key (rate_card_id, tier) references tier_features (rate_card_id, tier),
    check (cardinality(band_up_to) = cardinality(band_price) and cardinality(band_price) between 1 and 20),
    check (band_up_to[cardinality(band_up_to)] is null),
    check (array_position(band_price, null) is null)
);

-- Of all usage charges, where they are greater than `over`.
create table volume_discounts (
    rate_card_id uuid           not null references rate_cards (id),
    over         numeric(14, 2) not null check (over >= 0),
    rate         numeric(7, 6)  not null check (rate between 0 and 1),
    created_at   timestamptz    not null default now(),

    primary key (rate_card_id, over)
);

-- A jurisdiction's tax, from a day on.
create table tax_rates (
    jurisdiction   text          not null check (jurisdiction ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    effective_from date          not null,
    rate           numeric(7, 6) not null check (rate between 0 and 1),
    created_at     timestamptz   not null default now(),

    primary key (jurisdiction, effective_from)
);

-- Prices of issued months rest on these rows, so nobody changes or removes one, the owner included.
create function never_changes() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% is never changed, only added to', tg_table_name using errcode = 'LL010';
end
$$;

do $$
declare
    house text;
begin
    foreach house in array array['rate_cards', 'tier_features', 'rate_card_prices', 'volume_discounts', 'tax_rates'] loop
        execute format('alter table %I enable row level security', house);
        execute format('alter table %I force row level security', house);
        execute format('create policy %I on %I for select to landlord_tenant using (true)', house || '_of_tenant', house);
        execute format('create policy %I on %I for select to landlord_worker using (true)', house || '_of_worker', house);
        execute format('create policy %I on %I for select to landlord_analytics using (true)', house || '_of_analytics', house);
        execute format('create policy %I on %I to landlord_operator using ((select app.operator()))', house || '_of_operator', house);
        execute format('grant select on %I to landlord_tenant, landlord_worker, landlord_analytics', house);
        execute format('grant select, insert on %I to landlord_operator', house);
        execute format(
            'create trigger %I before update or delete on %I for each row execute function never_changes()',
            house || '_never_change', house
        );
        execute format('alter table %I enable always trigger %I', house, house || '_never_change');
    end loop;
end
$$;
