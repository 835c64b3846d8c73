-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- Money that came in for one invoice.
create table payments (
    id          uuid           not null default app.new_id(),
    customer_id uuid           not null,
    invoice_id  uuid           not null,
    amount      numeric(14, 2) not null check (amount > 0),
    method      text           not null check (length(trim(method)) between 1 and 50),
    reference   text           check (length(reference) <= 200),
    received_at timestamptz    not null,
    created_at  timestamptz    not null default now(),

    primary key (customer_id, id),
    foreign key (customer_id, invoice_id) references invoices (customer_id, id)
);
create index payments_of_invoice on payments (customer_id, invoice_id);

-- An amount, tax included, that an invoice is less; on a paid invoice it becomes the customer's credit.
create table credit_notes (
    id          uuid           not null default app.new_id(),
    customer_id uuid           not null,
    invoice_id  uuid           not null,
    number      text           not null check (number ~ '^[2-9A-HJKMNP-TV-Z]{6}-CN-[0-9]{4,}$'),   -- gapless per customer
    amount      numeric(14, 2) not null check (amount > 0),
    as_credit   numeric(14, 2) not null default 0 check (as_credit between 0 and amount),          -- what became credit
    reason      text           not null check (length(trim(reason)) between 1 and 1000),
    issued_at   timestamptz    not null,
    created_at  timestamptz    not null default now(),

    primary key (customer_id, id),
    unique (customer_id, number),
    foreign key (customer_id, invoice_id) references invoices (customer_id, id)
);
create index credit_notes_of_invoice on credit_notes (customer_id, invoice_id);

-- How much of a credit note's credit an invoice took up when it was issued. A cancelled invoice's uses are free again.
create table credit_uses (
    customer_id    uuid           not null,
    credit_note_id uuid           not null,
    invoice_id     uuid           not null,
    amount         numeric(14, 2) not null check (amount > 0),
    created_at     timestamptz    not null default now(),

    primary key (customer_id, credit_note_id, invoice_id),
    foreign key (customer_id, credit_note_id) references credit_notes (customer_id, id),
    foreign key (customer_id, invoice_id) references invoices (customer_id, id)
);
create index credit_uses_of_invoice on credit_uses (customer_id, invoice_id);

-- What an invoice says came in is the sum of what did.
create function invoice_sums() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    of_customer constant uuid := new.customer_id;
    of_invoice  constant uuid := case when tg_table_name = 'invoices' then (to_jsonb(new) ->> 'id')::uuid
                                      else (to_jsonb(new) ->> 'invoice_id')::uuid end;
begin
    if exists (
        select from landlord.invoices i
         where i.customer_id = of_customer and i.id = of_invoice
           and (i.amount_paid, i.amount_credited, i.credit_applied) is distinct from (
                   (select coalesce(sum(p.amount), 0) from landlord.payments p
                     where p.customer_id = of_customer and p.invoice_id = of_invoice),
                   (select coalesce(sum(n.amount), 0) from landlord.credit_notes n
                     where n.customer_id = of_customer and n.invoice_id = of_invoice),
                   (select coalesce(sum(u.amount), 0) from landlord.credit_uses u
                     where u.customer_id = of_customer and u.invoice_id = of_invoice)
               )
    ) then
        raise exception 'an invoice says what was paid, credited and applied, to the cent' using errcode = 'LL010';
    end if;
    return null;
end
$$;
create constraint trigger invoices_sums after update on invoices deferrable initially deferred for each row
    when ((old.amount_paid, old.amount_credited, old.credit_applied) is distinct from (new.amount_paid, new.amount_credited, new.credit_applied))
    execute function invoice_sums();

do $$
declare
    ledger text;
begin
    foreach ledger in array array['payments', 'credit_notes', 'credit_uses'] loop
        execute format('alter table %I enable row level security', ledger);
        execute format('alter table %I force row level security', ledger);
        execute format('create policy %I on %I to landlord_tenant using (customer_id = (select app.tenant()))', ledger || '_of_tenant', ledger);
        execute format('create policy %I on %I to landlord_operator using ((select app.operator()))', ledger || '_of_operator', ledger);
        execute format('create policy %I on %I to landlord_worker using (customer_id in (select app.claimed()))', ledger || '_of_worker', ledger);
        execute format('grant select on %I to landlord_tenant, landlord_worker', ledger);
        execute format('grant select, insert on %I to landlord_operator', ledger);
        execute format(
            'create constraint trigger %I after insert on %I deferrable initially deferred for each row execute function invoice_sums()',
            ledger || '_sums', ledger
        );
        execute format(
            'create trigger %I before update or delete on %I for each row execute function never_changes()',
            ledger || '_never_change', ledger
        );
        execute format('alter table %I enable always trigger %I', ledger, ledger || '_never_change');
    end loop;
end
$$;
grant insert on credit_uses to landlord_worker;
