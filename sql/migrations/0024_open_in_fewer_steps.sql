-- migrate:up
-- What every request pays before its own questions, in fewer steps; what is refused, and how, is as before.
--
-- A transaction sets up each expression and each query of a function anew, so their number is what costs. A pattern with
-- bounds, such as `{1,64}`, is matched with a state for each count. And the look for an ended session was planned at every
-- call: without a session its own plan is cheaper than one for all, by less than it takes to make.

-- The customer's tier of today comes with the answer, out of a query that is asked anyway.
set local role landlord_owner;
create policy tier_history_of_guard on landlord.tier_history for select to landlord_guard using (true);
grant select (customer_id, starts_on, tier) on landlord.tier_history to landlord_guard;

set local role landlord_guard;

-- The fields of a token that the API signed for one of these purposes; refuses anything else with one constant text.
create or replace function app.verified(token text, purposes text[]) returns text[]
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    f  text[] := string_to_array(token, '.');
    ok boolean;
begin
    ok := octet_length(token) <= 256
        and token ~ '^[a-z0-9]+\.[a-z]+\.[A-Za-z0-9_-]+\.[0-9]+\.[A-Za-z0-9_-]+\.[0-9a-f]+$'
        and octet_length(f[1]) <= 16
        and f[2] = any (purposes)
        and octet_length(f[3]) <= 64
        and octet_length(f[4]) = 10
        and octet_length(f[5]) between 16 and 64
        and octet_length(f[6]) = 64;
    if ok then
        -- what is signed is all but the last point and the MAC behind it
        select sha256(decode(f[6], 'hex')) = sha256(sha256(k.opad || sha256(k.ipad || convert_to(left(token, -65), 'UTF8'))))
               and f[4]::bigint between extract(epoch from clock_timestamp()) and extract(epoch from clock_timestamp()) + 60
          into ok
          from app.signing_keys k
         where k.kid = f[1] and k.purpose = 'edge' and k.not_after > clock_timestamp();
    end if;
    if ok is not true then
        raise exception 'context refused' using errcode = 'LL002';
    end if;
    return f;
end
$$;

-- Begins an operation: whom the transaction speaks for, whether the credentials still hold, its event, and read-only.
--
-- `facts` is {"key": uuid, "session": uuid or null, "epoch": bigint or null}. `event` is the audit event of a query, or
-- null. Answers {"status": "active" | "suspended", "epoch": bigint, "tier": text or null} as text; an operator is always
-- active, its epoch 0, and has no tier.
-- Raises LL002 (context refused), LL004 (key, session, epoch or customer no longer works), LL001 (unclean session).
-- Call it before the first savepoint: a rolled-back savepoint would take read-only back.
--
-- Everything here is asked by key, so each plan is made once, and with indexes even while tables are small.
create or replace function app.open(token text, facts text, event text, read_only boolean) returns text
    language plpgsql volatile security definer parallel unsafe
    set search_path = pg_catalog, pg_temp
    set client_min_messages = error
    set debug_print_plan = off
    set plan_cache_mode = force_generic_plan
    set enable_seqscan = off
as $$
declare
    f          text[] := app.verified(token, array['tenant', 'operator']);
    credential jsonb := facts::jsonb;
    bearer     record;
    token_here text;
