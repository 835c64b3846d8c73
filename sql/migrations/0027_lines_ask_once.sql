-- migrate:up
-- The lines of an invoice that has no number yet are hidden as before, by one question a statement where each line asked its own.
set local role landlord_owner;
set local search_path = landlord;

-- The invoices that a tenant sees are all its own, so their ids alone tell which: they are read once, and hashed.
alter policy invoice_lines_of_tenant on invoice_lines
    using (customer_id = (select app.tenant()) and invoice_id in (select invoices.id from invoices));
