-- migrate:up
-- Answers under idempotency keys count for 30 days, and a session that was ended is nothing by itself once it has expired: then they go.
-- Nothing goes before, whoever asks.
set local role landlord_owner;
set local search_path = landlord;

create policy idempotency_keys_of_guard on idempotency_keys to landlord_guard using (true);
grant select (id, created_at), delete on idempotency_keys to landlord_guard;
drop policy ended_sessions_of_guard on ended_sessions;   -- it was for reading alone
create policy ended_sessions_of_guard on ended_sessions to landlord_guard using (true);
grant delete on ended_sessions to landlord_guard;

-- Removes answers that were given before that instant, the oldest first and at most so many; how many it removed.
set local role landlord_guard;
create function app.clear_idempotency_keys(before timestamptz, most int) returns bigint
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
    with old as (
        select k.id
          from landlord.idempotency_keys k
         where k.created_at < least(clear_idempotency_keys.before, now() - interval '30 days')
         order by k.created_at
         limit clear_idempotency_keys.most
    ), gone as (
        delete from landlord.idempotency_keys k using old where k.id = old.id returning 1 as one
    )
    select count(*) from gone;
$$;
grant execute on function app.clear_idempotency_keys(timestamptz, int) to landlord_worker;

-- The same of sessions that were ended and expired before that instant.
create function app.clear_ended_sessions(before timestamptz, most int) returns bigint
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
    with old as (
        select s.jti
          from landlord.ended_sessions s
         where s.expires_at < least(clear_ended_sessions.before, now() - interval '1 day')
         order by s.expires_at
         limit clear_ended_sessions.most
    ), gone as (
        delete from landlord.ended_sessions s using old where s.jti = old.jti returning 1 as one
    )
    select count(*) from gone;
$$;
grant execute on function app.clear_ended_sessions(timestamptz, int) to landlord_worker;
