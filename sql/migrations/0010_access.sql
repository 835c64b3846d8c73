-- migrate:up
set local role landlord_owner;
set local search_path = landlord;

-- An API key: its public prefix and its hash, never the key. Without a customer it is an operator's.
create table api_keys (
    id           uuid        primary key default app.new_id(),
    customer_id  uuid        references customers (id),
    name         text        not null check (length(trim(name)) between 1 and 100),
    -- drawn at random by the server, so a duplicate tells nobody anything
    prefix       text        not null unique check (prefix ~ '^lz_(live|test)_[0-9A-Za-z]{12}$'),
    key_hash     text        not null check (key_hash like '$2b$%'),
    scopes       text[]      not null check (cardinality(scopes) > 0),
    rotated_from uuid        references api_keys (id),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    created_at   timestamptz not null default now()
);
create index api_keys_of_customer on api_keys (customer_id, id desc);
-- a key is rotated once: from then on its successor is the one to rotate
create unique index api_keys_rotated_once on api_keys (customer_id, rotated_from) nulls not distinct
    where rotated_from is not null;

-- A key ends, and never begins again.
create function api_key_ends_once() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if (new.id, new.customer_id, new.name, new.prefix, new.key_hash, new.scopes, new.created_at)
       is distinct from (old.id, old.customer_id, old.name, old.prefix, old.key_hash, old.scopes, old.created_at)
       or (old.revoked_at is not null and new.revoked_at is distinct from old.revoked_at)
       or (old.expires_at is not null and (new.expires_at is null or new.expires_at > old.expires_at)) then
        raise exception 'an API key ends, and never begins again' using errcode = 'LL010';
    end if;
    return new;
end
$$;
create trigger api_keys_end_once before update on api_keys for each row execute function api_key_ends_once();

-- A session that was ended before its time. Rows may go once the token itself has expired.
create table ended_sessions (
    jti         uuid        primary key,
    customer_id uuid        references customers (id),
    expires_at  timestamptz not null,
    ended_at    timestamptz not null default now()
);
create index ended_sessions_expired on ended_sessions (expires_at);

-- The answer to a mutation that carried a key: written in the transaction of its effect, so a refusal stores nothing.
create table idempotency_keys (
    id          uuid        primary key default app.new_id(),
    customer_id uuid        references customers (id),
    api_key_id  uuid        not null references api_keys (id),
    mutation    text        not null,
    key         text        not null check (length(key) between 1 and 255),
    fingerprint bytea       not null check (octet_length(fingerprint) = 32),   -- of the coerced arguments
    object_id   text        not null,                                         -- what the first answer was about
    created_at  timestamptz not null default now(),

    unique nulls not distinct (customer_id, api_key_id, mutation, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy api_keys_of_tenant on api_keys to landlord_tenant using (customer_id = (select app.tenant()));
create policy api_keys_of_operator on api_keys to landlord_operator using ((select app.operator()));
create policy api_keys_of_guard on api_keys to landlord_guard using (true);
grant select (id, customer_id, name, prefix, scopes, rotated_from, expires_at, revoked_at, last_used_at, created_at),
    insert (id, customer_id, name, prefix, key_hash, scopes, rotated_from, expires_at),
    update (expires_at, revoked_at) on api_keys to landlord_tenant, landlord_operator;
grant select, insert (name, prefix, key_hash, scopes), update (last_used_at) on api_keys to landlord_guard;

alter table ended_sessions enable row level security;
alter table ended_sessions force row level security;
create policy ended_sessions_of_tenant on ended_sessions to landlord_tenant using (customer_id = (select app.tenant()));
create policy ended_sessions_of_operator on ended_sessions to landlord_operator using ((select app.operator()));
create policy ended_sessions_of_guard on ended_sessions for select to landlord_guard using (true);
grant select, insert (jti, customer_id, expires_at) on ended_sessions to landlord_tenant, landlord_operator;
grant select on ended_sessions to landlord_guard;

alter table idempotency_keys enable row level security;
alter table idempotency_keys force row level security;
create policy idempotency_keys_of_tenant on idempotency_keys to landlord_tenant using (customer_id = (select app.tenant()));
create policy idempotency_keys_of_operator on idempotency_keys to landlord_operator using ((select app.operator()));
grant select, insert (customer_id, api_key_id, mutation, key, fingerprint, object_id), delete
    on idempotency_keys to landlord_tenant, landlord_operator;
