"""Three designs that look right and are not: what of the schema each changes. The rest is in the worker."""

from __future__ import annotations

from typing import Final

NUMBERS_FROM_SEQUENCES: Final = "a sequence for numbers"
MARKS_THEN_SENDS: Final = "mark before send"
LOOKS_THEN_WRITES: Final = "no unique index"

# A sequence is never rolled back, and after a crash it goes on behind what was logged ahead.
_SEQUENCES = """
    drop trigger invoices_counted on landlord.invoices;
    drop trigger invoice_counters_given on landlord.invoice_counters;
    do $$
    declare
        prefix text;
    begin
        for prefix in select invoice_prefix from landlord.customers loop
            execute format('create sequence landlord.%I', 'numbers_' || prefix);
        end loop;
    end
    $$;
    create function landlord.next_number() returns trigger
        language plpgsql security definer
        set search_path = landlord, pg_temp
    as $$
    declare
        prefix constant text := (select invoice_prefix from customers where id = new.customer_id);
    begin
        new.number := prefix || '-' || lpad(nextval(format('landlord.%I', 'numbers_' || prefix))::text, 4, '0');
        return new;
    end
    $$;
    create trigger invoices_numbered before update on landlord.invoices for each row
        when (old.number is null and new.number is not null) execute function landlord.next_number();
"""

# The counter rows are there, and nobody holds them.
_NO_INDEX = """
    drop index landlord.invoices_one_per_month;
    insert into landlord.invoice_counters (customer_id) select id from landlord.customers;
"""

SCHEMA: Final = {NUMBERS_FROM_SEQUENCES: _SEQUENCES, MARKS_THEN_SENDS: "select", LOOKS_THEN_WRITES: _NO_INDEX}
