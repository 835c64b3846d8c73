-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- An invoice: what one customer owes for one month. Its amounts are frozen once it has a number.
create table invoices (
    id               uuid           not null default app.new_id(),
    customer_id      uuid           not null references customers (id),
    month            date           not null check (extract(day from month) = 1),
    status           text           not null default 'draft' check (status in ('draft', 'issued', 'paid', 'cancelled')),
    number           text           check (number ~ '^[2-9A-HJKMNP-TV-Z]{6}-[0-9]{4,}$'),   -- gapless per customer
    tier             text           not null check (tier in ('standard', 'fintech', 'healthcare', 'gov_federal')),
    currency         text           not null check (currency ~ '^[A-Z]{3}$'),
    tier_base_cost   numeric(14, 2) not null check (tier_base_cost >= 0),
    usage_charges    numeric(14, 2) not null check (usage_charges >= 0),
    volume_discount  numeric(14, 2) not null check (volume_discount >= 0),
    adjustments      numeric(14, 2) not null default 0,
    subtotal         numeric(14, 2) not null check (subtotal >= 0),
    tax_rate         numeric(7, 6)  not null check (tax_rate between 0 and 1),
    tax_amount       numeric(14, 2) not null check (tax_amount >= 0),
    total_amount     numeric(14, 2) not null check (total_amount >= 0),
    -- what it was computed from, enough to compute it again
    rate_card_id     uuid           not null references rate_cards (id),
    usage_revision   int            not null check (usage_revision >= 0),                     -- 0: adjustments alone
    tier_periods     jsonb          not null,                                                -- [{"tier", "from", "to"}]
    tax_jurisdiction text           not null,
    tax_status       text           not null check (tax_status in ('taxable', 'exempt', 'reverse_charge')),
    -- what has come in against it
    amount_paid      numeric(14, 2) not null default 0 check (amount_paid >= 0),
    amount_credited  numeric(14, 2) not null default 0 check (amount_credited between 0 and total_amount),
    credit_applied   numeric(14, 2) not null default 0 check (credit_applied >= 0),
    issued_at        timestamptz,
    due_on           date,
    paid_at          timestamptz,
    cancelled_at     timestamptz,
    cancel_reason    text,
    created_at       timestamptz    not null default now(),
    updated_at       timestamptz    not null default now(),

    primary key (customer_id, id),
    unique (customer_id, number),
    check (subtotal = tier_base_cost + usage_charges - volume_discount + adjustments),
    check (total_amount = subtotal + tax_amount),
    check (amount_paid + credit_applied <= total_amount),
    -- a number, a date of issue and a due date come together
    check ((number is null) = (issued_at is null) and (number is null) = (due_on is null)),
    -- a draft has none of them; every issued or paid invoice has all; a cancelled one keeps what it had
    check ((status = 'draft') <= (number is null)),
    check ((status in ('issued', 'paid')) <= (number is not null)),
    -- paid means that nothing is due, issued that something is
    check ((status = 'paid') = (paid_at is not null)),
    check ((status = 'paid') <= (total_amount <= amount_paid + amount_credited + credit_applied)),
    check ((status = 'issued') <= (total_amount > amount_paid + amount_credited + credit_applied)),
    check ((status = 'cancelled') = (cancelled_at is not null) and (cancelled_at is null) = (cancel_reason is null))
);
-- one living invoice per customer and month, whoever runs billing
create unique index invoices_one_per_month on invoices (customer_id, month) where status <> 'cancelled';
create index invoices_newest on invoices (customer_id, id desc);
create index invoices_newest_of_all on invoices (id desc);
create index invoices_of_month on invoices (month, id desc);

