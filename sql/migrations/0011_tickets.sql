-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- A support ticket. Closed is for good.
create table support_tickets (
    id                    uuid        not null default app.new_id(),
    customer_id           uuid        not null references customers (id),
    subject               text        not null check (length(trim(subject)) between 1 and 200),
    status                text        not null default 'open'
                                      check (status in ('open', 'in_progress', 'waiting_on_customer', 'resolved', 'closed')),
    priority              text        not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
    created_by            text        not null,
    assigned_to           text        check (length(trim(assigned_to)) between 1 and 200),
    first_response_due_at timestamptz,
    first_responded_at    timestamptz,
    created_at            timestamptz not null default now(),
    updated_at            timestamptz not null default now(),

    primary key (customer_id, id)
);
create index support_tickets_newest on support_tickets (customer_id, id desc);
create index support_tickets_newest_of_all on support_tickets (id desc);

-- What was said on a ticket, in order. Internal comments are the operators' own.
create table ticket_comments (
    id          uuid        not null default app.new_id(),
    customer_id uuid        not null,
    ticket_id   uuid        not null,
    author      text        not null,
    author_kind text        not null check (author_kind in ('tenant', 'operator')),
    body        text        not null check (length(trim(body)) between 1 and 20000),
    internal    boolean     not null default false,
    created_at  timestamptz not null default now(),

    primary key (customer_id, id),
    foreign key (customer_id, ticket_id) references support_tickets (customer_id, id),
    check (author_kind = 'operator' or not internal)
);
create index ticket_comments_newest on ticket_comments (customer_id, ticket_id, id desc);

create function ticket_stays_closed() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if old.status = 'closed' then
        raise exception 'a closed ticket stays as it is' using errcode = 'LL010';
    end if;
    return new;
end
$$;
create trigger support_tickets_stay_closed before update on support_tickets for each row execute function ticket_stays_closed();
create trigger ticket_comments_never_change before update or delete on ticket_comments
    for each row execute function never_changes();

alter table support_tickets enable row level security;
alter table support_tickets force row level security;
create policy support_tickets_of_tenant on support_tickets to landlord_tenant using (customer_id = (select app.tenant()));
create policy support_tickets_of_operator on support_tickets to landlord_operator using ((select app.operator()));
grant select, insert, update (status, priority, updated_at) on support_tickets to landlord_tenant;
grant select, insert, update (status, priority, assigned_to, first_responded_at, updated_at) on support_tickets to landlord_operator;

alter table ticket_comments enable row level security;
alter table ticket_comments force row level security;
create policy ticket_comments_of_tenant on ticket_comments to landlord_tenant
    using (customer_id = (select app.tenant()) and not internal)
    with check (customer_id = (select app.tenant()) and author_kind = 'tenant');
create policy ticket_comments_of_operator on ticket_comments to landlord_operator using ((select app.operator()));
grant select, insert on ticket_comments to landlord_tenant, landlord_operator;
