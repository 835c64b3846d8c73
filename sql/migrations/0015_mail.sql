-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- ---------------------------------------------------------------- what an invoice's paper says

-- Who bills: the house's own name and address, in force from a day on. An invoice keeps those of the day it was issued
-- on, so nobody changes or removes a row; a move is one more.
create table company_details (
    effective_from date        primary key,
    name           text        not null check (length(trim(name)) between 1 and 200),
    address        text[]      not null check (cardinality(address) between 1 and 8),   -- lines
    tax_id         text        not null check (length(trim(tax_id)) between 1 and 100),
    email          text        not null check (length(email) <= 254 and email ~ '^[^@[:space:]]+@[^@[:space:]]+$'),   -- mail comes from here
    payment        text[]      not null check (cardinality(payment) between 1 and 8),   -- how to pay, in lines
    created_at     timestamptz not null default now()
);
alter table company_details enable row level security;
alter table company_details force row level security;
create policy company_details_of_tenant on company_details for select to landlord_tenant using (true);
create policy company_details_of_worker on company_details for select to landlord_worker using (true);
create policy company_details_of_operator on company_details to landlord_operator using ((select app.operator()));
grant select on company_details to landlord_tenant, landlord_worker;
grant select, insert on company_details to landlord_operator;
create trigger company_details_never_change before update or delete on company_details
    for each row execute function never_changes();
alter table company_details enable always trigger company_details_never_change;

-- Whom an invoice names: the customer's details as they were when it was issued.
alter table invoices add column billed_to jsonb;   -- {"name", "email", "aws_org_id", "aws_account_id"}
-- Those that have a number already get the details of today. Owners see no row under FORCE: it is lifted here, within
-- this transaction alone.
alter table invoices no force row level security;
alter table customers no force row level security;
update invoices i
   set billed_to = jsonb_build_object(
           'name', c.name, 'email', c.billing_email, 'aws_org_id', c.aws_org_id, 'aws_account_id', c.aws_account_id
       )
  from customers c
 where c.id = i.customer_id and i.number is not null;
do $$
declare
    without int;
begin
    select count(*) into without from invoices where number is not null and billed_to is null;
    if without > 0 then
        raise exception '% invoices name nobody', without;
    end if;
end
$$;
alter table customers force row level security;
alter table invoices force row level security;

create function billed_to_is_frozen() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'an invoice keeps whom it names' using errcode = 'LL010';
end
$$;
create trigger invoices_keep_billed_to before update on invoices for each row
    when (old.number is not null and new.billed_to is distinct from old.billed_to)
    execute function billed_to_is_frozen();
alter table invoices enable always trigger invoices_keep_billed_to;

-- ---------------------------------------------------------------- the outbox

-- A message of the outbox is also what the customer sees of it. It is made when a worker first takes the row up, and
-- then says the same at every try.
alter table outbox
    add column claimed_in xid8,        -- the transaction that has it in hand: what `app.claimed` reads
    add column notification_id uuid;
-- Both columns are empty still: nothing is read for the key, and the index is made at once.
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
alter table outbox add constraint outbox_notification
    foreign key (customer_id, notification_id) references notifications (customer_id, id);
-- squawk-ignore require-concurrent-index-creation
create index outbox_claimed on outbox (claimed_in) where claimed_in is not null;
grant update (claimed_in, notification_id, due_at) on outbox to landlord_worker;
grant update (status, attempts, sent_at, failed_reason) on notifications to landlord_worker;

create policy outbox_of_guard on outbox to landlord_guard using (true);
grant select (customer_id, key, claimed_in), insert (customer_id, kind, key, payload, due_at) on outbox to landlord_guard;

-- The customers whose billing items or messages this transaction has claimed; what a worker may touch.
set local role landlord_guard;
create or replace function app.claimed() returns setof uuid
    language plpgsql stable security definer parallel restricted
    set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select item.customer_id from landlord.billing_run_items item where item.claimed_in = pg_current_xact_id_if_assigned()
     union all
    select message.customer_id from landlord.outbox message where message.claimed_in = pg_current_xact_id_if_assigned();
end
$$;
set local role landlord_owner;

-- ---------------------------------------------------------------- reminders

-- squawk-ignore require-concurrent-index-creation
create index invoices_open_by_due_date on invoices (due_on) where status = 'issued';
create policy invoices_of_guard on invoices for select to landlord_guard using (true);
grant select (customer_id, id, status, due_on) on invoices to landlord_guard;

-- Queues the reminder of one day after the due date, once for each open invoice that was due in these days, for at most
-- so many; how many it queued. Which customers these are the worker learns only by claiming the messages.
set local role landlord_guard;
create function app.queue_reminders(day int, due_from date, due_to date, at timestamptz, most int) returns bigint
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
    with late as (
        select i.customer_id, i.id, 'invoice-reminder-' || queue_reminders.day || '/' || i.id as key
          from landlord.invoices i
         where i.status = 'issued'
           and i.due_on between queue_reminders.due_from and queue_reminders.due_to
           and not exists (
                   select from landlord.outbox o
                    where o.customer_id = i.customer_id
                      and o.key = 'invoice-reminder-' || queue_reminders.day || '/' || i.id
               )
         limit queue_reminders.most
    ), queued as (
        insert into landlord.outbox (customer_id, kind, key, payload, due_at)
        select late.customer_id, 'email', late.key, jsonb_build_object('invoice_id', late.id), queue_reminders.at from late
            on conflict do nothing
        returning 1 as one
    )
    select count(*) from queued;
$$;
grant execute on function app.queue_reminders(int, date, date, timestamptz, int) to landlord_worker;