-- One amount of an invoice, and how it came about.
create table invoice_lines (
    customer_id    uuid           not null,
    invoice_id     uuid           not null,
    position       int            not null check (position > 0),
    kind           text           not null check (kind in ('base', 'usage', 'discount', 'adjustment', 'tax')),
    metric         text           check (metric in (
                       'account_count', 'ou_count', 'scp_count', 'cloudtrail_events', 'config_evaluations', 'log_storage_gb',
                       'nat_bytes_processed', 'data_transfer_gb')),
    tier           text           check (tier in ('standard', 'fintech', 'healthcare', 'gov_federal')),
    adjusted_month date           check (extract(day from adjusted_month) = 1),
    usage_revision int,                                            -- of the month that an adjustment corrects
    charged_before numeric(14, 2),                                 -- for that month, before this line
    description    text           not null,
    quantity       numeric(24, 6),
    billable       numeric(24, 6),
    bands          jsonb          not null default '[]',           -- [{"quantity", "unit", "price_per_unit", "amount"}], as text
    amount         numeric(14, 2) not null,

    primary key (customer_id, invoice_id, position),
    foreign key (customer_id, invoice_id) references invoices (customer_id, id),
    check ((kind = 'usage') = (metric is not null) and (kind = 'usage') = (billable is not null)),
    check ((kind = 'base') = (tier is not null)),
    check ((kind = 'adjustment') = (adjusted_month is not null)),
    check (kind in ('base', 'usage') or quantity is null)
);

-- The lock under which a customer's numbers are given and its credit is read.
create table invoice_counters (
    customer_id      uuid   primary key references customers (id),
    last_invoice     bigint not null default 0 check (last_invoice >= 0),
    last_credit_note bigint not null default 0 check (last_credit_note >= 0)
);

-- The picture of an invoice's states, whoever asks: draft -> issued -> paid; draft, issued -> cancelled.
create function invoice_moves() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'an invoice is cancelled, never removed' using errcode = 'LL010';
    end if;
    if tg_op = 'INSERT' then
        if new.status <> 'draft' or new.amount_paid + new.amount_credited + new.credit_applied <> 0 then
            raise exception 'an invoice begins as a draft' using errcode = 'LL010';
        end if;
        return new;
    end if;
    if (old.status, new.status) not in (
        ('draft', 'draft'), ('draft', 'issued'), ('draft', 'paid'), ('draft', 'cancelled'),
        ('issued', 'issued'), ('issued', 'paid'), ('issued', 'cancelled'), ('paid', 'paid')
    ) then
        raise exception 'an invoice does not go from % to %', old.status, new.status using errcode = 'LL010';
    end if;
    if (new.id, new.customer_id, new.month, new.created_at) is distinct from (old.id, old.customer_id, old.month, old.created_at) then
        raise exception 'an invoice keeps its customer and its month' using errcode = 'LL010';
    end if;
    if old.status = 'draft' then
        if new.status in ('draft', 'cancelled') and new.amount_paid + new.amount_credited + new.credit_applied <> 0 then
            raise exception 'a draft takes no money' using errcode = 'LL010';
        end if;
    else
        if (new.number, new.issued_at, new.due_on, new.tier, new.currency, new.tier_base_cost, new.usage_charges,
            new.volume_discount, new.adjustments, new.subtotal, new.tax_rate, new.tax_amount, new.total_amount,
            new.rate_card_id, new.usage_revision, new.tier_periods, new.tax_jurisdiction, new.tax_status, new.credit_applied)
           is distinct from
           (old.number, old.issued_at, old.due_on, old.tier, old.currency, old.tier_base_cost, old.usage_charges,
            old.volume_discount, old.adjustments, old.subtotal, old.tax_rate, old.tax_amount, old.total_amount,
            old.rate_card_id, old.usage_revision, old.tier_periods, old.tax_jurisdiction, old.tax_status, old.credit_applied) then
            raise exception 'an invoice is frozen once it has a number' using errcode = 'LL010';
        end if;
        if new.amount_paid < old.amount_paid or new.amount_credited < old.amount_credited then
            raise exception 'money that came in stays' using errcode = 'LL010';
        end if;
        if new.status = 'cancelled' and (new.amount_paid > 0 or new.amount_credited > 0) then
            raise exception 'an invoice with payments or credit notes is not cancelled' using errcode = 'LL010';
        end if;
        if old.status = 'paid' and (new.paid_at, new.amount_paid) is distinct from (old.paid_at, old.amount_paid) then
            raise exception 'a paid invoice takes no payment' using errcode = 'LL010';
        end if;
    end if;
    return new;
end
$$;
create trigger invoices_moves before insert or update or delete on invoices for each row execute function invoice_moves();
alter table invoices enable always trigger invoices_moves;

