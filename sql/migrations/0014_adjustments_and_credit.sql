-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- ---------------------------------------------------------------- adjustments

-- The invoice that an adjustment corrects: its price list and tier are what the newest usage is priced under.
alter table invoice_lines add column adjusted_invoice_id uuid;

-- Lines that stand already name the invoice of their month that stands, or else its last one. Owners see no row under
-- FORCE, and lines never change: both are lifted here, within this transaction alone. That takes the table for itself
-- until the end, so nothing below is gained by validating a constraint or making an index apart.
alter table invoices no force row level security;
alter table invoice_lines no force row level security;
alter table invoice_lines disable trigger invoice_lines_never_change;
do $$
declare
    without int;
begin
    update invoice_lines line
       set adjusted_invoice_id = (
               select i.id from invoices i
                where i.customer_id = line.customer_id and i.month = line.adjusted_month and i.number is not null
                order by i.status = 'cancelled', i.issued_at desc
                limit 1
           )
     where line.kind = 'adjustment';
    select count(*) into without from invoice_lines where kind = 'adjustment' and adjusted_invoice_id is null;
    if without > 0 then
        raise exception '% adjustments correct a month that has no invoice', without;
    end if;
end
$$;
alter table invoice_lines enable always trigger invoice_lines_never_change;
alter table invoice_lines force row level security;
alter table invoices force row level security;

-- an adjustment says all that it was computed from, and no other line does
-- squawk-ignore constraint-missing-not-valid
alter table invoice_lines add constraint invoice_lines_adjustment_is_whole check (
    num_nonnulls(adjusted_month, adjusted_invoice_id, usage_revision, charged_before)
        = case when kind = 'adjustment' then 4 else 0 end
);
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
alter table invoice_lines add constraint invoice_lines_adjusted_invoice
    foreign key (customer_id, adjusted_invoice_id) references invoices (customer_id, id);

-- what has been charged for a month besides its own invoice
-- squawk-ignore require-concurrent-index-creation
create index invoice_lines_adjustments on invoice_lines (customer_id, adjusted_month) where kind = 'adjustment';

-- ---------------------------------------------------------------- credit

-- What an invoice says came in is the sum of what did; and what came in beyond its total is the customer's credit.
create or replace function invoice_sums() returns trigger
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
    if exists (
        select from landlord.invoices i
         where i.customer_id = of_customer and i.id = of_invoice
           and greatest(0, i.amount_paid + i.amount_credited + i.credit_applied - i.total_amount) is distinct from (
                   select coalesce(sum(n.as_credit), 0) from landlord.credit_notes n
                    where n.customer_id = of_customer and n.invoice_id = of_invoice
               )
    ) then
        raise exception 'what came in beyond an invoice''s total becomes credit, to the cent' using errcode = 'LL010';
    end if;
    return null;
end
$$;

-- A cent of credit is used once. Whoever issues holds the customer's counter row, so no two look at the same time.
create function credit_is_used_once() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if (select sum(u.amount) from landlord.credit_uses u
          join landlord.invoices i on i.customer_id = u.customer_id and i.id = u.invoice_id
         where u.customer_id = new.customer_id and u.credit_note_id = new.credit_note_id and i.status <> 'cancelled')
       > (select n.as_credit from landlord.credit_notes n
           where n.customer_id = new.customer_id and n.id = new.credit_note_id) then
        raise exception 'a credit note gives no more credit than it has' using errcode = 'LL010';
    end if;
    return null;
end
$$;
create trigger credit_uses_once after insert on credit_uses for each row execute function credit_is_used_once();
alter table credit_uses enable always trigger credit_uses_once;
