-- migrate:up
-- Without gaps, whoever counts: a number that is counted is given in the same statement, and one that is given was counted.
set local role landlord_owner;
set local search_path = landlord;

create or replace function counts_by_one() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'INSERT' then
        if new.last_invoice <> 0 or new.last_credit_note <> 0 then
            raise exception 'numbers are counted from one' using errcode = 'LL010';
        end if;
        return new;
    end if;
    if new.customer_id <> old.customer_id
       or new.last_invoice - old.last_invoice not in (0, 1)
       or new.last_credit_note - old.last_credit_note not in (0, 1) then
        raise exception 'numbers are counted up by one' using errcode = 'LL010';
    end if;
    return new;
end
$$;
create trigger invoice_counters_from_one before insert on invoice_counters for each row execute function counts_by_one();

-- What the next two compare: a number as it stands on the paper. Looked at once for all rows of a statement, since a run
-- numbers hundreds.
create function number_of(prefix text, series text, count bigint) returns text
    language sql immutable
return prefix || series || lpad(count::text, greatest(4, length(count::text)), '0');
grant execute on function number_of(text, text, bigint) to landlord_operator, landlord_worker;

create function counted_numbers_are_given() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select from now_so
          join before on before.customer_id = now_so.customer_id
          join landlord.customers c on c.id = now_so.customer_id
         where now_so.last_invoice > before.last_invoice
           and not exists (
                   select from landlord.invoices i
                    where i.customer_id = now_so.customer_id
                      and i.number = landlord.number_of(c.invoice_prefix, '-', now_so.last_invoice)
               )
            or now_so.last_credit_note > before.last_credit_note
           and not exists (
                   select from landlord.credit_notes n
                    where n.customer_id = now_so.customer_id
                      and n.number = landlord.number_of(c.invoice_prefix, '-CN-', now_so.last_credit_note)
               )
    ) then
        raise exception 'a number that is counted is given' using errcode = 'LL010';
    end if;
    return null;
end
$$;
create trigger invoice_counters_given after update on invoice_counters
    referencing old table as before new table as now_so for each statement execute function counted_numbers_are_given();
alter table invoice_counters enable always trigger invoice_counters_given;

create function given_numbers_are_counted() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    wrong boolean;
begin
    if tg_table_name = 'invoices' then
        select into wrong exists (
            select from now_so
              join before on before.customer_id = now_so.customer_id and before.id = now_so.id
             where before.number is null and now_so.number is not null
               and not exists (
                       select from landlord.invoice_counters counter
                         join landlord.customers c on c.id = counter.customer_id
                        where counter.customer_id = now_so.customer_id
                          and now_so.number = landlord.number_of(c.invoice_prefix, '-', counter.last_invoice)
                   )
        );
    else
        select into wrong exists (
            select from now_so
             where not exists (
                       select from landlord.invoice_counters counter
                         join landlord.customers c on c.id = counter.customer_id
                        where counter.customer_id = now_so.customer_id
                          and now_so.number = landlord.number_of(c.invoice_prefix, '-CN-', counter.last_credit_note)
                   )
        );
    end if;
    if wrong then
        raise exception 'a number that is given is the one that was counted' using errcode = 'LL010';
    end if;
    return null;
end
$$;
create trigger invoices_counted after update on invoices
    referencing old table as before new table as now_so for each statement execute function given_numbers_are_counted();
create trigger credit_notes_counted after insert on credit_notes
    referencing new table as now_so for each statement execute function given_numbers_are_counted();
alter table invoices enable always trigger invoices_counted;
alter table credit_notes enable always trigger credit_notes_counted;

-- A cent of credit is used once, looked at when the transaction ends: whoever uses some gives the invoice a number, and so has
-- waited by then for whoever else did.
drop trigger credit_uses_once on credit_uses;
create constraint trigger credit_uses_once after insert on credit_uses deferrable initially deferred for each row
    execute function credit_is_used_once();
alter table credit_uses enable always trigger credit_uses_once;