-- What gets a number says what its lines do. Looked at once for all invoices of a statement: a run numbers hundreds.
create function lines_sum_to_total() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select from now_so
          join before on before.customer_id = now_so.customer_id and before.id = now_so.id
          left join landlord.invoice_lines line on line.customer_id = now_so.customer_id and line.invoice_id = now_so.id
         where before.status = 'draft' and now_so.status in ('issued', 'paid')
         group by now_so.customer_id, now_so.id, now_so.total_amount
        having coalesce(sum(line.amount), 0) <> now_so.total_amount
    ) then
        raise exception 'the lines of an invoice sum to its total' using errcode = 'LL010';
    end if;
    return null;
end
$$;
create trigger invoices_summed after update on invoices
    referencing old table as before new table as now_so for each statement execute function lines_sum_to_total();
alter table invoices enable always trigger invoices_summed;

-- Lines change only under a draft.
create function lines_are_of_drafts() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select from touched
          join landlord.invoices invoice
            on invoice.customer_id = touched.customer_id and invoice.id = touched.invoice_id
         where invoice.status <> 'draft'
    ) then
        raise exception 'the lines of an invoice are frozen once it has a number' using errcode = 'LL010';
    end if;
    return null;
end
$$;
create trigger invoice_lines_added after insert on invoice_lines
    referencing new table as touched for each statement execute function lines_are_of_drafts();
create trigger invoice_lines_removed after delete on invoice_lines
    referencing old table as touched for each statement execute function lines_are_of_drafts();
create trigger invoice_lines_never_change before update on invoice_lines
    for each row execute function never_changes();
alter table invoice_lines enable always trigger invoice_lines_added;
alter table invoice_lines enable always trigger invoice_lines_removed;
alter table invoice_lines enable always trigger invoice_lines_never_change;

-- Numbers are counted up by one, so that none is skipped or given twice.
create function counts_by_one() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if new.customer_id <> old.customer_id
       or new.last_invoice - old.last_invoice not in (0, 1)
       or new.last_credit_note - old.last_credit_note not in (0, 1) then
        raise exception 'numbers are counted up by one' using errcode = 'LL010';
    end if;
    return new;
end
$$;
create trigger invoice_counters_by_one before update on invoice_counters for each row execute function counts_by_one();
create trigger invoice_counters_stay before delete on invoice_counters for each row execute function never_changes();

alter table invoices enable row level security;
alter table invoices force row level security;
create policy invoices_of_tenant on invoices to landlord_tenant
    using (customer_id = (select app.tenant()) and number is not null);   -- drafts are not the tenant's
create policy invoices_of_operator on invoices to landlord_operator using ((select app.operator()));
create policy invoices_of_worker on invoices to landlord_worker using (customer_id in (select app.claimed()));
create policy invoices_of_analytics on invoices for select to landlord_analytics using (true);
grant select on invoices to landlord_tenant;
grant select, insert, update on invoices to landlord_operator, landlord_worker;
grant select (id, customer_id, month, status, tier, currency, tier_base_cost, usage_charges, volume_discount, adjustments,
              subtotal, tax_amount, total_amount, amount_paid, amount_credited, credit_applied, issued_at, due_on, paid_at)
    on invoices to landlord_analytics;

alter table invoice_lines enable row level security;
alter table invoice_lines force row level security;
create policy invoice_lines_of_tenant on invoice_lines to landlord_tenant
    using (
        customer_id = (select app.tenant())
        and exists (
            select from invoices
             where invoices.customer_id = invoice_lines.customer_id and invoices.id = invoice_lines.invoice_id
        )
    );
create policy invoice_lines_of_operator on invoice_lines to landlord_operator using ((select app.operator()));
create policy invoice_lines_of_worker on invoice_lines to landlord_worker using (customer_id in (select app.claimed()));
grant select on invoice_lines to landlord_tenant;
grant select, insert, delete on invoice_lines to landlord_operator, landlord_worker;

alter table invoice_counters enable row level security;
alter table invoice_counters force row level security;
create policy invoice_counters_of_operator on invoice_counters to landlord_operator using ((select app.operator()));
create policy invoice_counters_of_worker on invoice_counters to landlord_worker using (customer_id in (select app.claimed()));
grant select, insert, update on invoice_counters to landlord_operator, landlord_worker;
