-- migrate:up
-- Keys that end: told again to those who may have missed it, and told to their owners before they do.
set local role landlord_owner;
set local search_path = landlord;

-- ---------------------------------------------------------------- what has ended lately

-- When the epoch went up last; null where it never did.
alter table customers add column epoch_raised_at timestamptz;

create or replace function customer_keeps_itself() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if new.epoch < old.epoch or new.id <> old.id or new.invoice_prefix <> old.invoice_prefix then
        raise exception 'a customer keeps its id and invoice prefix, and its epoch only goes up' using errcode = 'LL010';
    end if;
    if new.epoch > old.epoch then
        new.epoch_raised_at := now();
    end if;
    return new;
end
$$;

-- Small tables, or small parts of large ones: nobody waits long for these.
-- squawk-ignore require-concurrent-index-creation
create index customers_epoch_raised on customers (epoch_raised_at) where epoch_raised_at is not null;
-- squawk-ignore require-concurrent-index-creation
create index ended_sessions_lately on ended_sessions (ended_at);
-- squawk-ignore require-concurrent-index-creation
create index api_keys_revoked on api_keys (revoked_at) where revoked_at is not null;
-- squawk-ignore require-concurrent-index-creation
create index api_keys_expire on api_keys (expires_at) where expires_at is not null;

-- What ended since, for the caches that were to be told at the time: ids and instants, nothing of anybody.
-- `kind` is customer (with its epoch), key (with its end, which may be ahead) or session (with its token's).
set local role landlord_guard;
create function app.ended_since(since timestamptz) returns table (kind text, id uuid, epoch bigint, at timestamptz)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
as $$
    select 'customer', c.id, c.epoch, c.epoch_raised_at
      from landlord.customers c
     where c.epoch_raised_at >= ended_since.since
     union all
    select 'key', k.id, null, k.revoked_at from landlord.api_keys k where k.revoked_at >= ended_since.since
     union all
    -- rotated: what replaced it says when
    select 'key', k.id, null, k.expires_at
      from landlord.api_keys newer
      join landlord.api_keys k on k.id = newer.rotated_from
     where newer.rotated_from is not null and newer.created_at >= ended_since.since
       and k.revoked_at is null and k.expires_at is not null
     union all
    select 'session', s.jti, null, s.expires_at from landlord.ended_sessions s where s.ended_at >= ended_since.since
$$;
grant execute on function app.ended_since(timestamptz) to landlord_worker;

-- ---------------------------------------------------------------- notices before a key ends

-- Queues the notice of so many days before the end, once for each key that ends in this time, [ends_from, ends_to), for
-- at most so many; how many it queued. A key that was made with fewer days to live is not told of them.
create function app.queue_key_notices(days int, ends_from timestamptz, ends_to timestamptz, at timestamptz, most int)
    returns bigint
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
    with ending as (
        select k.customer_id, k.id, 'api-key-ends-' || queue_key_notices.days || '/' || k.id as key
          from landlord.api_keys k
         where k.customer_id is not null
           and k.revoked_at is null
           and k.expires_at >= queue_key_notices.ends_from and k.expires_at < queue_key_notices.ends_to
           and k.created_at <= k.expires_at - make_interval(days => queue_key_notices.days)
           and not exists (
                   select from landlord.outbox o
                    where o.customer_id = k.customer_id
                      and o.key = 'api-key-ends-' || queue_key_notices.days || '/' || k.id
               )
         limit queue_key_notices.most
    ), queued as (
        insert into landlord.outbox (customer_id, kind, key, payload, due_at)
        select ending.customer_id, 'email', ending.key, jsonb_build_object('key_id', ending.id), queue_key_notices.at
          from ending
            on conflict do nothing
        returning 1 as one
    )
    select count(*) from queued;
$$;
grant execute on function app.queue_key_notices(int, timestamptz, timestamptz, timestamptz, int) to landlord_worker;

-- The notice names the key: who writes it reads those of the customer whose message it has in hand.
set local role landlord_owner;
create policy api_keys_of_worker on api_keys for select to landlord_worker using (customer_id in (select app.claimed()));
grant select (id, customer_id, name, prefix, scopes, rotated_from, expires_at, revoked_at, last_used_at, created_at)
    on api_keys to landlord_worker;

-- ---------------------------------------------------------------- signing keys

-- Adds a key that the API signs with; 32 to 64 bytes. The same one again changes nothing, and a retired one stays that.
-- Another one under a kid that there was is refused: the API would sign what the database does not take.
set local role landlord_guard;
create or replace function app.install_key(kid text, key bytea) returns void
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if octet_length(key) not between 32 and 64 then
        raise exception 'a signing key has 32 to 64 bytes' using errcode = '22023';
    end if;
    insert into app.signing_keys (kid, purpose, ipad, opad)
    values (install_key.kid, 'edge', app.pad(key, 54), app.pad(key, 92))   -- 0x36 and 0x5c
    on conflict do nothing;
    if not exists (
        select from app.signing_keys k
         where k.kid = install_key.kid and k.purpose = 'edge' and sha256(k.ipad) = sha256(app.pad(install_key.key, 54))
    ) then
        raise exception 'there was another key of this kid: a new one takes a new kid' using errcode = 'LL006';
    end if;
end
$$;
