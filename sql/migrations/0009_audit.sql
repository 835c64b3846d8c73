-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- The audit trail: one event for every call, kept by month. Its id is made in time order and is what months are told
-- apart by, so the newest page reads the newest partition and stops.
create table audit_events (
    id               uuid        not null default app.new_id(),
    customer_id      uuid,                                    -- null: the house itself
    event_type       text        not null check (length(event_type) between 1 and 100),
    action           text        not null check (action in ('create', 'read', 'update', 'delete', 'login', 'execute')),
    resource_type    text,
    resource_id      text,                                    -- as the API names it
    actor            text        not null,
    actor_kind       text        not null check (actor_kind in ('tenant', 'operator', 'system', 'anonymous')),
    actor_email      text,
    actor_ip         text,
    actor_user_agent text,
    status           text        not null check (status in ('success', 'failure', 'denied')),
    error_message    text,
    request_id       text,
    metadata         jsonb       not null default '{}',
    created_at       timestamptz not null,                    -- the id's own instant
    xid              xid8        not null,                    -- the transaction that wrote it: the sealer's horizon
    leaf             bytea       not null,                    -- SHA-256 of its canonical bytes

    primary key (id)
) partition by range (id);
create index audit_events_newest on audit_events (customer_id, id desc);

-- One field of an event's canonical bytes: its length in eight bytes and its UTF-8; -1 where it is null.
set local role landlord_guard;
create function app.field(value text) returns bytea
    language sql immutable
    set search_path = pg_catalog, pg_temp
return (
    case when value is null then int8send(-1)
         else int8send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8') end
);

-- SHA-256 (0x00 || fields in the order below): the leaf that a Merkle tree takes (RFC 6962, section 2.1).
create function app.leaf(
    id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text,
    actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb
) returns bytea
    language sql immutable
    set search_path = pg_catalog, pg_temp
return sha256(
    '\x00'::bytea
    || app.field(id::text) || app.field(customer_id::text) || app.field(event_type) || app.field(action)
    || app.field(resource_type) || app.field(resource_id) || app.field(actor) || app.field(actor_kind)
    || app.field(actor_email) || app.field(actor_ip) || app.field(actor_user_agent) || app.field(status)
    || app.field(error_message) || app.field(request_id) || app.field(metadata::text)
);
grant execute on function app.field(text),
    app.leaf(uuid, uuid, text, text, text, text, text, text, text, text, text, text, text, text, jsonb)
    to landlord_owner, landlord_tenant, landlord_operator, landlord_worker, landlord_auditor;
set local role landlord_owner;
set local search_path = landlord;

-- Instant, transaction and leaf are the database's own, whatever the writer says.
create function audit_event_is_stamped() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    new.created_at := app.made_at(new.id);
    new.xid := pg_current_xact_id();
    new.leaf := app.leaf(
        new.id, new.customer_id, new.event_type, new.action, new.resource_type, new.resource_id, new.actor, new.actor_kind,
        new.actor_email, new.actor_ip, new.actor_user_agent, new.status, new.error_message, new.request_id, new.metadata
    );
    return new;
end
$$;
create trigger audit_events_stamped before insert on audit_events for each row execute function audit_event_is_stamped();
create trigger audit_events_never_change before update or delete on audit_events
    for each row execute function never_changes();
create trigger audit_events_never_emptied before truncate on audit_events
    for each statement execute function never_changes();
alter table audit_events enable always trigger audit_events_stamped;
alter table audit_events enable always trigger audit_events_never_change;
alter table audit_events enable always trigger audit_events_never_emptied;

-- Makes the partition of one month, with the trigger that a partition does not inherit; one that is there stays.
create function make_audit_partition(month date) returns void
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    first constant date := date_trunc('month', month)::date;
    child constant text := 'audit_events_' || to_char(first, 'YYYYMM');
begin
    if to_regclass('landlord.' || child) is not null then
        return;
    end if;
    execute format(
        'create table landlord.%I partition of landlord.audit_events for values from (%L) to (%L)', child,
        app.first_id(first::timestamp at time zone 'UTC'),
        app.first_id((first + interval '1 month')::timestamp at time zone 'UTC')
    );
    execute format('alter table landlord.%I enable row level security', child);
    execute format('alter table landlord.%I force row level security', child);
    execute format(
        'create trigger %I before truncate on landlord.%I for each statement execute function landlord.never_changes()',
        child || '_never_emptied', child
    );
    execute format('alter table landlord.%I enable always trigger %I', child, child || '_never_emptied');
end
$$;
grant execute on function make_audit_partition(date) to landlord_auditor;

-- A missing month must not stop every call; a row in here is an alarm.
create table audit_events_default partition of audit_events default;
alter table audit_events_default enable row level security;
alter table audit_events_default force row level security;
create trigger audit_events_default_never_emptied before truncate on audit_events_default
    for each statement execute function never_changes();
alter table audit_events_default enable always trigger audit_events_default_never_emptied;

-- From thirteen months back, for history that is loaded, to two years ahead.
do $$
begin
    perform landlord.make_audit_partition((date_trunc('month', now() at time zone 'UTC') + ahead * interval '1 month')::date)
       from generate_series(-13, 24) as ahead;
end
$$;

alter table audit_events enable row level security;
alter table audit_events force row level security;
create policy audit_events_of_tenant on audit_events to landlord_tenant using (customer_id = (select app.tenant()));
create policy audit_events_of_operator on audit_events to landlord_operator using ((select app.operator()));
create policy audit_events_of_worker on audit_events to landlord_worker using (customer_id in (select app.claimed()));
create policy audit_events_of_auditor on audit_events for select to landlord_auditor using (true);
create policy audit_events_of_guard on audit_events to landlord_guard using (true);
grant select, insert (
    customer_id, event_type, action, resource_type, resource_id, actor, actor_kind, actor_email, actor_ip,
    actor_user_agent, status, error_message, request_id, metadata
) on audit_events to landlord_tenant, landlord_operator, landlord_worker, landlord_guard;
grant select on audit_events to landlord_auditor;

-- A sealed stretch of the trail: the root of its Merkle tree, chained and signed.
create table audit_seals (
    id            bigint      primary key generated always as identity,
    horizon       xid8        not null unique,                -- every event of an earlier transaction is in this seal or one before
    event_count   bigint      not null check (event_count >= 0),
    root          bytea       not null check (octet_length(root) = 32),
    previous_root bytea       check (octet_length(previous_root) = 32),
    signature     bytea       not null,
    signed_by     text        not null,
    reason        text,                                       -- why a new chain starts here, where one does
    created_at    timestamptz not null default now()
);
create trigger audit_seals_never_change before update or delete on audit_seals
    for each row execute function never_changes();
alter table audit_seals enable always trigger audit_seals_never_change;

alter table audit_seals enable row level security;
alter table audit_seals force row level security;
create policy audit_seals_of_auditor on audit_seals to landlord_auditor using (true);
grant select, insert on audit_seals to landlord_auditor;