begin
    if session_user <> 'landlord_' || f[2]
       -- where nothing was opened yet there is nothing to verify
       or (current_setting('app.ctx', true) <> '' and app.context() <> f[2] || '.' || f[3]) then
        raise exception 'context refused' using errcode = 'LL002';
    end if;
    perform app.clean();

    -- The key, and its customer unless it is an operator's, where they may still speak for whom the context names.
    select k.id, k.last_used_at, c.id as customer_id, c.epoch, c.suspended_at,
           (select t.tier from landlord.tier_history t
             where t.customer_id = c.id and t.starts_on <= (now() at time zone 'UTC')::date
             order by t.starts_on desc limit 1) as tier
      into bearer
      from landlord.api_keys k
      left join landlord.customers c on c.id = k.customer_id
     where k.id = (credential ->> 'key')::uuid
       and k.revoked_at is null
       and (k.expires_at is null or k.expires_at > now())
       and not exists (
               select from landlord.ended_sessions s
                -- a tenant's own row alone: nobody ends another's session by writing its jti down
                where s.jti = (credential ->> 'session')::uuid and s.customer_id is not distinct from k.customer_id
           )
       and case f[2]
               when 'tenant' then
                   c.id = f[3]::uuid
                   -- a key itself was looked up just now; a session may be older than what has happened since
                   and (credential ->> 'session' is null or c.epoch = (credential ->> 'epoch')::bigint)
                   and (c.closed_on is null or c.closed_on > (now() at time zone 'UTC')::date)
               else k.customer_id is null and k.id::text = f[3]
           end;
    if not found then
        raise exception 'credentials ended' using errcode = 'LL004';
    end if;

    select m.message || '.' || encode(sha256(m.opad || sha256(m.ipad || convert_to(m.message, 'UTF8'))), 'hex')
      into strict token_here
      from (
            select k.ipad, k.opad,
                   k.kid || '.' || f[2] || '.' || f[3] || '.' || pg_backend_pid()::text || '/'
                   || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text as message
              from app.signing_keys k
             where k.purpose = 'bind' and k.not_after > clock_timestamp()
             order by k.kid desc
             limit 1
           ) as m;

    perform set_config('app.ctx', token_here, true),
            -- what changes how values read as text, or what a statement means, is the same for everyone
            set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, MDY', true),
            set_config('IntervalStyle', 'postgres', true), set_config('extra_float_digits', '1', true),
            set_config('bytea_output', 'hex', true), set_config('standard_conforming_strings', 'on', true),
            set_config('transform_null_equals', 'off', true), set_config('row_security', 'on', true);

    if bearer.last_used_at is null or bearer.last_used_at < now() - interval '1 minute' then
        -- once a minute is enough, and nobody waits for a long request of the same key
        update landlord.api_keys k set last_used_at = now()
         where k.id in (select mine.id from landlord.api_keys mine where mine.id = bearer.id for no key update skip locked);
    end if;
    if event is not null then
        perform app.write_event(event::jsonb, bearer.customer_id);
    end if;
    if read_only then
        perform set_config('transaction_read_only', 'on', true);
    end if;
    return json_build_object(
        'status', case when bearer.suspended_at is null then 'active' else 'suspended' end,
        'epoch', coalesce(bearer.epoch, 0),
        'tier', bearer.tier
    )::text;
end
$$;

-- Writes one audit event; a tenant's own customer wins over what the event says. No row is an error.
create or replace function app.write_event(event jsonb, customer uuid) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    written uuid;
begin
    insert into landlord.audit_events (
        customer_id, event_type, action,
        resource_type, resource_id, actor, actor_kind, actor_email,
        actor_ip, actor_user_agent, status, error_message,
        request_id, metadata
    ) values (
        coalesce(customer, (event ->> 'customer_id')::uuid), event ->> 'event_type', event ->> 'action',
        event ->> 'resource_type', event ->> 'resource_id', event ->> 'actor', event ->> 'actor_kind', event ->> 'actor_email',
        event ->> 'actor_ip', event ->> 'actor_user_agent', event ->> 'status', event ->> 'error_message',
        event ->> 'request_id', coalesce(nullif(event -> 'metadata', 'null'), '{}')
    )
    returning id into written;
    if written is null then
        raise exception 'an audit event was not written' using errcode = 'LL005';
    end if;
end
$$;

-- The instant that an id of ours was made in, to the microsecond. Summed as a timestamp without a zone: with one it is
-- not immutable, and the planner would call the function instead of putting its body in place.
create or replace function app.made_at(id uuid) returns timestamptz
    language sql immutable strict
return (timestamp 'epoch' + interval '1 microsecond' * div(
    ('x' || overlay(left(replace(id::text, '-', ''), 16) placing '' from 13 for 1))::bit(60)::bigint * 125.0 + 511, 512
)) at time zone 'UTC';
