-- migrate:up
-- The doors: how an operation begins, and the two things that are asked before any customer is known.
set local role landlord_guard;

-- Begins an operation: whom the transaction speaks for, whether the credentials still hold, its event, and read-only.
--
-- `facts` is {"key": uuid, "session": uuid or null, "epoch": bigint or null}. `event` is the audit event of a query, or
-- null. Answers {"status": "active" | "suspended", "epoch": bigint} as text; an operator is always active, its epoch 0.
-- Raises LL002 (context refused), LL004 (key, session, epoch or customer no longer works), LL001 (unclean session).
-- Call it before the first savepoint: a rolled-back savepoint would take read-only back.
create function app.open(token text, facts text, event text, read_only boolean) returns text
    language plpgsql volatile security definer parallel unsafe
    set search_path = pg_catalog, pg_temp
    set client_min_messages = error
    set debug_print_plan = off
as $$
declare
    f        text[] := app.verified(token, array['tenant', 'operator']);
    credential jsonb := facts::jsonb;
    before   text := app.context();
    customer landlord.customers;
    bearer   landlord.api_keys;
    token_here text;
begin
    if session_user <> 'landlord_' || f[2] or (before is not null and before <> f[2] || '.' || f[3]) then
        raise exception 'context refused' using errcode = 'LL002';
    end if;
    perform app.clean();

    select k.* into bearer from landlord.api_keys k where k.id = (credential ->> 'key')::uuid;
    if bearer.id is null
       or bearer.revoked_at is not null
       or bearer.expires_at <= now()
       or exists (
           select from landlord.ended_sessions s
            -- a tenant's own row alone: nobody ends another's session by writing its jti down
            where s.jti = (credential ->> 'session')::uuid and s.customer_id is not distinct from bearer.customer_id
       ) then
        raise exception 'credentials ended' using errcode = 'LL004';
    end if;
    if f[2] = 'tenant' then
        select c.* into customer from landlord.customers c where c.id = f[3]::uuid;
        if customer.id is null
           or bearer.customer_id is distinct from customer.id
           -- a key itself was looked up just now; a session may be older than what has happened since
           or ((credential ->> 'session') is not null and customer.epoch is distinct from (credential ->> 'epoch')::bigint)
           or customer.closed_on <= (now() at time zone 'UTC')::date then
            raise exception 'credentials ended' using errcode = 'LL004';
        end if;
    elsif bearer.customer_id is not null or bearer.id::text <> f[3] then
        raise exception 'credentials ended' using errcode = 'LL004';
    end if;

    select m.message || '.' || encode(sha256(k.opad || sha256(k.ipad || convert_to(m.message, 'UTF8'))), 'hex')
      into strict token_here
      from (
            select * from app.signing_keys b where b.purpose = 'bind' and b.not_after > clock_timestamp() order by b.kid desc limit 1
           ) as k,
           lateral (
            select k.kid || '.' || f[2] || '.' || f[3] || '.' || pg_backend_pid()::text || '/'
                   || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text as message
           ) as m;
    perform set_config('app.ctx', token_here, true);

    -- what changes how values read as text, or what a statement means, is the same for everyone
    perform set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, MDY', true),
            set_config('IntervalStyle', 'postgres', true), set_config('extra_float_digits', '1', true),
            set_config('bytea_output', 'hex', true), set_config('standard_conforming_strings', 'on', true),
            set_config('transform_null_equals', 'off', true), set_config('row_security', 'on', true);

    if bearer.last_used_at is null or bearer.last_used_at < now() - interval '1 minute' then
        -- once a minute is enough, and nobody waits for a long request of the same key
        update landlord.api_keys k set last_used_at = now()
         where k.id in (select mine.id from landlord.api_keys mine where mine.id = bearer.id for no key update skip locked);
    end if;
    if event is not null then
        perform app.write_event(event::jsonb, case when f[2] = 'tenant' then customer.id end);
    end if;
    if read_only then
        perform set_config('transaction_read_only', 'on', true);
    end if;
    return json_build_object(
        'status', case when customer.suspended_at is null then 'active' else 'suspended' end,
        'epoch', coalesce(customer.epoch, 0)
    )::text;
end
$$;

-- Writes one audit event; a tenant's own customer wins over what the event says. No row is an error.
create function app.write_event(event jsonb, customer uuid) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    written uuid;
begin
    insert into landlord.audit_events (
        customer_id, event_type, action, resource_type, resource_id, actor, actor_kind, actor_email, actor_ip,
        actor_user_agent, status, error_message, request_id, metadata
    )
    select coalesce(customer, e.customer_id), e.event_type, e.action, e.resource_type, e.resource_id, e.actor, e.actor_kind,
           e.actor_email, e.actor_ip, e.actor_user_agent, e.status, e.error_message, e.request_id, coalesce(e.metadata, '{}')
      from jsonb_to_record(event) as e (
               customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text,
               actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text,
               request_id text, metadata jsonb
           )
    returning id into written;
    if written is null then
        raise exception 'an audit event was not written' using errcode = 'LL005';
    end if;
end
$$;

-- The key with this public prefix, tenant's or operator's: before the tenant is known. At most one row.
create function app.find_api_key(token text) returns table (
    id uuid, customer_id uuid, name text, key_hash text, scopes text[], expires_at timestamptz, epoch bigint
)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set client_min_messages = error
    set debug_print_plan = off
as $$
declare
    f text[] := app.verified(token, array['lookup']);
begin
    return query
    select k.id, k.customer_id, k.name, k.key_hash, k.scopes, k.expires_at, c.epoch
      from landlord.api_keys k
      left join landlord.customers c on c.id = k.customer_id
     where k.prefix = f[3] and k.revoked_at is null and (k.expires_at is null or k.expires_at > now());
end
$$;

-- Writes the event of a refusal before any customer is known: of the customer whose key has this prefix, if any has.
create function app.record_refusal(token text, event text) returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    set client_min_messages = error
    set debug_print_plan = off
as $$
declare
    f text[] := app.verified(token, array['refusal']);
begin
    perform app.write_event(event::jsonb - 'customer_id', (select k.customer_id from landlord.api_keys k where k.prefix = f[3]));
end
$$;

-- Makes an operator's key: for the migrator alone, since the first one has nobody to make it.
create function app.install_operator_key(name text, prefix text, key_hash text, scopes text[]) returns uuid
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    made uuid;
begin
    insert into landlord.api_keys (name, prefix, key_hash, scopes)
    values (install_operator_key.name, install_operator_key.prefix, install_operator_key.key_hash, install_operator_key.scopes)
    returning id into made;
    perform app.write_event(
        jsonb_build_object(
            'event_type', 'api_key.created', 'action', 'create', 'actor', session_user, 'actor_kind', 'system',
            'status', 'success', 'metadata', jsonb_build_object('name', install_operator_key.name)
        ),
        null
    );
    return made;
end
$$;

grant execute on function app.install_operator_key(text, text, text, text[]) to landlord_migrator;
grant execute on function app.open(text, text, text, boolean) to landlord_tenant, landlord_operator;
grant execute on function app.find_api_key(text), app.record_refusal(text, text) to landlord_tenant;

-- /readyz asks which migrations have run.
reset role;
grant usage on schema public to landlord_worker;
grant select on public.schema_migrations to landlord_worker;
