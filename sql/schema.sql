-- The database as sql/migrations leave it: roles, then all that they own and may. Printed by `make schema`, never edited.
-- The audit trail's months are left out: `landlord.make_audit_partition` makes them as time goes by.

CREATE ROLE landlord_analytics;
ALTER ROLE landlord_analytics WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE landlord_auditor;
ALTER ROLE landlord_auditor WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE landlord_guard;
ALTER ROLE landlord_guard WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE landlord_migrator;
ALTER ROLE landlord_migrator WITH NOSUPERUSER NOINHERIT CREATEROLE CREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE landlord_operator;
ALTER ROLE landlord_operator WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE landlord_owner;
ALTER ROLE landlord_owner WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE landlord_tenant;
ALTER ROLE landlord_tenant WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
CREATE ROLE landlord_worker;
ALTER ROLE landlord_worker WITH NOSUPERUSER NOINHERIT NOCREATEROLE NOCREATEDB LOGIN NOREPLICATION NOBYPASSRLS;
ALTER ROLE landlord_analytics SET search_path TO 'landlord';
ALTER ROLE landlord_auditor SET search_path TO 'landlord';
ALTER ROLE landlord_operator SET search_path TO 'landlord';
ALTER ROLE landlord_operator SET jit TO 'off';
ALTER ROLE landlord_operator SET statement_timeout TO '20s';
ALTER ROLE landlord_operator SET lock_timeout TO '5s';
ALTER ROLE landlord_operator SET idle_in_transaction_session_timeout TO '30s';
ALTER ROLE landlord_operator SET enable_seqscan TO 'off';
ALTER ROLE landlord_tenant SET search_path TO 'landlord';
ALTER ROLE landlord_tenant SET jit TO 'off';
ALTER ROLE landlord_tenant SET statement_timeout TO '10s';
ALTER ROLE landlord_tenant SET lock_timeout TO '5s';
ALTER ROLE landlord_tenant SET idle_in_transaction_session_timeout TO '30s';
ALTER ROLE landlord_tenant SET enable_seqscan TO 'off';
ALTER ROLE landlord_worker SET search_path TO 'landlord';
ALTER ROLE landlord_worker SET jit TO 'off';
ALTER ROLE landlord_worker SET statement_timeout TO '120s';
ALTER ROLE landlord_worker SET lock_timeout TO '30s';
ALTER ROLE landlord_worker SET idle_in_transaction_session_timeout TO '120s';
ALTER ROLE landlord_worker SET enable_seqscan TO 'off';
GRANT landlord_analytics TO landlord_migrator WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY postgres;
GRANT landlord_auditor TO landlord_migrator WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY postgres;
GRANT landlord_guard TO landlord_migrator WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY postgres;
GRANT landlord_operator TO landlord_migrator WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY postgres;
GRANT landlord_owner TO landlord_migrator WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY postgres;
GRANT landlord_tenant TO landlord_migrator WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY postgres;
GRANT landlord_worker TO landlord_migrator WITH ADMIN OPTION, INHERIT FALSE, SET FALSE GRANTED BY postgres;

CREATE SCHEMA app;

ALTER SCHEMA app OWNER TO landlord_guard;

CREATE SCHEMA landlord;

ALTER SCHEMA landlord OWNER TO landlord_owner;

CREATE FUNCTION app.claimed() RETURNS SETOF uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    return query
    select item.customer_id from landlord.billing_run_items item where item.claimed_in = pg_current_xact_id_if_assigned()
     union all
    select item.customer_id from landlord.usage_sync_items item where item.claimed_in = pg_current_xact_id_if_assigned()
     union all
    select message.customer_id from landlord.outbox message where message.claimed_in = pg_current_xact_id_if_assigned();
end
$$;

ALTER FUNCTION app.claimed() OWNER TO landlord_guard;

CREATE FUNCTION app.clean() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if pg_my_temp_schema() <> 0
       or exists (select from pg_prepared_statements p where p.from_sql)
       or exists (select from pg_cursors c where c.is_holdable)
       or exists (select from pg_listening_channels()) then
        raise exception 'session is not clean' using errcode = 'LL001', hint = 'close this connection';
    end if;
    perform set_config('app.clean', encode(sha256(k.opad || sha256(k.ipad || convert_to(
                'clean.' || pg_backend_pid()::text || '/' || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text,
                'UTF8'))), 'hex'), true)
       from app.signing_keys k
      where k.purpose = 'bind' and k.not_after > clock_timestamp();
end
$$;

ALTER FUNCTION app.clean() OWNER TO landlord_guard;

CREATE FUNCTION app.clean_relaxed() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    perform app.clean();
    perform set_config('synchronous_commit', 'off', true);
end
$$;

ALTER FUNCTION app.clean_relaxed() OWNER TO landlord_guard;

CREATE FUNCTION app.clear_ended_sessions(before timestamp with time zone, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.clear_ended_sessions(before timestamp with time zone, most integer) OWNER TO landlord_guard;

CREATE FUNCTION app.clear_idempotency_keys(before timestamp with time zone, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.clear_idempotency_keys(before timestamp with time zone, most integer) OWNER TO landlord_guard;

CREATE FUNCTION app.clear_outbox(before timestamp with time zone, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    with old as (
        select done.customer_id, done.id
          from landlord.outbox done
         where (done.sent_at is not null or done.failed_reason is not null)
           and coalesce(done.sent_at, done.due_at) < least(clear_outbox.before, now() - interval '60 days')
         order by coalesce(done.sent_at, done.due_at)
         limit clear_outbox.most
    ), gone as (
        delete from landlord.outbox done
         using old
         where done.customer_id = old.customer_id and done.id = old.id
        returning 1 as one
    )
    select count(*) from gone;
$$;

ALTER FUNCTION app.clear_outbox(before timestamp with time zone, most integer) OWNER TO landlord_guard;

CREATE FUNCTION app.context() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    v  text := current_setting('app.ctx', true);
    ok boolean;
begin
    select sha256(convert_to(split_part(v, '.', 5), 'UTF8'))
           = sha256(convert_to(encode(sha256(k.opad || sha256(k.ipad || convert_to(
                 k.kid || '.' || split_part(v, '.', 2) || '.' || split_part(v, '.', 3) || '.' || pg_backend_pid()::text || '/'
                 || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text, 'UTF8'))), 'hex'), 'UTF8'))
      into ok
      from app.signing_keys k
     where k.kid = split_part(v, '.', 1) and k.purpose = 'bind' and k.not_after > clock_timestamp();
    return case when ok then split_part(v, '.', 2) || '.' || split_part(v, '.', 3) end;
end
$$;

ALTER FUNCTION app.context() OWNER TO landlord_guard;

CREATE FUNCTION app.ended_since(since timestamp with time zone) RETURNS TABLE(kind text, id uuid, epoch bigint, at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.ended_since(since timestamp with time zone) OWNER TO landlord_guard;

CREATE FUNCTION app.find_api_key(token text) RETURNS TABLE(id uuid, customer_id uuid, name text, key_hash text, scopes text[], expires_at timestamp with time zone, epoch bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'error'
    SET debug_print_plan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
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

ALTER FUNCTION app.find_api_key(token text) OWNER TO landlord_guard;

CREATE FUNCTION app.first_id(since timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    RETURN (SELECT (encode((int8send(((((clock.us / 1000) << 16) | (28672)::bigint) | (((clock.us % (1000)::bigint) * 4096) / 1000))) || '\x8000000000000000'::bytea), 'hex'::text))::uuid AS encode FROM (SELECT ((EXTRACT(epoch FROM first_id.since) * (1000000)::numeric))::bigint AS us) clock);

ALTER FUNCTION app.first_id(since timestamp with time zone) OWNER TO landlord_guard;

CREATE FUNCTION app.halves(value text) RETURNS bytea[]
    LANGUAGE sql STABLE
    RETURN ARRAY[CASE WHEN (value IS NOT NULL) THEN '\x'::bytea ELSE NULL::bytea END, convert_to(value, 'UTF8'::name)];

ALTER FUNCTION app.halves(value text) OWNER TO landlord_guard;

CREATE FUNCTION app.house_keys_that_end(at timestamp with time zone, days integer) RETURNS TABLE(id uuid, ends_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
    select k.id, k.expires_at
      from landlord.api_keys k
     where k.customer_id is null
       and k.revoked_at is null
       and k.expires_at >= house_keys_that_end.at
       and k.expires_at < house_keys_that_end.at + make_interval(days => house_keys_that_end.days)
       and k.created_at <= k.expires_at - make_interval(days => house_keys_that_end.days)
       and not exists (
               select from landlord.api_keys newer
                where newer.customer_id is null and newer.rotated_from = k.id and newer.revoked_at is null
           )
     order by k.expires_at, k.id
$$;

ALTER FUNCTION app.house_keys_that_end(at timestamp with time zone, days integer) OWNER TO landlord_guard;

CREATE FUNCTION app.install_key(kid text, key bytea) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.install_key(kid text, key bytea) OWNER TO landlord_guard;

CREATE FUNCTION app.install_operator_key(name text, prefix text, key_hash text, scopes text[]) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.install_operator_key(name text, prefix text, key_hash text, scopes text[]) OWNER TO landlord_guard;

CREATE FUNCTION app.leaf(id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb) RETURNS bytea
    LANGUAGE sql STABLE
    RETURN sha256(('\x00'::bytea || substr(array_send(ARRAY[app.halves((id)::text), app.halves((customer_id)::text), app.halves(event_type), app.halves(action), app.halves(resource_type), app.halves(resource_id), app.halves(actor), app.halves(actor_kind), app.halves(actor_email), app.halves(actor_ip), app.halves(actor_user_agent), app.halves(status), app.halves(error_message), app.halves(request_id), app.halves((metadata)::text)]), 29)));

ALTER FUNCTION app.leaf(id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb) OWNER TO landlord_guard;

CREATE FUNCTION app.made_at(id uuid) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE STRICT
    RETURN (('1970-01-01 00:00:00'::timestamp without time zone + ('00:00:00.000001'::interval * (div((((((('x'::text || OVERLAY("left"(replace((id)::text, '-'::text, ''::text), 16) PLACING ''::text FROM 13 FOR 1)))::bit(60))::bigint)::numeric * 125.0) + (511)::numeric), (512)::numeric))::double precision)) AT TIME ZONE 'UTC'::text);

ALTER FUNCTION app.made_at(id uuid) OWNER TO landlord_guard;

CREATE FUNCTION app.new_id() RETURNS uuid
    LANGUAGE sql
    RETURN ((OVERLAY(lpad(to_hex(((((EXTRACT(epoch FROM clock_timestamp()) * (1000000)::numeric))::bigint * 512) / 125)), 15, '0'::text) PLACING '7'::text FROM 13 FOR 0) || "right"(replace((gen_random_uuid())::text, '-'::text, ''::text), 16)))::uuid;

ALTER FUNCTION app.new_id() OWNER TO landlord_guard;

CREATE FUNCTION app.new_invoice_prefix() RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    alphabet constant text := '23456789ABCDEFGHJKMNPQRSTVWXYZ';
    drawn text;
begin
    loop
        select string_agg(substr(alphabet, 1 + get_byte(dice.bytes, place) % 30, 1), '')
          into drawn
          from (select uuid_send(gen_random_uuid()) as bytes) as dice, generate_series(0, 5) as place;
        exit when not exists (select from landlord.customers c where c.invoice_prefix = drawn);
    end loop;
    return drawn;
end
$$;

ALTER FUNCTION app.new_invoice_prefix() OWNER TO landlord_guard;

CREATE FUNCTION app.open(token text, facts text, event text, read_only boolean) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'error'
    SET debug_print_plan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    SET enable_seqscan TO 'off'
    AS $$
declare
    f          text[] := app.verified(token, array['tenant', 'operator']);
    credential jsonb := facts::jsonb;
    here       text := pg_backend_pid()::text || '/' || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text;
    own        record;
    bearer     record;
begin
    if session_user <> 'landlord_' || f[2]
       -- where nothing was opened yet there is nothing to verify
       or (coalesce(current_setting('app.ctx', true), '') <> '' and app.context() <> f[2] || '.' || f[3]) then
        raise exception 'context refused' using errcode = 'LL002';
    end if;

    -- This transaction's own token, and whether the session was looked at: in this transaction, where the mark of `app.clean` is
    -- its own.
    select m.message || '.' || encode(sha256(m.opad || sha256(m.ipad || convert_to(m.message, 'UTF8'))), 'hex') as token,
           credential @> '{"looked": true}' or sha256(convert_to(current_setting('app.clean', true), 'UTF8'))
           = sha256(convert_to(encode(sha256(m.opad || sha256(m.ipad || convert_to('clean.' || here, 'UTF8'))), 'hex'), 'UTF8')) as clean
      into strict own
      from (
            select k.ipad, k.opad, k.kid || '.' || f[2] || '.' || f[3] || '.' || here as message
              from app.signing_keys k
             where k.purpose = 'bind' and k.not_after > clock_timestamp()
             order by k.kid desc
             limit 1
           ) as m;
    if own.clean is not true then
        perform app.clean();
    end if;

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

    perform set_config('app.ctx', own.token, true),
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

ALTER FUNCTION app.open(token text, facts text, event text, read_only boolean) OWNER TO landlord_guard;

CREATE FUNCTION app.operator() RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    f      text[] := string_to_array(current_setting('app.ctx', true), '.');
    signed bytea := convert_to(
        f[1] || '.operator.' || f[3] || '.' || pg_backend_pid()::text || '/'
        || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text, 'UTF8');
    mac    bytea := sha256(convert_to(f[5], 'UTF8'));
    ok     boolean;
begin
    select mac = sha256(convert_to(encode(sha256(k.opad || sha256(k.ipad || signed)), 'hex'), 'UTF8'))
      into ok
      from app.signing_keys k
     where k.kid = f[1] and k.purpose = 'bind' and k.not_after > clock_timestamp();
    if ok then
        return true;
    end if;
    raise exception 'no operator context' using errcode = 'LL003';
end
$$;

ALTER FUNCTION app.operator() OWNER TO landlord_guard;

CREATE FUNCTION app.pad(key bytea, fill integer) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    block bytea := key || decode(repeat('00', 64 - octet_length(key)), 'hex');
begin
    for i in 0..63 loop
        block := set_byte(block, i, get_byte(block, i) # fill);
    end loop;
    return block;
end
$$;

ALTER FUNCTION app.pad(key bytea, fill integer) OWNER TO landlord_guard;

CREATE FUNCTION app.queue_key_notices(days integer, ends_from timestamp with time zone, ends_to timestamp with time zone, at timestamp with time zone, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.queue_key_notices(days integer, ends_from timestamp with time zone, ends_to timestamp with time zone, at timestamp with time zone, most integer) OWNER TO landlord_guard;

CREATE FUNCTION app.queue_reminders(day integer, due_from date, due_to date, at timestamp with time zone, most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.queue_reminders(day integer, due_from date, due_to date, at timestamp with time zone, most integer) OWNER TO landlord_guard;

CREATE FUNCTION app.record_refusal(token text, event text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET client_min_messages TO 'error'
    SET debug_print_plan TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    AS $$
declare
    f text[] := app.verified(token, array['refusal']);
begin
    perform app.write_event(event::jsonb - 'customer_id', (select k.customer_id from landlord.api_keys k where k.prefix = f[3]));
end
$$;

ALTER FUNCTION app.record_refusal(token text, event text) OWNER TO landlord_guard;

CREATE FUNCTION app.renew(kid text, key bytea) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    many bigint;
begin
    update app.signing_keys k set not_after = now() where k.purpose = 'edge' and k.not_after > now();
    perform app.install_key(renew.kid, renew.key);
    update app.signing_keys k
       set ipad = app.pad(born.key, 54), opad = app.pad(born.key, 92)
      from (
            select sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8')) as key from generate_series(1, 4)
           ) as born
     where k.purpose = 'bind';
    update landlord.customers c set epoch = greatest(c.epoch + 1, floor(extract(epoch from now()))::bigint);
    get diagnostics many = row_count;
    perform app.write_event(
        jsonb_build_object(
            'event_type', 'database.renewed', 'action', 'update', 'actor', session_user, 'actor_kind', 'system',
            'status', 'success', 'metadata', jsonb_build_object('customers', many)
        ),
        null
    );
    return many;
end
$$;

ALTER FUNCTION app.renew(kid text, key bytea) OWNER TO landlord_guard;

CREATE TABLE app.signing_keys (
    kid text NOT NULL,
    purpose text NOT NULL,
    ipad bytea NOT NULL,
    opad bytea NOT NULL,
    not_after timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT signing_keys_ipad_check CHECK ((octet_length(ipad) = 64)),
    CONSTRAINT signing_keys_kid_check CHECK ((kid ~ '^[a-z0-9]{1,16}$'::text)),
    CONSTRAINT signing_keys_opad_check CHECK ((octet_length(opad) = 64)),
    CONSTRAINT signing_keys_purpose_check CHECK ((purpose = ANY (ARRAY['edge'::text, 'bind'::text])))
);

ALTER TABLE app.signing_keys OWNER TO landlord_guard;

CREATE FUNCTION app.retire_key(kid text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    BEGIN ATOMIC
 UPDATE app.signing_keys k SET not_after = now()
   WHERE ((k.kid = retire_key.kid) AND (k.purpose = 'edge'::text) AND (EXISTS ( SELECT
            FROM app.signing_keys other
           WHERE ((other.purpose = 'edge'::text) AND (other.kid <> retire_key.kid) AND (other.not_after > now())))));
END;

ALTER FUNCTION app.retire_key(kid text) OWNER TO landlord_guard;

CREATE FUNCTION app.tenant() RETURNS uuid
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    f      text[] := string_to_array(current_setting('app.ctx', true), '.');
    signed bytea := convert_to(
        f[1] || '.tenant.' || f[3] || '.' || pg_backend_pid()::text || '/'
        || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text, 'UTF8');
    mac    bytea := sha256(convert_to(f[5], 'UTF8'));
    ok     boolean;
begin
    select mac = sha256(convert_to(encode(sha256(k.opad || sha256(k.ipad || signed)), 'hex'), 'UTF8'))
      into ok
      from app.signing_keys k
     where k.kid = f[1] and k.purpose = 'bind' and k.not_after > clock_timestamp();
    if ok then
        return f[3]::uuid;
    end if;
    raise exception 'no tenant context' using errcode = 'LL003';
end
$$;

ALTER FUNCTION app.tenant() OWNER TO landlord_guard;

CREATE FUNCTION app.verified(token text, purposes text[]) RETURNS text[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;

ALTER FUNCTION app.verified(token text, purposes text[]) OWNER TO landlord_guard;

CREATE FUNCTION app.write_event(event jsonb, customer uuid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION app.write_event(event jsonb, customer uuid) OWNER TO landlord_guard;

CREATE FUNCTION landlord.api_key_ends_once() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION landlord.api_key_ends_once() OWNER TO landlord_owner;

CREATE FUNCTION landlord.audit_event_is_stamped() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if length(new.event_type) not between 1 and 100
       or new.action <> all (array['create', 'read', 'update', 'delete', 'login', 'execute'])
       or new.actor_kind <> all (array['tenant', 'operator', 'system', 'anonymous'])
       or new.status <> all (array['success', 'failure', 'denied']) then
        raise exception 'no words for an audit event' using errcode = 'check_violation';
    end if;
    new.created_at := app.made_at(new.id);
    new.xid := pg_current_xact_id();
    new.leaf := app.leaf(
        new.id, new.customer_id, new.event_type, new.action, new.resource_type, new.resource_id, new.actor, new.actor_kind,
        new.actor_email, new.actor_ip, new.actor_user_agent, new.status, new.error_message, new.request_id, new.metadata
    );
    return new;
end
$$;

ALTER FUNCTION landlord.audit_event_is_stamped() OWNER TO landlord_owner;

CREATE FUNCTION landlord.billed_to_is_frozen() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    raise exception 'an invoice keeps whom it names' using errcode = 'LL010';
end
$$;

ALTER FUNCTION landlord.billed_to_is_frozen() OWNER TO landlord_owner;

CREATE FUNCTION landlord.counted_numbers_are_given() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if exists (
        select from now_so
          join before on before.customer_id = now_so.customer_id
          join landlord.customers c on c.id = now_so.customer_id
         where now_so.last_invoice > before.last_invoice
           and not exists (
                   select from landlord.invoices i
                    where i.customer_id = now_so.customer_id
                      and i.number = landlord.number_of(c.invoice_prefix, '-', now_so.last_invoice)
               )
            or now_so.last_credit_note > before.last_credit_note
           and not exists (
                   select from landlord.credit_notes n
                    where n.customer_id = now_so.customer_id
                      and n.number = landlord.number_of(c.invoice_prefix, '-CN-', now_so.last_credit_note)
               )
    ) then
        raise exception 'a number that is counted is given' using errcode = 'LL010';
    end if;
    return null;
end
$$;

ALTER FUNCTION landlord.counted_numbers_are_given() OWNER TO landlord_owner;

CREATE FUNCTION landlord.counts_by_one() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if tg_op = 'INSERT' then
        if new.last_invoice <> 0 or new.last_credit_note <> 0 then
            raise exception 'numbers are counted from one' using errcode = 'LL010';
        end if;
        return new;
    end if;
    if new.customer_id <> old.customer_id
       or new.last_invoice - old.last_invoice not in (0, 1)
       or new.last_credit_note - old.last_credit_note not in (0, 1) then
        raise exception 'numbers are counted up by one' using errcode = 'LL010';
    end if;
    return new;
end
$$;

ALTER FUNCTION landlord.counts_by_one() OWNER TO landlord_owner;

CREATE FUNCTION landlord.credit_is_used_once() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if (select sum(u.amount) from landlord.credit_uses u
          join landlord.invoices i on i.customer_id = u.customer_id and i.id = u.invoice_id
         where u.customer_id = new.customer_id and u.credit_note_id = new.credit_note_id and i.status <> 'cancelled')
       > (select n.as_credit from landlord.credit_notes n
           where n.customer_id = new.customer_id and n.id = new.credit_note_id) then
        raise exception 'a credit note gives no more credit than it has' using errcode = 'LL010';
    end if;
    return null;
end
$$;

ALTER FUNCTION landlord.credit_is_used_once() OWNER TO landlord_owner;

CREATE FUNCTION landlord.customer_keeps_itself() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION landlord.customer_keeps_itself() OWNER TO landlord_owner;

CREATE FUNCTION landlord.endpoint_stays_deleted() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    raise exception 'a deleted endpoint stays deleted' using errcode = 'LL010';
end
$$;

ALTER FUNCTION landlord.endpoint_stays_deleted() OWNER TO landlord_owner;

CREATE FUNCTION landlord.given_numbers_are_counted() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    wrong boolean;
begin
    if tg_table_name = 'invoices' then
        select into wrong exists (
            select from now_so
              join before on before.customer_id = now_so.customer_id and before.id = now_so.id
             where before.number is null and now_so.number is not null
               and not exists (
                       select from landlord.invoice_counters counter
                         join landlord.customers c on c.id = counter.customer_id
                        where counter.customer_id = now_so.customer_id
                          and now_so.number = landlord.number_of(c.invoice_prefix, '-', counter.last_invoice)
                   )
        );
    else
        select into wrong exists (
            select from now_so
             where not exists (
                       select from landlord.invoice_counters counter
                         join landlord.customers c on c.id = counter.customer_id
                        where counter.customer_id = now_so.customer_id
                          and now_so.number = landlord.number_of(c.invoice_prefix, '-CN-', counter.last_credit_note)
                   )
        );
    end if;
    if wrong then
        raise exception 'a number that is given is the one that was counted' using errcode = 'LL010';
    end if;
    return null;
end
$$;

ALTER FUNCTION landlord.given_numbers_are_counted() OWNER TO landlord_owner;

CREATE FUNCTION landlord.invoice_moves() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if tg_op = 'DELETE' then
        raise exception 'an invoice is cancelled, never removed' using errcode = 'LL010';
    end if;
    if tg_op = 'INSERT' then
        if new.status <> 'draft' or new.amount_paid + new.amount_credited + new.credit_applied <> 0 then
            raise exception 'an invoice begins as a draft' using errcode = 'LL010';
        end if;
        return new;
    end if;
    if (old.status, new.status) not in (
        ('draft', 'draft'), ('draft', 'issued'), ('draft', 'paid'), ('draft', 'cancelled'),
        ('issued', 'issued'), ('issued', 'paid'), ('issued', 'cancelled'), ('paid', 'paid')
    ) then
        raise exception 'an invoice does not go from % to %', old.status, new.status using errcode = 'LL010';
    end if;
    if (new.id, new.customer_id, new.month, new.created_at) is distinct from (old.id, old.customer_id, old.month, old.created_at) then
        raise exception 'an invoice keeps its customer and its month' using errcode = 'LL010';
    end if;
    if old.status = 'draft' then
        if new.status in ('draft', 'cancelled') and new.amount_paid + new.amount_credited + new.credit_applied <> 0 then
            raise exception 'a draft takes no money' using errcode = 'LL010';
        end if;
    else
        if (new.number, new.issued_at, new.due_on, new.tier, new.currency, new.tier_base_cost, new.usage_charges,
            new.volume_discount, new.adjustments, new.subtotal, new.tax_rate, new.tax_amount, new.total_amount,
            new.rate_card_id, new.usage_revision, new.tier_periods, new.tax_jurisdiction, new.tax_status, new.credit_applied)
           is distinct from
           (old.number, old.issued_at, old.due_on, old.tier, old.currency, old.tier_base_cost, old.usage_charges,
            old.volume_discount, old.adjustments, old.subtotal, old.tax_rate, old.tax_amount, old.total_amount,
            old.rate_card_id, old.usage_revision, old.tier_periods, old.tax_jurisdiction, old.tax_status, old.credit_applied) then
            raise exception 'an invoice is frozen once it has a number' using errcode = 'LL010';
        end if;
        if new.amount_paid < old.amount_paid or new.amount_credited < old.amount_credited then
            raise exception 'money that came in stays' using errcode = 'LL010';
        end if;
        if new.status = 'cancelled' and (new.amount_paid > 0 or new.amount_credited > 0) then
            raise exception 'an invoice with payments or credit notes is not cancelled' using errcode = 'LL010';
        end if;
        if old.status = 'paid' and (new.paid_at, new.amount_paid) is distinct from (old.paid_at, old.amount_paid) then
            raise exception 'a paid invoice takes no payment' using errcode = 'LL010';
        end if;
    end if;
    return new;
end
$$;

ALTER FUNCTION landlord.invoice_moves() OWNER TO landlord_owner;

CREATE FUNCTION landlord.invoice_sums() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    of_customer constant uuid := new.customer_id;
    of_invoice  constant uuid := case when tg_table_name = 'invoices' then (to_jsonb(new) ->> 'id')::uuid
                                      else (to_jsonb(new) ->> 'invoice_id')::uuid end;
begin
    if exists (
        select from landlord.invoices i
         where i.customer_id = of_customer and i.id = of_invoice
           and (i.amount_paid, i.amount_credited, i.credit_applied) is distinct from (
                   (select coalesce(sum(p.amount), 0) from landlord.payments p
                     where p.customer_id = of_customer and p.invoice_id = of_invoice),
                   (select coalesce(sum(n.amount), 0) from landlord.credit_notes n
                     where n.customer_id = of_customer and n.invoice_id = of_invoice),
                   (select coalesce(sum(u.amount), 0) from landlord.credit_uses u
                     where u.customer_id = of_customer and u.invoice_id = of_invoice)
               )
    ) then
        raise exception 'an invoice says what was paid, credited and applied, to the cent' using errcode = 'LL010';
    end if;
    if exists (
        select from landlord.invoices i
         where i.customer_id = of_customer and i.id = of_invoice
           and greatest(0, i.amount_paid + i.amount_credited + i.credit_applied - i.total_amount) is distinct from (
                   select coalesce(sum(n.as_credit), 0) from landlord.credit_notes n
                    where n.customer_id = of_customer and n.invoice_id = of_invoice
               )
    ) then
        raise exception 'what came in beyond an invoice''s total becomes credit, to the cent' using errcode = 'LL010';
    end if;
    return null;
end
$$;

ALTER FUNCTION landlord.invoice_sums() OWNER TO landlord_owner;

CREATE FUNCTION landlord.lines_are_of_drafts() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if exists (
        select from touched
          join landlord.invoices invoice
            on invoice.customer_id = touched.customer_id and invoice.id = touched.invoice_id
         where invoice.status <> 'draft'
    ) then
        raise exception 'the lines of an invoice are frozen once it has a number' using errcode = 'LL010';
    end if;
    return null;
end
$$;

ALTER FUNCTION landlord.lines_are_of_drafts() OWNER TO landlord_owner;

CREATE FUNCTION landlord.lines_sum_to_total() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if exists (
        select from now_so
          join before on before.customer_id = now_so.customer_id and before.id = now_so.id
          left join landlord.invoice_lines line on line.customer_id = now_so.customer_id and line.invoice_id = now_so.id
         where before.status = 'draft' and now_so.status in ('issued', 'paid')
         group by now_so.customer_id, now_so.id, now_so.total_amount
        having coalesce(sum(line.amount), 0) <> now_so.total_amount
    ) then
        raise exception 'the lines of an invoice sum to its total' using errcode = 'LL010';
    end if;
    return null;
end
$$;

ALTER FUNCTION landlord.lines_sum_to_total() OWNER TO landlord_owner;

CREATE FUNCTION landlord.make_audit_partition(month date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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

ALTER FUNCTION landlord.make_audit_partition(month date) OWNER TO landlord_owner;

CREATE FUNCTION landlord.never_changes() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    raise exception '% is never changed, only added to', tg_table_name using errcode = 'LL010';
end
$$;

ALTER FUNCTION landlord.never_changes() OWNER TO landlord_owner;

CREATE FUNCTION landlord.number_of(prefix text, series text, count bigint) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN ((prefix || series) || lpad((count)::text, GREATEST(4, length((count)::text)), '0'::text));

ALTER FUNCTION landlord.number_of(prefix text, series text, count bigint) OWNER TO landlord_owner;

CREATE FUNCTION landlord.ticket_stays_closed() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
    if old.status = 'closed' then
        raise exception 'a closed ticket stays as it is' using errcode = 'LL010';
    end if;
    return new;
end
$$;

ALTER FUNCTION landlord.ticket_stays_closed() OWNER TO landlord_owner;

CREATE TABLE landlord.api_keys (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid,
    name text NOT NULL,
    prefix text NOT NULL,
    key_hash text NOT NULL,
    scopes text[] NOT NULL,
    rotated_from uuid,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    last_used_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT api_keys_key_hash_check CHECK ((key_hash ~~ '$2b$%'::text)),
    CONSTRAINT api_keys_name_check CHECK (((length(TRIM(BOTH FROM name)) >= 1) AND (length(TRIM(BOTH FROM name)) <= 100))),
    CONSTRAINT api_keys_prefix_check CHECK ((prefix ~ '^lz_(live|test)_[0-9A-Za-z]{12}$'::text)),
    CONSTRAINT api_keys_scopes_check CHECK ((cardinality(scopes) > 0))
);

ALTER TABLE ONLY landlord.api_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.api_keys OWNER TO landlord_owner;

CREATE TABLE landlord.audit_events (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid,
    event_type text NOT NULL,
    action text NOT NULL,
    resource_type text,
    resource_id text,
    actor text NOT NULL,
    actor_kind text NOT NULL,
    actor_email text,
    actor_ip text,
    actor_user_agent text,
    status text NOT NULL,
    error_message text,
    request_id text,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    xid xid8 NOT NULL,
    leaf bytea NOT NULL
)
PARTITION BY RANGE (id);

ALTER TABLE ONLY landlord.audit_events FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.audit_events OWNER TO landlord_owner;

CREATE TABLE landlord.audit_events_default (
    id uuid DEFAULT app.new_id() CONSTRAINT audit_events_id_not_null NOT NULL,
    customer_id uuid,
    event_type text CONSTRAINT audit_events_event_type_not_null NOT NULL,
    action text CONSTRAINT audit_events_action_not_null NOT NULL,
    resource_type text,
    resource_id text,
    actor text CONSTRAINT audit_events_actor_not_null NOT NULL,
    actor_kind text CONSTRAINT audit_events_actor_kind_not_null NOT NULL,
    actor_email text,
    actor_ip text,
    actor_user_agent text,
    status text CONSTRAINT audit_events_status_not_null NOT NULL,
    error_message text,
    request_id text,
    metadata jsonb DEFAULT '{}'::jsonb CONSTRAINT audit_events_metadata_not_null NOT NULL,
    created_at timestamp with time zone CONSTRAINT audit_events_created_at_not_null NOT NULL,
    xid xid8 CONSTRAINT audit_events_xid_not_null NOT NULL,
    leaf bytea CONSTRAINT audit_events_leaf_not_null NOT NULL
);

ALTER TABLE ONLY landlord.audit_events_default FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.audit_events_default OWNER TO landlord_owner;

CREATE TABLE landlord.audit_seals (
    id bigint NOT NULL,
    horizon xid8 NOT NULL,
    event_count bigint NOT NULL,
    root bytea NOT NULL,
    previous_root bytea,
    signature bytea NOT NULL,
    signed_by text NOT NULL,
    reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT audit_seals_event_count_check CHECK ((event_count >= 0)),
    CONSTRAINT audit_seals_previous_root_check CHECK ((octet_length(previous_root) = 32)),
    CONSTRAINT audit_seals_root_check CHECK ((octet_length(root) = 32))
);

ALTER TABLE ONLY landlord.audit_seals FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.audit_seals OWNER TO landlord_owner;

ALTER TABLE landlord.audit_seals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME landlord.audit_seals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE landlord.billing_run_items (
    customer_id uuid NOT NULL,
    run_id uuid NOT NULL,
    outcome text DEFAULT 'pending'::text NOT NULL,
    issued boolean DEFAULT false NOT NULL,
    amount numeric(14,2),
    code text,
    reason text,
    claimed_in xid8,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT billing_run_items_check CHECK ((((outcome = 'failed'::text) = (code IS NOT NULL)) AND ((code IS NULL) = (reason IS NULL)))),
    CONSTRAINT billing_run_items_check1 CHECK (((outcome = 'pending'::text) = (finished_at IS NULL))),
    CONSTRAINT billing_run_items_code_check CHECK ((code = ANY (ARRAY['NO_USAGE'::text, 'NO_TAX_RATE'::text, 'NO_RATE_CARD'::text, 'NOT_BILLABLE'::text, 'SANITY_BOUND'::text, 'INTERNAL'::text]))),
    CONSTRAINT billing_run_items_outcome_check CHECK ((outcome = ANY (ARRAY['pending'::text, 'created'::text, 'recomputed'::text, 'skipped'::text, 'failed'::text])))
);

ALTER TABLE ONLY landlord.billing_run_items FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.billing_run_items OWNER TO landlord_owner;

CREATE TABLE landlord.billing_runs (
    id uuid DEFAULT app.new_id() NOT NULL,
    month date NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    dry_run boolean NOT NULL,
    issue boolean NOT NULL,
    customers_total integer DEFAULT 0 NOT NULL,
    invoices_created integer DEFAULT 0 NOT NULL,
    invoices_recomputed integer DEFAULT 0 NOT NULL,
    invoices_skipped integer DEFAULT 0 NOT NULL,
    invoices_issued integer DEFAULT 0 NOT NULL,
    customers_failed integer DEFAULT 0 NOT NULL,
    total_amount numeric(20,2) DEFAULT 0 NOT NULL,
    billed_at timestamp with time zone NOT NULL,
    started_by text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT billing_runs_check CHECK (((((invoices_created + invoices_recomputed) + invoices_skipped) + customers_failed) <= customers_total)),
    CONSTRAINT billing_runs_check1 CHECK (((status = ANY (ARRAY['completed'::text, 'completed_with_failures'::text, 'failed'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT billing_runs_customers_failed_check CHECK ((customers_failed >= 0)),
    CONSTRAINT billing_runs_customers_total_check CHECK ((customers_total >= 0)),
    CONSTRAINT billing_runs_invoices_created_check CHECK ((invoices_created >= 0)),
    CONSTRAINT billing_runs_invoices_issued_check CHECK ((invoices_issued >= 0)),
    CONSTRAINT billing_runs_invoices_recomputed_check CHECK ((invoices_recomputed >= 0)),
    CONSTRAINT billing_runs_invoices_skipped_check CHECK ((invoices_skipped >= 0)),
    CONSTRAINT billing_runs_month_check CHECK ((EXTRACT(day FROM month) = (1)::numeric)),
    CONSTRAINT billing_runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'completed'::text, 'completed_with_failures'::text, 'failed'::text]))),
    CONSTRAINT billing_runs_total_amount_check CHECK ((total_amount >= (0)::numeric))
);

ALTER TABLE ONLY landlord.billing_runs FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.billing_runs OWNER TO landlord_owner;

CREATE TABLE landlord.company_details (
    effective_from date NOT NULL,
    name text NOT NULL,
    address text[] NOT NULL,
    tax_id text NOT NULL,
    email text NOT NULL,
    payment text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT company_details_address_check CHECK (((cardinality(address) >= 1) AND (cardinality(address) <= 8))),
    CONSTRAINT company_details_email_check CHECK (((length(email) <= 254) AND (email ~ '^[^@[:space:]]+@[^@[:space:]]+$'::text))),
    CONSTRAINT company_details_name_check CHECK (((length(TRIM(BOTH FROM name)) >= 1) AND (length(TRIM(BOTH FROM name)) <= 200))),
    CONSTRAINT company_details_payment_check CHECK (((cardinality(payment) >= 1) AND (cardinality(payment) <= 8))),
    CONSTRAINT company_details_tax_id_check CHECK (((length(TRIM(BOTH FROM tax_id)) >= 1) AND (length(TRIM(BOTH FROM tax_id)) <= 100)))
);

ALTER TABLE ONLY landlord.company_details FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.company_details OWNER TO landlord_owner;

CREATE TABLE landlord.credit_notes (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    number text NOT NULL,
    amount numeric(14,2) NOT NULL,
    as_credit numeric(14,2) DEFAULT 0 NOT NULL,
    reason text NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT credit_notes_amount_check CHECK ((amount > (0)::numeric)),
    CONSTRAINT credit_notes_check CHECK (((as_credit >= (0)::numeric) AND (as_credit <= amount))),
    CONSTRAINT credit_notes_number_check CHECK ((number ~ '^[2-9A-HJKMNP-TV-Z]{6}-CN-[0-9]{4,}$'::text)),
    CONSTRAINT credit_notes_reason_check CHECK (((length(TRIM(BOTH FROM reason)) >= 1) AND (length(TRIM(BOTH FROM reason)) <= 1000)))
);

ALTER TABLE ONLY landlord.credit_notes FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.credit_notes OWNER TO landlord_owner;

CREATE TABLE landlord.credit_uses (
    customer_id uuid NOT NULL,
    credit_note_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    amount numeric(14,2) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT credit_uses_amount_check CHECK ((amount > (0)::numeric))
);

ALTER TABLE ONLY landlord.credit_uses FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.credit_uses OWNER TO landlord_owner;

CREATE TABLE landlord.customers (
    id uuid DEFAULT app.new_id() NOT NULL,
    name text NOT NULL,
    framework text DEFAULT 'CIS'::text NOT NULL,
    aws_org_id text,
    aws_account_id text,
    email text NOT NULL,
    billing_email text NOT NULL,
    mfa_enforced boolean DEFAULT true NOT NULL,
    encryption_required boolean DEFAULT true NOT NULL,
    tags jsonb DEFAULT '{}'::jsonb NOT NULL,
    custom_config jsonb DEFAULT '{}'::jsonb NOT NULL,
    tax_jurisdiction text NOT NULL,
    tax_status text NOT NULL,
    invoice_prefix text DEFAULT app.new_invoice_prefix() NOT NULL,
    active_from date NOT NULL,
    closed_on date,
    closed_reason text,
    suspended_at timestamp with time zone,
    suspended_reason text,
    epoch bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    epoch_raised_at timestamp with time zone,
    CONSTRAINT customers_aws_account_id_check CHECK ((aws_account_id ~ '^[0-9]{12}$'::text)),
    CONSTRAINT customers_aws_org_id_check CHECK ((aws_org_id ~ '^o-[a-z0-9]{10,32}$'::text)),
    CONSTRAINT customers_billing_email_check CHECK (((length(billing_email) <= 254) AND (billing_email ~ '^[^@[:space:]]+@[^@[:space:]]+$'::text))),
    CONSTRAINT customers_check CHECK ((closed_on >= active_from)),
    CONSTRAINT customers_check1 CHECK (((closed_on IS NULL) = (closed_reason IS NULL))),
    CONSTRAINT customers_check2 CHECK (((suspended_at IS NULL) = (suspended_reason IS NULL))),
    CONSTRAINT customers_email_check CHECK (((length(email) <= 254) AND (email ~ '^[^@[:space:]]+@[^@[:space:]]+$'::text))),
    CONSTRAINT customers_framework_check CHECK (((length(TRIM(BOTH FROM framework)) >= 1) AND (length(TRIM(BOTH FROM framework)) <= 50))),
    CONSTRAINT customers_invoice_prefix_check CHECK ((invoice_prefix ~ '^[2-9A-HJKMNP-TV-Z]{6}$'::text)),
    CONSTRAINT customers_name_check CHECK (((length(TRIM(BOTH FROM name)) >= 1) AND (length(TRIM(BOTH FROM name)) <= 200))),
    CONSTRAINT customers_tax_jurisdiction_check CHECK ((tax_jurisdiction ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'::text)),
    CONSTRAINT customers_tax_status_check CHECK ((tax_status = ANY (ARRAY['taxable'::text, 'exempt'::text, 'reverse_charge'::text])))
);

ALTER TABLE ONLY landlord.customers FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.customers OWNER TO landlord_owner;

CREATE TABLE landlord.ended_sessions (
    jti uuid NOT NULL,
    customer_id uuid,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY landlord.ended_sessions FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.ended_sessions OWNER TO landlord_owner;

CREATE TABLE landlord.idempotency_keys (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid,
    api_key_id uuid NOT NULL,
    mutation text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    object_id text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_fingerprint_check CHECK ((octet_length(fingerprint) = 32)),
    CONSTRAINT idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255)))
);

ALTER TABLE ONLY landlord.idempotency_keys FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.idempotency_keys OWNER TO landlord_owner;

CREATE TABLE landlord.invoice_counters (
    customer_id uuid NOT NULL,
    last_invoice bigint DEFAULT 0 NOT NULL,
    last_credit_note bigint DEFAULT 0 NOT NULL,
    CONSTRAINT invoice_counters_last_credit_note_check CHECK ((last_credit_note >= 0)),
    CONSTRAINT invoice_counters_last_invoice_check CHECK ((last_invoice >= 0))
);

ALTER TABLE ONLY landlord.invoice_counters FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.invoice_counters OWNER TO landlord_owner;

CREATE TABLE landlord.invoice_lines (
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    "position" integer NOT NULL,
    kind text NOT NULL,
    metric text,
    tier text,
    adjusted_month date,
    usage_revision integer,
    charged_before numeric(14,2),
    description text NOT NULL,
    quantity numeric(24,6),
    billable numeric(24,6),
    bands jsonb DEFAULT '[]'::jsonb NOT NULL,
    amount numeric(14,2) NOT NULL,
    adjusted_invoice_id uuid,
    CONSTRAINT invoice_lines_adjusted_month_check CHECK ((EXTRACT(day FROM adjusted_month) = (1)::numeric)),
    CONSTRAINT invoice_lines_adjustment_is_whole CHECK ((num_nonnulls(adjusted_month, adjusted_invoice_id, usage_revision, charged_before) =
CASE
    WHEN (kind = 'adjustment'::text) THEN 4
    ELSE 0
END)),
    CONSTRAINT invoice_lines_check CHECK ((((kind = 'usage'::text) = (metric IS NOT NULL)) AND ((kind = 'usage'::text) = (billable IS NOT NULL)))),
    CONSTRAINT invoice_lines_check1 CHECK (((kind = 'base'::text) = (tier IS NOT NULL))),
    CONSTRAINT invoice_lines_check2 CHECK (((kind = 'adjustment'::text) = (adjusted_month IS NOT NULL))),
    CONSTRAINT invoice_lines_check3 CHECK (((kind = ANY (ARRAY['base'::text, 'usage'::text])) OR (quantity IS NULL))),
    CONSTRAINT invoice_lines_kind_check CHECK ((kind = ANY (ARRAY['base'::text, 'usage'::text, 'discount'::text, 'adjustment'::text, 'tax'::text]))),
    CONSTRAINT invoice_lines_metric_check CHECK ((metric = ANY (ARRAY['account_count'::text, 'ou_count'::text, 'scp_count'::text, 'cloudtrail_events'::text, 'config_evaluations'::text, 'log_storage_gb'::text, 'nat_bytes_processed'::text, 'data_transfer_gb'::text]))),
    CONSTRAINT invoice_lines_position_check CHECK (("position" > 0)),
    CONSTRAINT invoice_lines_tier_check CHECK ((tier = ANY (ARRAY['standard'::text, 'fintech'::text, 'healthcare'::text, 'gov_federal'::text])))
);

ALTER TABLE ONLY landlord.invoice_lines FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.invoice_lines OWNER TO landlord_owner;

CREATE TABLE landlord.invoices (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid NOT NULL,
    month date NOT NULL,
    status text DEFAULT 'draft'::text NOT NULL,
    number text,
    tier text NOT NULL,
    currency text NOT NULL,
    tier_base_cost numeric(14,2) NOT NULL,
    usage_charges numeric(14,2) NOT NULL,
    volume_discount numeric(14,2) NOT NULL,
    adjustments numeric(14,2) DEFAULT 0 NOT NULL,
    subtotal numeric(14,2) NOT NULL,
    tax_rate numeric(7,6) NOT NULL,
    tax_amount numeric(14,2) NOT NULL,
    total_amount numeric(14,2) NOT NULL,
    rate_card_id uuid NOT NULL,
    usage_revision integer NOT NULL,
    tier_periods jsonb NOT NULL,
    tax_jurisdiction text NOT NULL,
    tax_status text NOT NULL,
    amount_paid numeric(14,2) DEFAULT 0 NOT NULL,
    amount_credited numeric(14,2) DEFAULT 0 NOT NULL,
    credit_applied numeric(14,2) DEFAULT 0 NOT NULL,
    issued_at timestamp with time zone,
    due_on date,
    paid_at timestamp with time zone,
    cancelled_at timestamp with time zone,
    cancel_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    billed_to jsonb,
    CONSTRAINT invoices_amount_paid_check CHECK ((amount_paid >= (0)::numeric)),
    CONSTRAINT invoices_check CHECK (((amount_credited >= (0)::numeric) AND (amount_credited <= total_amount))),
    CONSTRAINT invoices_check1 CHECK ((subtotal = (((tier_base_cost + usage_charges) - volume_discount) + adjustments))),
    CONSTRAINT invoices_check10 CHECK ((((status = 'cancelled'::text) = (cancelled_at IS NOT NULL)) AND ((cancelled_at IS NULL) = (cancel_reason IS NULL)))),
    CONSTRAINT invoices_check2 CHECK ((total_amount = (subtotal + tax_amount))),
    CONSTRAINT invoices_check3 CHECK (((amount_paid + credit_applied) <= total_amount)),
    CONSTRAINT invoices_check4 CHECK ((((number IS NULL) = (issued_at IS NULL)) AND ((number IS NULL) = (due_on IS NULL)))),
    CONSTRAINT invoices_check5 CHECK (((status = 'draft'::text) <= (number IS NULL))),
    CONSTRAINT invoices_check6 CHECK (((status = ANY (ARRAY['issued'::text, 'paid'::text])) <= (number IS NOT NULL))),
    CONSTRAINT invoices_check7 CHECK (((status = 'paid'::text) = (paid_at IS NOT NULL))),
    CONSTRAINT invoices_check8 CHECK (((status = 'paid'::text) <= (total_amount <= ((amount_paid + amount_credited) + credit_applied)))),
    CONSTRAINT invoices_check9 CHECK (((status = 'issued'::text) <= (total_amount > ((amount_paid + amount_credited) + credit_applied)))),
    CONSTRAINT invoices_credit_applied_check CHECK ((credit_applied >= (0)::numeric)),
    CONSTRAINT invoices_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT invoices_month_check CHECK ((EXTRACT(day FROM month) = (1)::numeric)),
    CONSTRAINT invoices_number_check CHECK ((number ~ '^[2-9A-HJKMNP-TV-Z]{6}-[0-9]{4,}$'::text)),
    CONSTRAINT invoices_status_check CHECK ((status = ANY (ARRAY['draft'::text, 'issued'::text, 'paid'::text, 'cancelled'::text]))),
    CONSTRAINT invoices_subtotal_check CHECK ((subtotal >= (0)::numeric)),
    CONSTRAINT invoices_tax_amount_check CHECK ((tax_amount >= (0)::numeric)),
    CONSTRAINT invoices_tax_rate_check CHECK (((tax_rate >= (0)::numeric) AND (tax_rate <= (1)::numeric))),
    CONSTRAINT invoices_tax_status_check CHECK ((tax_status = ANY (ARRAY['taxable'::text, 'exempt'::text, 'reverse_charge'::text]))),
    CONSTRAINT invoices_tier_base_cost_check CHECK ((tier_base_cost >= (0)::numeric)),
    CONSTRAINT invoices_tier_check CHECK ((tier = ANY (ARRAY['standard'::text, 'fintech'::text, 'healthcare'::text, 'gov_federal'::text]))),
    CONSTRAINT invoices_total_amount_check CHECK ((total_amount >= (0)::numeric)),
    CONSTRAINT invoices_usage_charges_check CHECK ((usage_charges >= (0)::numeric)),
    CONSTRAINT invoices_usage_revision_check CHECK ((usage_revision >= 0)),
    CONSTRAINT invoices_volume_discount_check CHECK ((volume_discount >= (0)::numeric))
);

ALTER TABLE ONLY landlord.invoices FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.invoices OWNER TO landlord_owner;

CREATE TABLE landlord.notifications (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid NOT NULL,
    title text NOT NULL,
    message text NOT NULL,
    channel text NOT NULL,
    delivery_address text NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    failed_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT notifications_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT notifications_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'webhook'::text]))),
    CONSTRAINT notifications_check CHECK (((status = 'sent'::text) = (sent_at IS NOT NULL))),
    CONSTRAINT notifications_check1 CHECK (((status = 'failed'::text) <= (failed_reason IS NOT NULL))),
    CONSTRAINT notifications_delivery_address_check CHECK (((length(TRIM(BOTH FROM delivery_address)) >= 1) AND (length(TRIM(BOTH FROM delivery_address)) <= 500))),
    CONSTRAINT notifications_message_check CHECK (((length(message) >= 1) AND (length(message) <= 20000))),
    CONSTRAINT notifications_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'sent'::text, 'failed'::text]))),
    CONSTRAINT notifications_title_check CHECK (((length(TRIM(BOTH FROM title)) >= 1) AND (length(TRIM(BOTH FROM title)) <= 200)))
);

ALTER TABLE ONLY landlord.notifications FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.notifications OWNER TO landlord_owner;

CREATE TABLE landlord.outbox (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    claimed_until timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    sent_at timestamp with time zone,
    failed_reason text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    claimed_in xid8,
    notification_id uuid,
    endpoint_id uuid,
    failing_since timestamp with time zone,
    last_failure text,
    CONSTRAINT outbox_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT outbox_kind_check CHECK ((kind = ANY (ARRAY['email'::text, 'sms'::text, 'webhook'::text, 'pdf'::text, 'epoch'::text])))
);

ALTER TABLE ONLY landlord.outbox FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.outbox OWNER TO landlord_owner;

CREATE TABLE landlord.payments (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    amount numeric(14,2) NOT NULL,
    method text NOT NULL,
    reference text,
    received_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT payments_amount_check CHECK ((amount > (0)::numeric)),
    CONSTRAINT payments_method_check CHECK (((length(TRIM(BOTH FROM method)) >= 1) AND (length(TRIM(BOTH FROM method)) <= 50))),
    CONSTRAINT payments_reference_check CHECK ((length(reference) <= 200))
);

ALTER TABLE ONLY landlord.payments FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.payments OWNER TO landlord_owner;

CREATE TABLE landlord.rate_card_prices (
    rate_card_id uuid NOT NULL,
    tier text NOT NULL,
    metric text NOT NULL,
    "position" integer NOT NULL,
    included numeric(24,6) NOT NULL,
    unit numeric(24,6) NOT NULL,
    band_up_to numeric(24,6)[] NOT NULL,
    band_price numeric(20,9)[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT rate_card_prices_band_price_check CHECK ((array_position(band_price, NULL::numeric) IS NULL)),
    CONSTRAINT rate_card_prices_band_up_to_check CHECK ((band_up_to[cardinality(band_up_to)] IS NULL)),
    CONSTRAINT rate_card_prices_check CHECK (((cardinality(band_up_to) = cardinality(band_price)) AND ((cardinality(band_price) >= 1) AND (cardinality(band_price) <= 20)))),
    CONSTRAINT rate_card_prices_included_check CHECK ((included >= (0)::numeric)),
    CONSTRAINT rate_card_prices_metric_check CHECK ((metric = ANY (ARRAY['account_count'::text, 'ou_count'::text, 'scp_count'::text, 'cloudtrail_events'::text, 'config_evaluations'::text, 'log_storage_gb'::text, 'nat_bytes_processed'::text, 'data_transfer_gb'::text]))),
    CONSTRAINT rate_card_prices_unit_check CHECK ((unit > (0)::numeric))
);

ALTER TABLE ONLY landlord.rate_card_prices FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.rate_card_prices OWNER TO landlord_owner;

CREATE TABLE landlord.rate_cards (
    id uuid DEFAULT app.new_id() NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    effective_from date NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT rate_cards_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT rate_cards_name_check CHECK (((length(TRIM(BOTH FROM name)) >= 1) AND (length(TRIM(BOTH FROM name)) <= 200)))
);

ALTER TABLE ONLY landlord.rate_cards FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.rate_cards OWNER TO landlord_owner;

CREATE TABLE landlord.support_tickets (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid NOT NULL,
    subject text NOT NULL,
    status text DEFAULT 'open'::text NOT NULL,
    priority text DEFAULT 'normal'::text NOT NULL,
    created_by text NOT NULL,
    assigned_to text,
    first_response_due_at timestamp with time zone,
    first_responded_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT support_tickets_assigned_to_check CHECK (((length(TRIM(BOTH FROM assigned_to)) >= 1) AND (length(TRIM(BOTH FROM assigned_to)) <= 200))),
    CONSTRAINT support_tickets_priority_check CHECK ((priority = ANY (ARRAY['low'::text, 'normal'::text, 'high'::text, 'urgent'::text]))),
    CONSTRAINT support_tickets_status_check CHECK ((status = ANY (ARRAY['open'::text, 'in_progress'::text, 'waiting_on_customer'::text, 'resolved'::text, 'closed'::text]))),
    CONSTRAINT support_tickets_subject_check CHECK (((length(TRIM(BOTH FROM subject)) >= 1) AND (length(TRIM(BOTH FROM subject)) <= 200)))
);

ALTER TABLE ONLY landlord.support_tickets FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.support_tickets OWNER TO landlord_owner;

CREATE TABLE landlord.tax_rates (
    jurisdiction text NOT NULL,
    effective_from date NOT NULL,
    rate numeric(7,6) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tax_rates_jurisdiction_check CHECK ((jurisdiction ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'::text)),
    CONSTRAINT tax_rates_rate_check CHECK (((rate >= (0)::numeric) AND (rate <= (1)::numeric)))
);

ALTER TABLE ONLY landlord.tax_rates FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.tax_rates OWNER TO landlord_owner;

CREATE TABLE landlord.ticket_comments (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid NOT NULL,
    ticket_id uuid NOT NULL,
    author text NOT NULL,
    author_kind text NOT NULL,
    body text NOT NULL,
    internal boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ticket_comments_author_kind_check CHECK ((author_kind = ANY (ARRAY['tenant'::text, 'operator'::text]))),
    CONSTRAINT ticket_comments_body_check CHECK (((length(TRIM(BOTH FROM body)) >= 1) AND (length(TRIM(BOTH FROM body)) <= 20000))),
    CONSTRAINT ticket_comments_check CHECK (((author_kind = 'operator'::text) OR (NOT internal)))
);

ALTER TABLE ONLY landlord.ticket_comments FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.ticket_comments OWNER TO landlord_owner;

CREATE TABLE landlord.tier_features (
    rate_card_id uuid NOT NULL,
    tier text NOT NULL,
    "position" integer NOT NULL,
    base_price numeric(14,2) NOT NULL,
    max_accounts integer NOT NULL,
    max_regions integer NOT NULL,
    sso_users_limit integer NOT NULL,
    custom_scps boolean NOT NULL,
    priority_support boolean NOT NULL,
    compliance_reports boolean NOT NULL,
    cost_analytics boolean NOT NULL,
    multi_region boolean NOT NULL,
    break_glass_role boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tier_features_base_price_check CHECK ((base_price >= (0)::numeric)),
    CONSTRAINT tier_features_max_accounts_check CHECK ((max_accounts >= 0)),
    CONSTRAINT tier_features_max_regions_check CHECK ((max_regions >= 0)),
    CONSTRAINT tier_features_sso_users_limit_check CHECK ((sso_users_limit >= 0)),
    CONSTRAINT tier_features_tier_check CHECK ((tier = ANY (ARRAY['standard'::text, 'fintech'::text, 'healthcare'::text, 'gov_federal'::text])))
);

ALTER TABLE ONLY landlord.tier_features FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.tier_features OWNER TO landlord_owner;

CREATE TABLE landlord.tier_history (
    customer_id uuid NOT NULL,
    starts_on date NOT NULL,
    tier text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tier_history_tier_check CHECK ((tier = ANY (ARRAY['standard'::text, 'fintech'::text, 'healthcare'::text, 'gov_federal'::text])))
);

ALTER TABLE ONLY landlord.tier_history FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.tier_history OWNER TO landlord_owner;

CREATE TABLE landlord.usage_metrics (
    customer_id uuid NOT NULL,
    month date NOT NULL,
    revision integer NOT NULL,
    account_count integer NOT NULL,
    ou_count integer NOT NULL,
    scp_count integer NOT NULL,
    cloudtrail_events bigint NOT NULL,
    config_evaluations bigint NOT NULL,
    log_storage_gb numeric(24,6) NOT NULL,
    nat_bytes_processed bigint NOT NULL,
    data_transfer_gb numeric(24,6) NOT NULL,
    source text NOT NULL,
    recorded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT usage_metrics_account_count_check CHECK ((account_count >= 0)),
    CONSTRAINT usage_metrics_cloudtrail_events_check CHECK (((cloudtrail_events >= 0) AND (cloudtrail_events < '1000000000000000'::bigint))),
    CONSTRAINT usage_metrics_config_evaluations_check CHECK (((config_evaluations >= 0) AND (config_evaluations < '1000000000000000'::bigint))),
    CONSTRAINT usage_metrics_data_transfer_gb_check CHECK (((data_transfer_gb >= (0)::numeric) AND (data_transfer_gb < ('1000000000000'::bigint)::numeric))),
    CONSTRAINT usage_metrics_log_storage_gb_check CHECK (((log_storage_gb >= (0)::numeric) AND (log_storage_gb < ('1000000000000'::bigint)::numeric))),
    CONSTRAINT usage_metrics_month_check CHECK ((EXTRACT(day FROM month) = (1)::numeric)),
    CONSTRAINT usage_metrics_nat_bytes_processed_check CHECK (((nat_bytes_processed >= 0) AND (nat_bytes_processed < '1000000000000000000'::bigint))),
    CONSTRAINT usage_metrics_ou_count_check CHECK ((ou_count >= 0)),
    CONSTRAINT usage_metrics_revision_check CHECK ((revision > 0)),
    CONSTRAINT usage_metrics_scp_count_check CHECK ((scp_count >= 0)),
    CONSTRAINT usage_metrics_source_check CHECK ((source = ANY (ARRAY['api'::text, 'cloudwatch'::text, 'demo'::text])))
);

ALTER TABLE ONLY landlord.usage_metrics FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.usage_metrics OWNER TO landlord_owner;

CREATE TABLE landlord.usage_readings (
    customer_id uuid NOT NULL,
    month date NOT NULL,
    revision integer NOT NULL,
    sync_id uuid NOT NULL,
    source jsonb NOT NULL,
    daily jsonb NOT NULL,
    read_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT usage_readings_daily_check CHECK ((jsonb_typeof(daily) = 'object'::text)),
    CONSTRAINT usage_readings_source_check CHECK ((jsonb_typeof(source) = 'object'::text))
);

ALTER TABLE ONLY landlord.usage_readings FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.usage_readings OWNER TO landlord_owner;

CREATE TABLE landlord.usage_sync_items (
    customer_id uuid NOT NULL,
    sync_id uuid NOT NULL,
    outcome text DEFAULT 'pending'::text NOT NULL,
    code text,
    reason text,
    claimed_until timestamp with time zone,
    claimed_in xid8,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT usage_sync_items_check CHECK ((((outcome = 'failed'::text) = (code IS NOT NULL)) AND ((code IS NULL) = (reason IS NULL)))),
    CONSTRAINT usage_sync_items_check1 CHECK (((outcome = 'pending'::text) = (finished_at IS NULL))),
    CONSTRAINT usage_sync_items_code_check CHECK ((code = ANY (ARRAY['BAD_ANSWER'::text, 'NOT_BILLABLE'::text, 'INTERNAL'::text]))),
    CONSTRAINT usage_sync_items_outcome_check CHECK ((outcome = ANY (ARRAY['pending'::text, 'updated'::text, 'unchanged'::text, 'missing'::text, 'failed'::text])))
);

ALTER TABLE ONLY landlord.usage_sync_items FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.usage_sync_items OWNER TO landlord_owner;

CREATE TABLE landlord.usage_syncs (
    id uuid DEFAULT app.new_id() NOT NULL,
    month date NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    customers_total integer DEFAULT 0 NOT NULL,
    customers_updated integer DEFAULT 0 NOT NULL,
    customers_unchanged integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    customers_missing integer DEFAULT 0 NOT NULL,
    customers_failed integer DEFAULT 0 NOT NULL,
    started_by text,
    started_at timestamp with time zone,
    failed_reason text,
    CONSTRAINT usage_syncs_count_each_once CHECK (((((customers_updated + customers_unchanged) + customers_missing) + customers_failed) <= customers_total)),
    CONSTRAINT usage_syncs_counts_are_counts CHECK (((customers_missing >= 0) AND (customers_failed >= 0))),
    CONSTRAINT usage_syncs_customers_total_check CHECK ((customers_total >= 0)),
    CONSTRAINT usage_syncs_customers_unchanged_check CHECK ((customers_unchanged >= 0)),
    CONSTRAINT usage_syncs_customers_updated_check CHECK ((customers_updated >= 0)),
    CONSTRAINT usage_syncs_month_check CHECK ((EXTRACT(day FROM month) = (1)::numeric)),
    CONSTRAINT usage_syncs_say_when_they_ended CHECK (((status = ANY (ARRAY['completed'::text, 'completed_with_failures'::text, 'failed'::text])) = (finished_at IS NOT NULL))),
    CONSTRAINT usage_syncs_say_why_they_broke CHECK (((status = 'failed'::text) = (failed_reason IS NOT NULL))),
    CONSTRAINT usage_syncs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'completed'::text, 'completed_with_failures'::text, 'failed'::text])))
);

ALTER TABLE ONLY landlord.usage_syncs FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.usage_syncs OWNER TO landlord_owner;

CREATE TABLE landlord.volume_discounts (
    rate_card_id uuid NOT NULL,
    over numeric(14,2) NOT NULL,
    rate numeric(7,6) NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT volume_discounts_over_check CHECK ((over >= (0)::numeric)),
    CONSTRAINT volume_discounts_rate_check CHECK (((rate >= (0)::numeric) AND (rate <= (1)::numeric)))
);

ALTER TABLE ONLY landlord.volume_discounts FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.volume_discounts OWNER TO landlord_owner;

CREATE TABLE landlord.webhook_endpoints (
    id uuid DEFAULT app.new_id() NOT NULL,
    customer_id uuid NOT NULL,
    url text NOT NULL,
    event_types text[] DEFAULT '{}'::text[] NOT NULL,
    secret bytea NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    deleted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    failing_since timestamp with time zone,
    resting_until timestamp with time zone,
    CONSTRAINT webhook_endpoints_url_check CHECK (((url ~~ 'https://%'::text) AND (length(url) <= 2000)))
);

ALTER TABLE ONLY landlord.webhook_endpoints FORCE ROW LEVEL SECURITY;

ALTER TABLE landlord.webhook_endpoints OWNER TO landlord_owner;

CREATE TABLE public.schema_migrations (
    version text NOT NULL,
    ran_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.schema_migrations OWNER TO landlord_migrator;

ALTER TABLE ONLY landlord.audit_events ATTACH PARTITION landlord.audit_events_default DEFAULT;

ALTER TABLE ONLY app.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (kid);

ALTER TABLE ONLY landlord.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.api_keys
    ADD CONSTRAINT api_keys_prefix_key UNIQUE (prefix);

ALTER TABLE ONLY landlord.audit_events
    ADD CONSTRAINT audit_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.audit_events_default
    ADD CONSTRAINT audit_events_default_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.audit_seals
    ADD CONSTRAINT audit_seals_horizon_key UNIQUE (horizon);

ALTER TABLE ONLY landlord.audit_seals
    ADD CONSTRAINT audit_seals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.billing_run_items
    ADD CONSTRAINT billing_run_items_pkey PRIMARY KEY (customer_id, run_id);

ALTER TABLE ONLY landlord.billing_runs
    ADD CONSTRAINT billing_runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.company_details
    ADD CONSTRAINT company_details_pkey PRIMARY KEY (effective_from);

ALTER TABLE ONLY landlord.credit_notes
    ADD CONSTRAINT credit_notes_customer_id_number_key UNIQUE (customer_id, number);

ALTER TABLE ONLY landlord.credit_notes
    ADD CONSTRAINT credit_notes_pkey PRIMARY KEY (customer_id, id);

ALTER TABLE ONLY landlord.credit_uses
    ADD CONSTRAINT credit_uses_pkey PRIMARY KEY (customer_id, credit_note_id, invoice_id);

ALTER TABLE ONLY landlord.customers
    ADD CONSTRAINT customers_invoice_prefix_key UNIQUE (invoice_prefix);

ALTER TABLE ONLY landlord.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.ended_sessions
    ADD CONSTRAINT ended_sessions_pkey PRIMARY KEY (jti);

ALTER TABLE ONLY landlord.idempotency_keys
    ADD CONSTRAINT idempotency_keys_customer_id_api_key_id_mutation_key_key UNIQUE NULLS NOT DISTINCT (customer_id, api_key_id, mutation, key);

ALTER TABLE ONLY landlord.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.invoice_counters
    ADD CONSTRAINT invoice_counters_pkey PRIMARY KEY (customer_id);

ALTER TABLE ONLY landlord.invoice_lines
    ADD CONSTRAINT invoice_lines_pkey PRIMARY KEY (customer_id, invoice_id, "position");

ALTER TABLE ONLY landlord.invoices
    ADD CONSTRAINT invoices_customer_id_number_key UNIQUE (customer_id, number);

ALTER TABLE ONLY landlord.invoices
    ADD CONSTRAINT invoices_pkey PRIMARY KEY (customer_id, id);

ALTER TABLE ONLY landlord.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (customer_id, id);

ALTER TABLE ONLY landlord.outbox
    ADD CONSTRAINT outbox_customer_id_key_key UNIQUE (customer_id, key);

ALTER TABLE ONLY landlord.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (customer_id, id);

ALTER TABLE ONLY landlord.payments
    ADD CONSTRAINT payments_pkey PRIMARY KEY (customer_id, id);

ALTER TABLE ONLY landlord.rate_card_prices
    ADD CONSTRAINT rate_card_prices_pkey PRIMARY KEY (rate_card_id, tier, metric);

ALTER TABLE ONLY landlord.rate_cards
    ADD CONSTRAINT rate_cards_effective_from_key UNIQUE (effective_from);

ALTER TABLE ONLY landlord.rate_cards
    ADD CONSTRAINT rate_cards_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.support_tickets
    ADD CONSTRAINT support_tickets_pkey PRIMARY KEY (customer_id, id);

ALTER TABLE ONLY landlord.tax_rates
    ADD CONSTRAINT tax_rates_pkey PRIMARY KEY (jurisdiction, effective_from);

ALTER TABLE ONLY landlord.ticket_comments
    ADD CONSTRAINT ticket_comments_pkey PRIMARY KEY (customer_id, id);

ALTER TABLE ONLY landlord.tier_features
    ADD CONSTRAINT tier_features_pkey PRIMARY KEY (rate_card_id, tier);

ALTER TABLE ONLY landlord.tier_features
    ADD CONSTRAINT tier_features_rate_card_id_position_key UNIQUE (rate_card_id, "position");

ALTER TABLE ONLY landlord.tier_history
    ADD CONSTRAINT tier_history_pkey PRIMARY KEY (customer_id, starts_on);

ALTER TABLE ONLY landlord.usage_metrics
    ADD CONSTRAINT usage_metrics_pkey PRIMARY KEY (customer_id, month, revision);

ALTER TABLE ONLY landlord.usage_readings
    ADD CONSTRAINT usage_readings_pkey PRIMARY KEY (customer_id, month, revision);

ALTER TABLE ONLY landlord.usage_sync_items
    ADD CONSTRAINT usage_sync_items_pkey PRIMARY KEY (customer_id, sync_id);

ALTER TABLE ONLY landlord.usage_syncs
    ADD CONSTRAINT usage_syncs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY landlord.volume_discounts
    ADD CONSTRAINT volume_discounts_pkey PRIMARY KEY (rate_card_id, over);

ALTER TABLE ONLY landlord.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (customer_id, id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

CREATE INDEX api_keys_expire ON landlord.api_keys USING btree (expires_at) WHERE (expires_at IS NOT NULL);

CREATE INDEX api_keys_of_customer ON landlord.api_keys USING btree (customer_id, id DESC);

CREATE INDEX api_keys_revoked ON landlord.api_keys USING btree (revoked_at) WHERE (revoked_at IS NOT NULL);

CREATE UNIQUE INDEX api_keys_rotated_once ON landlord.api_keys USING btree (customer_id, rotated_from) NULLS NOT DISTINCT WHERE (rotated_from IS NOT NULL);

CREATE INDEX audit_events_newest ON ONLY landlord.audit_events USING btree (customer_id, id DESC);

CREATE INDEX audit_events_default_customer_id_id_idx ON landlord.audit_events_default USING btree (customer_id, id DESC);

CREATE INDEX billing_run_items_claimed ON landlord.billing_run_items USING btree (claimed_in) WHERE (claimed_in IS NOT NULL);

CREATE INDEX billing_run_items_failed ON landlord.billing_run_items USING btree (run_id, customer_id) WHERE (outcome = 'failed'::text);

CREATE INDEX billing_run_items_pending ON landlord.billing_run_items USING btree (run_id, customer_id) WHERE (outcome = 'pending'::text);

CREATE INDEX billing_runs_newest ON landlord.billing_runs USING btree (id DESC);

CREATE INDEX billing_runs_open ON landlord.billing_runs USING btree (id) WHERE (finished_at IS NULL);

CREATE INDEX credit_notes_of_invoice ON landlord.credit_notes USING btree (customer_id, invoice_id);

CREATE INDEX credit_uses_of_invoice ON landlord.credit_uses USING btree (customer_id, invoice_id);

CREATE INDEX customers_epoch_raised ON landlord.customers USING btree (epoch_raised_at) WHERE (epoch_raised_at IS NOT NULL);

CREATE INDEX customers_newest ON landlord.customers USING btree (id DESC);

CREATE INDEX ended_sessions_expired ON landlord.ended_sessions USING btree (expires_at);

CREATE INDEX ended_sessions_lately ON landlord.ended_sessions USING btree (ended_at);

CREATE INDEX idempotency_keys_age ON landlord.idempotency_keys USING btree (created_at);

CREATE INDEX invoice_lines_adjustments ON landlord.invoice_lines USING btree (customer_id, adjusted_month) WHERE (kind = 'adjustment'::text);

CREATE INDEX invoices_newest ON landlord.invoices USING btree (customer_id, id DESC);

CREATE INDEX invoices_newest_of_all ON landlord.invoices USING btree (id DESC);

CREATE INDEX invoices_of_month ON landlord.invoices USING btree (month, id DESC);

CREATE UNIQUE INDEX invoices_one_per_month ON landlord.invoices USING btree (customer_id, month) WHERE (status <> 'cancelled'::text);

CREATE INDEX invoices_open_by_due_date ON landlord.invoices USING btree (due_on) WHERE (status = 'issued'::text);

CREATE INDEX notifications_newest ON landlord.notifications USING btree (customer_id, id DESC);

CREATE INDEX outbox_claimed ON landlord.outbox USING btree (claimed_in) WHERE (claimed_in IS NOT NULL);

CREATE INDEX outbox_done ON landlord.outbox USING btree (COALESCE(sent_at, due_at)) WHERE ((sent_at IS NOT NULL) OR (failed_reason IS NOT NULL));

CREATE INDEX outbox_due ON landlord.outbox USING btree (due_at) WHERE ((sent_at IS NULL) AND (failed_reason IS NULL));

CREATE INDEX outbox_of_endpoint ON landlord.outbox USING btree (customer_id, endpoint_id) WHERE ((endpoint_id IS NOT NULL) AND (sent_at IS NULL) AND (failed_reason IS NULL));

CREATE INDEX payments_of_invoice ON landlord.payments USING btree (customer_id, invoice_id);

CREATE INDEX support_tickets_newest ON landlord.support_tickets USING btree (customer_id, id DESC);

CREATE INDEX support_tickets_newest_of_all ON landlord.support_tickets USING btree (id DESC);

CREATE INDEX ticket_comments_newest ON landlord.ticket_comments USING btree (customer_id, ticket_id, id DESC);

CREATE INDEX usage_metrics_month ON landlord.usage_metrics USING btree (month, customer_id, revision DESC);

CREATE INDEX usage_sync_items_claimed ON landlord.usage_sync_items USING btree (claimed_in) WHERE (claimed_in IS NOT NULL);

CREATE INDEX usage_sync_items_failed ON landlord.usage_sync_items USING btree (sync_id, customer_id) WHERE (outcome = 'failed'::text);

CREATE INDEX usage_sync_items_missing ON landlord.usage_sync_items USING btree (sync_id, customer_id) WHERE (outcome = 'missing'::text);

CREATE INDEX usage_sync_items_pending ON landlord.usage_sync_items USING btree (sync_id, customer_id) WHERE (outcome = 'pending'::text);

CREATE INDEX usage_syncs_open ON landlord.usage_syncs USING btree (id) WHERE (finished_at IS NULL);

CREATE INDEX webhook_endpoints_there ON landlord.webhook_endpoints USING btree (customer_id, id DESC) WHERE (deleted_at IS NULL);

ALTER INDEX landlord.audit_events_newest ATTACH PARTITION landlord.audit_events_default_customer_id_id_idx;

ALTER INDEX landlord.audit_events_pkey ATTACH PARTITION landlord.audit_events_default_pkey;

CREATE TRIGGER api_keys_end_once BEFORE UPDATE ON landlord.api_keys FOR EACH ROW EXECUTE FUNCTION landlord.api_key_ends_once();

CREATE TRIGGER audit_events_default_never_emptied BEFORE TRUNCATE ON landlord.audit_events_default FOR EACH STATEMENT EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.audit_events_default ENABLE ALWAYS TRIGGER audit_events_default_never_emptied;

CREATE TRIGGER audit_events_never_change BEFORE DELETE OR UPDATE ON landlord.audit_events FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.audit_events ENABLE ALWAYS TRIGGER audit_events_never_change;

CREATE TRIGGER audit_events_never_emptied BEFORE TRUNCATE ON landlord.audit_events FOR EACH STATEMENT EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.audit_events ENABLE ALWAYS TRIGGER audit_events_never_emptied;

CREATE TRIGGER audit_events_stamped BEFORE INSERT ON landlord.audit_events FOR EACH ROW EXECUTE FUNCTION landlord.audit_event_is_stamped();

ALTER TABLE landlord.audit_events ENABLE ALWAYS TRIGGER audit_events_stamped;

CREATE TRIGGER audit_seals_never_change BEFORE DELETE OR UPDATE ON landlord.audit_seals FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.audit_seals ENABLE ALWAYS TRIGGER audit_seals_never_change;

CREATE TRIGGER company_details_never_change BEFORE DELETE OR UPDATE ON landlord.company_details FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.company_details ENABLE ALWAYS TRIGGER company_details_never_change;

CREATE TRIGGER credit_notes_counted AFTER INSERT ON landlord.credit_notes REFERENCING NEW TABLE AS now_so FOR EACH STATEMENT EXECUTE FUNCTION landlord.given_numbers_are_counted();

ALTER TABLE landlord.credit_notes ENABLE ALWAYS TRIGGER credit_notes_counted;

CREATE TRIGGER credit_notes_never_change BEFORE DELETE OR UPDATE ON landlord.credit_notes FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.credit_notes ENABLE ALWAYS TRIGGER credit_notes_never_change;

CREATE CONSTRAINT TRIGGER credit_notes_sums AFTER INSERT ON landlord.credit_notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION landlord.invoice_sums();

CREATE TRIGGER credit_uses_never_change BEFORE DELETE OR UPDATE ON landlord.credit_uses FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.credit_uses ENABLE ALWAYS TRIGGER credit_uses_never_change;

CREATE CONSTRAINT TRIGGER credit_uses_once AFTER INSERT ON landlord.credit_uses DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION landlord.credit_is_used_once();

ALTER TABLE landlord.credit_uses ENABLE ALWAYS TRIGGER credit_uses_once;

CREATE CONSTRAINT TRIGGER credit_uses_sums AFTER INSERT ON landlord.credit_uses DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION landlord.invoice_sums();

CREATE TRIGGER customers_epoch BEFORE UPDATE ON landlord.customers FOR EACH ROW EXECUTE FUNCTION landlord.customer_keeps_itself();

CREATE TRIGGER invoice_counters_by_one BEFORE UPDATE ON landlord.invoice_counters FOR EACH ROW EXECUTE FUNCTION landlord.counts_by_one();

CREATE TRIGGER invoice_counters_from_one BEFORE INSERT ON landlord.invoice_counters FOR EACH ROW EXECUTE FUNCTION landlord.counts_by_one();

CREATE TRIGGER invoice_counters_given AFTER UPDATE ON landlord.invoice_counters REFERENCING OLD TABLE AS before NEW TABLE AS now_so FOR EACH STATEMENT EXECUTE FUNCTION landlord.counted_numbers_are_given();

ALTER TABLE landlord.invoice_counters ENABLE ALWAYS TRIGGER invoice_counters_given;

CREATE TRIGGER invoice_counters_stay BEFORE DELETE ON landlord.invoice_counters FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

CREATE TRIGGER invoice_lines_added AFTER INSERT ON landlord.invoice_lines REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION landlord.lines_are_of_drafts();

ALTER TABLE landlord.invoice_lines ENABLE ALWAYS TRIGGER invoice_lines_added;

CREATE TRIGGER invoice_lines_never_change BEFORE UPDATE ON landlord.invoice_lines FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.invoice_lines ENABLE ALWAYS TRIGGER invoice_lines_never_change;

CREATE TRIGGER invoice_lines_removed AFTER DELETE ON landlord.invoice_lines REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION landlord.lines_are_of_drafts();

ALTER TABLE landlord.invoice_lines ENABLE ALWAYS TRIGGER invoice_lines_removed;

CREATE TRIGGER invoices_counted AFTER UPDATE ON landlord.invoices REFERENCING OLD TABLE AS before NEW TABLE AS now_so FOR EACH STATEMENT EXECUTE FUNCTION landlord.given_numbers_are_counted();

ALTER TABLE landlord.invoices ENABLE ALWAYS TRIGGER invoices_counted;

CREATE TRIGGER invoices_keep_billed_to BEFORE UPDATE ON landlord.invoices FOR EACH ROW WHEN (((old.number IS NOT NULL) AND (new.billed_to IS DISTINCT FROM old.billed_to))) EXECUTE FUNCTION landlord.billed_to_is_frozen();

ALTER TABLE landlord.invoices ENABLE ALWAYS TRIGGER invoices_keep_billed_to;

CREATE TRIGGER invoices_moves BEFORE INSERT OR DELETE OR UPDATE ON landlord.invoices FOR EACH ROW EXECUTE FUNCTION landlord.invoice_moves();

ALTER TABLE landlord.invoices ENABLE ALWAYS TRIGGER invoices_moves;

CREATE TRIGGER invoices_summed AFTER UPDATE ON landlord.invoices REFERENCING OLD TABLE AS before NEW TABLE AS now_so FOR EACH STATEMENT EXECUTE FUNCTION landlord.lines_sum_to_total();

ALTER TABLE landlord.invoices ENABLE ALWAYS TRIGGER invoices_summed;

CREATE CONSTRAINT TRIGGER invoices_sums AFTER UPDATE ON landlord.invoices DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((((old.amount_paid IS DISTINCT FROM new.amount_paid) OR (old.amount_credited IS DISTINCT FROM new.amount_credited)) OR (old.credit_applied IS DISTINCT FROM new.credit_applied))) EXECUTE FUNCTION landlord.invoice_sums();

CREATE TRIGGER payments_never_change BEFORE DELETE OR UPDATE ON landlord.payments FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.payments ENABLE ALWAYS TRIGGER payments_never_change;

CREATE CONSTRAINT TRIGGER payments_sums AFTER INSERT ON landlord.payments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION landlord.invoice_sums();

CREATE TRIGGER rate_card_prices_never_change BEFORE DELETE OR UPDATE ON landlord.rate_card_prices FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.rate_card_prices ENABLE ALWAYS TRIGGER rate_card_prices_never_change;

CREATE TRIGGER rate_cards_never_change BEFORE DELETE OR UPDATE ON landlord.rate_cards FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.rate_cards ENABLE ALWAYS TRIGGER rate_cards_never_change;

CREATE TRIGGER support_tickets_stay_closed BEFORE UPDATE ON landlord.support_tickets FOR EACH ROW EXECUTE FUNCTION landlord.ticket_stays_closed();

CREATE TRIGGER tax_rates_never_change BEFORE DELETE OR UPDATE ON landlord.tax_rates FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.tax_rates ENABLE ALWAYS TRIGGER tax_rates_never_change;

CREATE TRIGGER ticket_comments_never_change BEFORE DELETE OR UPDATE ON landlord.ticket_comments FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

CREATE TRIGGER tier_features_never_change BEFORE DELETE OR UPDATE ON landlord.tier_features FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.tier_features ENABLE ALWAYS TRIGGER tier_features_never_change;

CREATE TRIGGER usage_metrics_never_change BEFORE DELETE OR UPDATE ON landlord.usage_metrics FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.usage_metrics ENABLE ALWAYS TRIGGER usage_metrics_never_change;

CREATE TRIGGER usage_readings_never_change BEFORE DELETE OR UPDATE ON landlord.usage_readings FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.usage_readings ENABLE ALWAYS TRIGGER usage_readings_never_change;

CREATE TRIGGER volume_discounts_never_change BEFORE DELETE OR UPDATE ON landlord.volume_discounts FOR EACH ROW EXECUTE FUNCTION landlord.never_changes();

ALTER TABLE landlord.volume_discounts ENABLE ALWAYS TRIGGER volume_discounts_never_change;

CREATE TRIGGER webhook_endpoints_stay_deleted BEFORE UPDATE ON landlord.webhook_endpoints FOR EACH ROW WHEN (((old.deleted_at IS NOT NULL) AND (new.deleted_at IS DISTINCT FROM old.deleted_at))) EXECUTE FUNCTION landlord.endpoint_stays_deleted();

ALTER TABLE landlord.webhook_endpoints ENABLE ALWAYS TRIGGER webhook_endpoints_stay_deleted;

ALTER TABLE ONLY landlord.api_keys
    ADD CONSTRAINT api_keys_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.api_keys
    ADD CONSTRAINT api_keys_rotated_from_fkey FOREIGN KEY (rotated_from) REFERENCES landlord.api_keys(id);

ALTER TABLE ONLY landlord.billing_run_items
    ADD CONSTRAINT billing_run_items_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.billing_run_items
    ADD CONSTRAINT billing_run_items_run_id_fkey FOREIGN KEY (run_id) REFERENCES landlord.billing_runs(id);

ALTER TABLE ONLY landlord.credit_notes
    ADD CONSTRAINT credit_notes_customer_id_invoice_id_fkey FOREIGN KEY (customer_id, invoice_id) REFERENCES landlord.invoices(customer_id, id);

ALTER TABLE ONLY landlord.credit_uses
    ADD CONSTRAINT credit_uses_customer_id_credit_note_id_fkey FOREIGN KEY (customer_id, credit_note_id) REFERENCES landlord.credit_notes(customer_id, id);

ALTER TABLE ONLY landlord.credit_uses
    ADD CONSTRAINT credit_uses_customer_id_invoice_id_fkey FOREIGN KEY (customer_id, invoice_id) REFERENCES landlord.invoices(customer_id, id);

ALTER TABLE ONLY landlord.ended_sessions
    ADD CONSTRAINT ended_sessions_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.idempotency_keys
    ADD CONSTRAINT idempotency_keys_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES landlord.api_keys(id);

ALTER TABLE ONLY landlord.idempotency_keys
    ADD CONSTRAINT idempotency_keys_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.invoice_counters
    ADD CONSTRAINT invoice_counters_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.invoice_lines
    ADD CONSTRAINT invoice_lines_adjusted_invoice FOREIGN KEY (customer_id, adjusted_invoice_id) REFERENCES landlord.invoices(customer_id, id);

ALTER TABLE ONLY landlord.invoice_lines
    ADD CONSTRAINT invoice_lines_customer_id_invoice_id_fkey FOREIGN KEY (customer_id, invoice_id) REFERENCES landlord.invoices(customer_id, id);

ALTER TABLE ONLY landlord.invoices
    ADD CONSTRAINT invoices_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.invoices
    ADD CONSTRAINT invoices_rate_card_id_fkey FOREIGN KEY (rate_card_id) REFERENCES landlord.rate_cards(id);

ALTER TABLE ONLY landlord.notifications
    ADD CONSTRAINT notifications_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.outbox
    ADD CONSTRAINT outbox_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.outbox
    ADD CONSTRAINT outbox_endpoint FOREIGN KEY (customer_id, endpoint_id) REFERENCES landlord.webhook_endpoints(customer_id, id);

ALTER TABLE ONLY landlord.outbox
    ADD CONSTRAINT outbox_notification FOREIGN KEY (customer_id, notification_id) REFERENCES landlord.notifications(customer_id, id);

ALTER TABLE ONLY landlord.payments
    ADD CONSTRAINT payments_customer_id_invoice_id_fkey FOREIGN KEY (customer_id, invoice_id) REFERENCES landlord.invoices(customer_id, id);

ALTER TABLE ONLY landlord.rate_card_prices
    ADD CONSTRAINT rate_card_prices_rate_card_id_tier_fkey FOREIGN KEY (rate_card_id, tier) REFERENCES landlord.tier_features(rate_card_id, tier);

ALTER TABLE ONLY landlord.support_tickets
    ADD CONSTRAINT support_tickets_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.ticket_comments
    ADD CONSTRAINT ticket_comments_customer_id_ticket_id_fkey FOREIGN KEY (customer_id, ticket_id) REFERENCES landlord.support_tickets(customer_id, id);

ALTER TABLE ONLY landlord.tier_features
    ADD CONSTRAINT tier_features_rate_card_id_fkey FOREIGN KEY (rate_card_id) REFERENCES landlord.rate_cards(id);

ALTER TABLE ONLY landlord.tier_history
    ADD CONSTRAINT tier_history_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.usage_metrics
    ADD CONSTRAINT usage_metrics_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.usage_readings
    ADD CONSTRAINT usage_readings_customer_id_month_revision_fkey FOREIGN KEY (customer_id, month, revision) REFERENCES landlord.usage_metrics(customer_id, month, revision);

ALTER TABLE ONLY landlord.usage_readings
    ADD CONSTRAINT usage_readings_sync_id_fkey FOREIGN KEY (sync_id) REFERENCES landlord.usage_syncs(id);

ALTER TABLE ONLY landlord.usage_sync_items
    ADD CONSTRAINT usage_sync_items_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE ONLY landlord.usage_sync_items
    ADD CONSTRAINT usage_sync_items_sync_id_fkey FOREIGN KEY (sync_id) REFERENCES landlord.usage_syncs(id);

ALTER TABLE ONLY landlord.volume_discounts
    ADD CONSTRAINT volume_discounts_rate_card_id_fkey FOREIGN KEY (rate_card_id) REFERENCES landlord.rate_cards(id);

ALTER TABLE ONLY landlord.webhook_endpoints
    ADD CONSTRAINT webhook_endpoints_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES landlord.customers(id);

ALTER TABLE landlord.api_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY api_keys_of_guard ON landlord.api_keys TO landlord_guard USING (true);

CREATE POLICY api_keys_of_operator ON landlord.api_keys TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY api_keys_of_tenant ON landlord.api_keys TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY api_keys_of_worker ON landlord.api_keys FOR SELECT TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.audit_events ENABLE ROW LEVEL SECURITY;

ALTER TABLE landlord.audit_events_default ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_events_of_auditor ON landlord.audit_events FOR SELECT TO landlord_auditor USING (true);

CREATE POLICY audit_events_of_guard ON landlord.audit_events TO landlord_guard USING (true);

CREATE POLICY audit_events_of_operator ON landlord.audit_events TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY audit_events_of_tenant ON landlord.audit_events TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY audit_events_of_worker ON landlord.audit_events TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.audit_seals ENABLE ROW LEVEL SECURITY;

CREATE POLICY audit_seals_of_auditor ON landlord.audit_seals TO landlord_auditor USING (true);

ALTER TABLE landlord.billing_run_items ENABLE ROW LEVEL SECURITY;

CREATE POLICY billing_run_items_of_guard ON landlord.billing_run_items FOR SELECT TO landlord_guard USING (true);

CREATE POLICY billing_run_items_of_operator ON landlord.billing_run_items TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY billing_run_items_of_worker ON landlord.billing_run_items TO landlord_worker USING (true);

ALTER TABLE landlord.billing_runs ENABLE ROW LEVEL SECURITY;

CREATE POLICY billing_runs_of_operator ON landlord.billing_runs TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY billing_runs_of_worker ON landlord.billing_runs TO landlord_worker USING (true);

ALTER TABLE landlord.company_details ENABLE ROW LEVEL SECURITY;

CREATE POLICY company_details_of_operator ON landlord.company_details TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY company_details_of_tenant ON landlord.company_details FOR SELECT TO landlord_tenant USING (true);

CREATE POLICY company_details_of_worker ON landlord.company_details FOR SELECT TO landlord_worker USING (true);

ALTER TABLE landlord.credit_notes ENABLE ROW LEVEL SECURITY;

CREATE POLICY credit_notes_of_operator ON landlord.credit_notes TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY credit_notes_of_tenant ON landlord.credit_notes TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY credit_notes_of_worker ON landlord.credit_notes TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.credit_uses ENABLE ROW LEVEL SECURITY;

CREATE POLICY credit_uses_of_operator ON landlord.credit_uses TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY credit_uses_of_tenant ON landlord.credit_uses TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY credit_uses_of_worker ON landlord.credit_uses TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.customers ENABLE ROW LEVEL SECURITY;

CREATE POLICY customers_of_analytics ON landlord.customers FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY customers_of_guard ON landlord.customers TO landlord_guard USING (true);

CREATE POLICY customers_of_operator ON landlord.customers TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY customers_of_tenant ON landlord.customers TO landlord_tenant USING ((id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY customers_of_worker ON landlord.customers TO landlord_worker USING ((id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.ended_sessions ENABLE ROW LEVEL SECURITY;

CREATE POLICY ended_sessions_of_guard ON landlord.ended_sessions TO landlord_guard USING (true);

CREATE POLICY ended_sessions_of_operator ON landlord.ended_sessions TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY ended_sessions_of_tenant ON landlord.ended_sessions TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

ALTER TABLE landlord.idempotency_keys ENABLE ROW LEVEL SECURITY;

CREATE POLICY idempotency_keys_of_guard ON landlord.idempotency_keys TO landlord_guard USING (true);

CREATE POLICY idempotency_keys_of_operator ON landlord.idempotency_keys TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY idempotency_keys_of_tenant ON landlord.idempotency_keys TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

ALTER TABLE landlord.invoice_counters ENABLE ROW LEVEL SECURITY;

CREATE POLICY invoice_counters_of_operator ON landlord.invoice_counters TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY invoice_counters_of_worker ON landlord.invoice_counters TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.invoice_lines ENABLE ROW LEVEL SECURITY;

CREATE POLICY invoice_lines_of_operator ON landlord.invoice_lines TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY invoice_lines_of_tenant ON landlord.invoice_lines TO landlord_tenant USING (((customer_id = ( SELECT app.tenant() AS tenant)) AND (invoice_id IN ( SELECT invoices.id
   FROM landlord.invoices))));

CREATE POLICY invoice_lines_of_worker ON landlord.invoice_lines TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.invoices ENABLE ROW LEVEL SECURITY;

CREATE POLICY invoices_of_analytics ON landlord.invoices FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY invoices_of_guard ON landlord.invoices FOR SELECT TO landlord_guard USING (true);

CREATE POLICY invoices_of_operator ON landlord.invoices TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY invoices_of_tenant ON landlord.invoices TO landlord_tenant USING (((customer_id = ( SELECT app.tenant() AS tenant)) AND (number IS NOT NULL)));

CREATE POLICY invoices_of_worker ON landlord.invoices TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.notifications ENABLE ROW LEVEL SECURITY;

CREATE POLICY notifications_of_operator ON landlord.notifications TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY notifications_of_tenant ON landlord.notifications TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY notifications_of_worker ON landlord.notifications TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.outbox ENABLE ROW LEVEL SECURITY;

CREATE POLICY outbox_of_guard ON landlord.outbox TO landlord_guard USING (true);

CREATE POLICY outbox_of_operator ON landlord.outbox TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY outbox_of_tenant ON landlord.outbox FOR INSERT TO landlord_tenant WITH CHECK ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY outbox_of_worker ON landlord.outbox TO landlord_worker USING (true);

ALTER TABLE landlord.payments ENABLE ROW LEVEL SECURITY;

CREATE POLICY payments_of_operator ON landlord.payments TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY payments_of_tenant ON landlord.payments TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY payments_of_worker ON landlord.payments TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.rate_card_prices ENABLE ROW LEVEL SECURITY;

CREATE POLICY rate_card_prices_of_analytics ON landlord.rate_card_prices FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY rate_card_prices_of_operator ON landlord.rate_card_prices TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY rate_card_prices_of_tenant ON landlord.rate_card_prices FOR SELECT TO landlord_tenant USING (true);

CREATE POLICY rate_card_prices_of_worker ON landlord.rate_card_prices FOR SELECT TO landlord_worker USING (true);

ALTER TABLE landlord.rate_cards ENABLE ROW LEVEL SECURITY;

CREATE POLICY rate_cards_of_analytics ON landlord.rate_cards FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY rate_cards_of_operator ON landlord.rate_cards TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY rate_cards_of_tenant ON landlord.rate_cards FOR SELECT TO landlord_tenant USING (true);

CREATE POLICY rate_cards_of_worker ON landlord.rate_cards FOR SELECT TO landlord_worker USING (true);

ALTER TABLE landlord.support_tickets ENABLE ROW LEVEL SECURITY;

CREATE POLICY support_tickets_of_operator ON landlord.support_tickets TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY support_tickets_of_tenant ON landlord.support_tickets TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

ALTER TABLE landlord.tax_rates ENABLE ROW LEVEL SECURITY;

CREATE POLICY tax_rates_of_analytics ON landlord.tax_rates FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY tax_rates_of_operator ON landlord.tax_rates TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY tax_rates_of_tenant ON landlord.tax_rates FOR SELECT TO landlord_tenant USING (true);

CREATE POLICY tax_rates_of_worker ON landlord.tax_rates FOR SELECT TO landlord_worker USING (true);

ALTER TABLE landlord.ticket_comments ENABLE ROW LEVEL SECURITY;

CREATE POLICY ticket_comments_of_operator ON landlord.ticket_comments TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY ticket_comments_of_tenant ON landlord.ticket_comments TO landlord_tenant USING (((customer_id = ( SELECT app.tenant() AS tenant)) AND (NOT internal))) WITH CHECK (((customer_id = ( SELECT app.tenant() AS tenant)) AND (author_kind = 'tenant'::text)));

ALTER TABLE landlord.tier_features ENABLE ROW LEVEL SECURITY;

CREATE POLICY tier_features_of_analytics ON landlord.tier_features FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY tier_features_of_operator ON landlord.tier_features TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY tier_features_of_tenant ON landlord.tier_features FOR SELECT TO landlord_tenant USING (true);

CREATE POLICY tier_features_of_worker ON landlord.tier_features FOR SELECT TO landlord_worker USING (true);

ALTER TABLE landlord.tier_history ENABLE ROW LEVEL SECURITY;

CREATE POLICY tier_history_of_analytics ON landlord.tier_history FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY tier_history_of_guard ON landlord.tier_history FOR SELECT TO landlord_guard USING (true);

CREATE POLICY tier_history_of_operator ON landlord.tier_history TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY tier_history_of_tenant ON landlord.tier_history TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY tier_history_of_worker ON landlord.tier_history TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.usage_metrics ENABLE ROW LEVEL SECURITY;

CREATE POLICY usage_metrics_of_analytics ON landlord.usage_metrics FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY usage_metrics_of_operator ON landlord.usage_metrics TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY usage_metrics_of_tenant ON landlord.usage_metrics TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY usage_metrics_of_worker ON landlord.usage_metrics TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.usage_readings ENABLE ROW LEVEL SECURITY;

CREATE POLICY usage_readings_of_operator ON landlord.usage_readings TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY usage_readings_of_worker ON landlord.usage_readings TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

ALTER TABLE landlord.usage_sync_items ENABLE ROW LEVEL SECURITY;

CREATE POLICY usage_sync_items_of_guard ON landlord.usage_sync_items FOR SELECT TO landlord_guard USING (true);

CREATE POLICY usage_sync_items_of_operator ON landlord.usage_sync_items TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY usage_sync_items_of_worker ON landlord.usage_sync_items TO landlord_worker USING (true);

ALTER TABLE landlord.usage_syncs ENABLE ROW LEVEL SECURITY;

CREATE POLICY usage_syncs_of_operator ON landlord.usage_syncs TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY usage_syncs_of_worker ON landlord.usage_syncs TO landlord_worker USING (true);

ALTER TABLE landlord.volume_discounts ENABLE ROW LEVEL SECURITY;

CREATE POLICY volume_discounts_of_analytics ON landlord.volume_discounts FOR SELECT TO landlord_analytics USING (true);

CREATE POLICY volume_discounts_of_operator ON landlord.volume_discounts TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY volume_discounts_of_tenant ON landlord.volume_discounts FOR SELECT TO landlord_tenant USING (true);

CREATE POLICY volume_discounts_of_worker ON landlord.volume_discounts FOR SELECT TO landlord_worker USING (true);

ALTER TABLE landlord.webhook_endpoints ENABLE ROW LEVEL SECURITY;

CREATE POLICY webhook_endpoints_of_operator ON landlord.webhook_endpoints TO landlord_operator USING (( SELECT app.operator() AS operator));

CREATE POLICY webhook_endpoints_of_tenant ON landlord.webhook_endpoints TO landlord_tenant USING ((customer_id = ( SELECT app.tenant() AS tenant)));

CREATE POLICY webhook_endpoints_of_worker ON landlord.webhook_endpoints TO landlord_worker USING ((customer_id IN ( SELECT app.claimed() AS claimed)));

GRANT USAGE ON SCHEMA app TO landlord_migrator;
GRANT USAGE ON SCHEMA app TO landlord_owner;
GRANT USAGE ON SCHEMA app TO landlord_tenant;
GRANT USAGE ON SCHEMA app TO landlord_operator;
GRANT USAGE ON SCHEMA app TO landlord_worker;
GRANT USAGE ON SCHEMA app TO landlord_auditor;
GRANT USAGE ON SCHEMA app TO landlord_analytics;

GRANT USAGE ON SCHEMA landlord TO landlord_guard;
GRANT USAGE ON SCHEMA landlord TO landlord_tenant;
GRANT USAGE ON SCHEMA landlord TO landlord_operator;
GRANT USAGE ON SCHEMA landlord TO landlord_worker;
GRANT USAGE ON SCHEMA landlord TO landlord_auditor;
GRANT USAGE ON SCHEMA landlord TO landlord_analytics;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO landlord_worker;
GRANT USAGE ON SCHEMA public TO landlord_operator;

REVOKE ALL ON FUNCTION app.claimed() FROM PUBLIC;
GRANT ALL ON FUNCTION app.claimed() TO landlord_owner;
GRANT ALL ON FUNCTION app.claimed() TO landlord_worker;

REVOKE ALL ON FUNCTION app.clean() FROM PUBLIC;
GRANT ALL ON FUNCTION app.clean() TO landlord_owner;
GRANT ALL ON FUNCTION app.clean() TO landlord_tenant;
GRANT ALL ON FUNCTION app.clean() TO landlord_operator;
GRANT ALL ON FUNCTION app.clean() TO landlord_worker;
GRANT ALL ON FUNCTION app.clean() TO landlord_auditor;
GRANT ALL ON FUNCTION app.clean() TO landlord_analytics;

REVOKE ALL ON FUNCTION app.clean_relaxed() FROM PUBLIC;
GRANT ALL ON FUNCTION app.clean_relaxed() TO landlord_tenant;
GRANT ALL ON FUNCTION app.clean_relaxed() TO landlord_operator;

REVOKE ALL ON FUNCTION app.clear_ended_sessions(before timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.clear_ended_sessions(before timestamp with time zone, most integer) TO landlord_worker;

REVOKE ALL ON FUNCTION app.clear_idempotency_keys(before timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.clear_idempotency_keys(before timestamp with time zone, most integer) TO landlord_worker;

REVOKE ALL ON FUNCTION app.clear_outbox(before timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.clear_outbox(before timestamp with time zone, most integer) TO landlord_worker;

REVOKE ALL ON FUNCTION app.context() FROM PUBLIC;

REVOKE ALL ON FUNCTION app.ended_since(since timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.ended_since(since timestamp with time zone) TO landlord_worker;

REVOKE ALL ON FUNCTION app.find_api_key(token text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.find_api_key(token text) TO landlord_tenant;

REVOKE ALL ON FUNCTION app.first_id(since timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION app.first_id(since timestamp with time zone) TO landlord_owner;
GRANT ALL ON FUNCTION app.first_id(since timestamp with time zone) TO landlord_tenant;
GRANT ALL ON FUNCTION app.first_id(since timestamp with time zone) TO landlord_operator;
GRANT ALL ON FUNCTION app.first_id(since timestamp with time zone) TO landlord_worker;
GRANT ALL ON FUNCTION app.first_id(since timestamp with time zone) TO landlord_auditor;
GRANT ALL ON FUNCTION app.first_id(since timestamp with time zone) TO landlord_analytics;

REVOKE ALL ON FUNCTION app.halves(value text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.halves(value text) TO landlord_owner;
GRANT ALL ON FUNCTION app.halves(value text) TO landlord_tenant;
GRANT ALL ON FUNCTION app.halves(value text) TO landlord_operator;
GRANT ALL ON FUNCTION app.halves(value text) TO landlord_worker;
GRANT ALL ON FUNCTION app.halves(value text) TO landlord_auditor;

REVOKE ALL ON FUNCTION app.house_keys_that_end(at timestamp with time zone, days integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.house_keys_that_end(at timestamp with time zone, days integer) TO landlord_worker;

REVOKE ALL ON FUNCTION app.install_key(kid text, key bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.install_key(kid text, key bytea) TO landlord_migrator;

REVOKE ALL ON FUNCTION app.install_operator_key(name text, prefix text, key_hash text, scopes text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION app.install_operator_key(name text, prefix text, key_hash text, scopes text[]) TO landlord_migrator;

REVOKE ALL ON FUNCTION app.leaf(id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION app.leaf(id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb) TO landlord_owner;
GRANT ALL ON FUNCTION app.leaf(id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb) TO landlord_tenant;
GRANT ALL ON FUNCTION app.leaf(id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb) TO landlord_operator;
GRANT ALL ON FUNCTION app.leaf(id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb) TO landlord_worker;
GRANT ALL ON FUNCTION app.leaf(id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text, actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb) TO landlord_auditor;

REVOKE ALL ON FUNCTION app.made_at(id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION app.made_at(id uuid) TO landlord_owner;
GRANT ALL ON FUNCTION app.made_at(id uuid) TO landlord_tenant;
GRANT ALL ON FUNCTION app.made_at(id uuid) TO landlord_operator;
GRANT ALL ON FUNCTION app.made_at(id uuid) TO landlord_worker;
GRANT ALL ON FUNCTION app.made_at(id uuid) TO landlord_auditor;
GRANT ALL ON FUNCTION app.made_at(id uuid) TO landlord_analytics;

REVOKE ALL ON FUNCTION app.new_id() FROM PUBLIC;
GRANT ALL ON FUNCTION app.new_id() TO landlord_owner;
GRANT ALL ON FUNCTION app.new_id() TO landlord_tenant;
GRANT ALL ON FUNCTION app.new_id() TO landlord_operator;
GRANT ALL ON FUNCTION app.new_id() TO landlord_worker;
GRANT ALL ON FUNCTION app.new_id() TO landlord_auditor;
GRANT ALL ON FUNCTION app.new_id() TO landlord_analytics;

REVOKE ALL ON FUNCTION app.new_invoice_prefix() FROM PUBLIC;
GRANT ALL ON FUNCTION app.new_invoice_prefix() TO landlord_operator;
GRANT ALL ON FUNCTION app.new_invoice_prefix() TO landlord_owner;

REVOKE ALL ON FUNCTION app.open(token text, facts text, event text, read_only boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION app.open(token text, facts text, event text, read_only boolean) TO landlord_tenant;
GRANT ALL ON FUNCTION app.open(token text, facts text, event text, read_only boolean) TO landlord_operator;

REVOKE ALL ON FUNCTION app.operator() FROM PUBLIC;
GRANT ALL ON FUNCTION app.operator() TO landlord_operator;
GRANT ALL ON FUNCTION app.operator() TO landlord_owner;

REVOKE ALL ON FUNCTION app.pad(key bytea, fill integer) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.queue_key_notices(days integer, ends_from timestamp with time zone, ends_to timestamp with time zone, at timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.queue_key_notices(days integer, ends_from timestamp with time zone, ends_to timestamp with time zone, at timestamp with time zone, most integer) TO landlord_worker;

REVOKE ALL ON FUNCTION app.queue_reminders(day integer, due_from date, due_to date, at timestamp with time zone, most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION app.queue_reminders(day integer, due_from date, due_to date, at timestamp with time zone, most integer) TO landlord_worker;

REVOKE ALL ON FUNCTION app.record_refusal(token text, event text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.record_refusal(token text, event text) TO landlord_tenant;

REVOKE ALL ON FUNCTION app.renew(kid text, key bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION app.renew(kid text, key bytea) TO landlord_migrator;

REVOKE ALL ON FUNCTION app.retire_key(kid text) FROM PUBLIC;
GRANT ALL ON FUNCTION app.retire_key(kid text) TO landlord_migrator;

REVOKE ALL ON FUNCTION app.tenant() FROM PUBLIC;
GRANT ALL ON FUNCTION app.tenant() TO landlord_tenant;
GRANT ALL ON FUNCTION app.tenant() TO landlord_owner;

REVOKE ALL ON FUNCTION app.verified(token text, purposes text[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION app.write_event(event jsonb, customer uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.api_key_ends_once() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.audit_event_is_stamped() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.billed_to_is_frozen() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.counted_numbers_are_given() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.counts_by_one() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.credit_is_used_once() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.customer_keeps_itself() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.endpoint_stays_deleted() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.given_numbers_are_counted() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.invoice_moves() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.invoice_sums() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.lines_are_of_drafts() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.lines_sum_to_total() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.make_audit_partition(month date) FROM PUBLIC;
GRANT ALL ON FUNCTION landlord.make_audit_partition(month date) TO landlord_auditor;

REVOKE ALL ON FUNCTION landlord.never_changes() FROM PUBLIC;

REVOKE ALL ON FUNCTION landlord.number_of(prefix text, series text, count bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION landlord.number_of(prefix text, series text, count bigint) TO landlord_operator;
GRANT ALL ON FUNCTION landlord.number_of(prefix text, series text, count bigint) TO landlord_worker;

REVOKE ALL ON FUNCTION landlord.ticket_stays_closed() FROM PUBLIC;

GRANT SELECT ON TABLE landlord.api_keys TO landlord_guard;

GRANT SELECT(id),INSERT(id) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(id),INSERT(id) ON TABLE landlord.api_keys TO landlord_operator;
GRANT SELECT(id) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT(customer_id),INSERT(customer_id) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(customer_id),INSERT(customer_id) ON TABLE landlord.api_keys TO landlord_operator;
GRANT SELECT(customer_id) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT(name),INSERT(name) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(name),INSERT(name) ON TABLE landlord.api_keys TO landlord_operator;
GRANT INSERT(name) ON TABLE landlord.api_keys TO landlord_guard;
GRANT SELECT(name) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT(prefix),INSERT(prefix) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(prefix),INSERT(prefix) ON TABLE landlord.api_keys TO landlord_operator;
GRANT INSERT(prefix) ON TABLE landlord.api_keys TO landlord_guard;
GRANT SELECT(prefix) ON TABLE landlord.api_keys TO landlord_worker;

GRANT INSERT(key_hash) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT INSERT(key_hash) ON TABLE landlord.api_keys TO landlord_operator;
GRANT INSERT(key_hash) ON TABLE landlord.api_keys TO landlord_guard;

GRANT SELECT(scopes),INSERT(scopes) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(scopes),INSERT(scopes) ON TABLE landlord.api_keys TO landlord_operator;
GRANT INSERT(scopes) ON TABLE landlord.api_keys TO landlord_guard;
GRANT SELECT(scopes) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT(rotated_from),INSERT(rotated_from) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(rotated_from),INSERT(rotated_from) ON TABLE landlord.api_keys TO landlord_operator;
GRANT SELECT(rotated_from) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT(expires_at),INSERT(expires_at),UPDATE(expires_at) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(expires_at),INSERT(expires_at),UPDATE(expires_at) ON TABLE landlord.api_keys TO landlord_operator;
GRANT SELECT(expires_at) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT(revoked_at),UPDATE(revoked_at) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(revoked_at),UPDATE(revoked_at) ON TABLE landlord.api_keys TO landlord_operator;
GRANT SELECT(revoked_at) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT(last_used_at) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(last_used_at) ON TABLE landlord.api_keys TO landlord_operator;
GRANT UPDATE(last_used_at) ON TABLE landlord.api_keys TO landlord_guard;
GRANT SELECT(last_used_at) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT(created_at) ON TABLE landlord.api_keys TO landlord_tenant;
GRANT SELECT(created_at) ON TABLE landlord.api_keys TO landlord_operator;
GRANT SELECT(created_at) ON TABLE landlord.api_keys TO landlord_worker;

GRANT SELECT ON TABLE landlord.audit_events TO landlord_tenant;
GRANT SELECT ON TABLE landlord.audit_events TO landlord_operator;
GRANT SELECT ON TABLE landlord.audit_events TO landlord_worker;
GRANT SELECT ON TABLE landlord.audit_events TO landlord_guard;
GRANT SELECT ON TABLE landlord.audit_events TO landlord_auditor;

GRANT INSERT(customer_id) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(customer_id) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(customer_id) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(customer_id) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(event_type) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(event_type) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(event_type) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(event_type) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(action) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(action) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(action) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(action) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(resource_type) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(resource_type) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(resource_type) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(resource_type) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(resource_id) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(resource_id) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(resource_id) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(resource_id) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(actor) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(actor) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(actor) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(actor) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(actor_kind) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(actor_kind) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(actor_kind) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(actor_kind) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(actor_email) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(actor_email) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(actor_email) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(actor_email) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(actor_ip) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(actor_ip) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(actor_ip) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(actor_ip) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(actor_user_agent) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(actor_user_agent) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(actor_user_agent) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(actor_user_agent) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(status) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(status) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(status) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(status) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(error_message) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(error_message) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(error_message) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(error_message) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(request_id) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(request_id) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(request_id) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(request_id) ON TABLE landlord.audit_events TO landlord_guard;

GRANT INSERT(metadata) ON TABLE landlord.audit_events TO landlord_tenant;
GRANT INSERT(metadata) ON TABLE landlord.audit_events TO landlord_operator;
GRANT INSERT(metadata) ON TABLE landlord.audit_events TO landlord_worker;
GRANT INSERT(metadata) ON TABLE landlord.audit_events TO landlord_guard;

GRANT SELECT,INSERT ON TABLE landlord.audit_seals TO landlord_auditor;

GRANT SELECT,INSERT ON TABLE landlord.billing_run_items TO landlord_operator;
GRANT SELECT ON TABLE landlord.billing_run_items TO landlord_worker;

GRANT SELECT(customer_id) ON TABLE landlord.billing_run_items TO landlord_guard;

GRANT UPDATE(outcome) ON TABLE landlord.billing_run_items TO landlord_worker;

GRANT UPDATE(issued) ON TABLE landlord.billing_run_items TO landlord_worker;

GRANT UPDATE(amount) ON TABLE landlord.billing_run_items TO landlord_worker;

GRANT UPDATE(code) ON TABLE landlord.billing_run_items TO landlord_worker;

GRANT UPDATE(reason) ON TABLE landlord.billing_run_items TO landlord_worker;

GRANT UPDATE(claimed_in) ON TABLE landlord.billing_run_items TO landlord_worker;
GRANT SELECT(claimed_in) ON TABLE landlord.billing_run_items TO landlord_guard;

GRANT UPDATE(finished_at) ON TABLE landlord.billing_run_items TO landlord_worker;

GRANT SELECT,INSERT ON TABLE landlord.billing_runs TO landlord_operator;
GRANT SELECT,UPDATE ON TABLE landlord.billing_runs TO landlord_worker;

GRANT SELECT ON TABLE landlord.company_details TO landlord_tenant;
GRANT SELECT ON TABLE landlord.company_details TO landlord_worker;
GRANT SELECT,INSERT ON TABLE landlord.company_details TO landlord_operator;

GRANT SELECT ON TABLE landlord.credit_notes TO landlord_tenant;
GRANT SELECT ON TABLE landlord.credit_notes TO landlord_worker;
GRANT SELECT,INSERT ON TABLE landlord.credit_notes TO landlord_operator;

GRANT SELECT ON TABLE landlord.credit_uses TO landlord_tenant;
GRANT SELECT,INSERT ON TABLE landlord.credit_uses TO landlord_worker;
GRANT SELECT,INSERT ON TABLE landlord.credit_uses TO landlord_operator;

GRANT SELECT ON TABLE landlord.customers TO landlord_tenant;
GRANT SELECT,INSERT,UPDATE ON TABLE landlord.customers TO landlord_operator;
GRANT SELECT ON TABLE landlord.customers TO landlord_worker;
GRANT SELECT ON TABLE landlord.customers TO landlord_guard;

GRANT SELECT(id) ON TABLE landlord.customers TO landlord_analytics;

GRANT SELECT(tax_jurisdiction) ON TABLE landlord.customers TO landlord_analytics;

GRANT SELECT(active_from) ON TABLE landlord.customers TO landlord_analytics;

GRANT SELECT(closed_on) ON TABLE landlord.customers TO landlord_analytics;

GRANT UPDATE(epoch) ON TABLE landlord.customers TO landlord_tenant;
GRANT UPDATE(epoch) ON TABLE landlord.customers TO landlord_guard;

GRANT SELECT(created_at) ON TABLE landlord.customers TO landlord_analytics;

GRANT UPDATE(updated_at) ON TABLE landlord.customers TO landlord_worker;

GRANT SELECT ON TABLE landlord.ended_sessions TO landlord_tenant;
GRANT SELECT ON TABLE landlord.ended_sessions TO landlord_operator;
GRANT SELECT,DELETE ON TABLE landlord.ended_sessions TO landlord_guard;

GRANT INSERT(jti) ON TABLE landlord.ended_sessions TO landlord_tenant;
GRANT INSERT(jti) ON TABLE landlord.ended_sessions TO landlord_operator;

GRANT INSERT(customer_id) ON TABLE landlord.ended_sessions TO landlord_tenant;
GRANT INSERT(customer_id) ON TABLE landlord.ended_sessions TO landlord_operator;

GRANT INSERT(expires_at) ON TABLE landlord.ended_sessions TO landlord_tenant;
GRANT INSERT(expires_at) ON TABLE landlord.ended_sessions TO landlord_operator;

GRANT SELECT,DELETE ON TABLE landlord.idempotency_keys TO landlord_tenant;
GRANT SELECT,DELETE ON TABLE landlord.idempotency_keys TO landlord_operator;
GRANT DELETE ON TABLE landlord.idempotency_keys TO landlord_guard;

GRANT SELECT(id) ON TABLE landlord.idempotency_keys TO landlord_guard;

GRANT INSERT(customer_id) ON TABLE landlord.idempotency_keys TO landlord_tenant;
GRANT INSERT(customer_id) ON TABLE landlord.idempotency_keys TO landlord_operator;

GRANT INSERT(api_key_id) ON TABLE landlord.idempotency_keys TO landlord_tenant;
GRANT INSERT(api_key_id) ON TABLE landlord.idempotency_keys TO landlord_operator;

GRANT INSERT(mutation) ON TABLE landlord.idempotency_keys TO landlord_tenant;
GRANT INSERT(mutation) ON TABLE landlord.idempotency_keys TO landlord_operator;

GRANT INSERT(key) ON TABLE landlord.idempotency_keys TO landlord_tenant;
GRANT INSERT(key) ON TABLE landlord.idempotency_keys TO landlord_operator;

GRANT INSERT(fingerprint) ON TABLE landlord.idempotency_keys TO landlord_tenant;
GRANT INSERT(fingerprint) ON TABLE landlord.idempotency_keys TO landlord_operator;

GRANT INSERT(object_id) ON TABLE landlord.idempotency_keys TO landlord_tenant;
GRANT INSERT(object_id) ON TABLE landlord.idempotency_keys TO landlord_operator;

GRANT SELECT(created_at) ON TABLE landlord.idempotency_keys TO landlord_guard;

GRANT SELECT,INSERT,UPDATE ON TABLE landlord.invoice_counters TO landlord_operator;
GRANT SELECT,INSERT,UPDATE ON TABLE landlord.invoice_counters TO landlord_worker;

GRANT SELECT ON TABLE landlord.invoice_lines TO landlord_tenant;
GRANT SELECT,INSERT,DELETE ON TABLE landlord.invoice_lines TO landlord_operator;
GRANT SELECT,INSERT,DELETE ON TABLE landlord.invoice_lines TO landlord_worker;

GRANT SELECT ON TABLE landlord.invoices TO landlord_tenant;
GRANT SELECT,INSERT,UPDATE ON TABLE landlord.invoices TO landlord_operator;
GRANT SELECT,INSERT,UPDATE ON TABLE landlord.invoices TO landlord_worker;

GRANT SELECT(id) ON TABLE landlord.invoices TO landlord_analytics;
GRANT SELECT(id) ON TABLE landlord.invoices TO landlord_guard;

GRANT SELECT(customer_id) ON TABLE landlord.invoices TO landlord_analytics;
GRANT SELECT(customer_id) ON TABLE landlord.invoices TO landlord_guard;

GRANT SELECT(month) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(status) ON TABLE landlord.invoices TO landlord_analytics;
GRANT SELECT(status) ON TABLE landlord.invoices TO landlord_guard;

GRANT SELECT(tier) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(currency) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(tier_base_cost) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(usage_charges) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(volume_discount) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(adjustments) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(subtotal) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(tax_amount) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(total_amount) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(amount_paid) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(amount_credited) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(credit_applied) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(issued_at) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT(due_on) ON TABLE landlord.invoices TO landlord_analytics;
GRANT SELECT(due_on) ON TABLE landlord.invoices TO landlord_guard;

GRANT SELECT(paid_at) ON TABLE landlord.invoices TO landlord_analytics;

GRANT SELECT ON TABLE landlord.notifications TO landlord_tenant;
GRANT SELECT,INSERT ON TABLE landlord.notifications TO landlord_operator;
GRANT SELECT,INSERT ON TABLE landlord.notifications TO landlord_worker;

GRANT UPDATE(status) ON TABLE landlord.notifications TO landlord_worker;

GRANT UPDATE(attempts) ON TABLE landlord.notifications TO landlord_worker;

GRANT UPDATE(sent_at) ON TABLE landlord.notifications TO landlord_worker;

GRANT UPDATE(failed_reason) ON TABLE landlord.notifications TO landlord_worker;

GRANT SELECT ON TABLE landlord.outbox TO landlord_operator;
GRANT SELECT,INSERT ON TABLE landlord.outbox TO landlord_worker;
GRANT DELETE ON TABLE landlord.outbox TO landlord_guard;

GRANT SELECT(id) ON TABLE landlord.outbox TO landlord_guard;

GRANT INSERT(customer_id) ON TABLE landlord.outbox TO landlord_tenant;
GRANT INSERT(customer_id) ON TABLE landlord.outbox TO landlord_operator;
GRANT SELECT(customer_id),INSERT(customer_id) ON TABLE landlord.outbox TO landlord_guard;

GRANT INSERT(kind) ON TABLE landlord.outbox TO landlord_tenant;
GRANT INSERT(kind) ON TABLE landlord.outbox TO landlord_operator;
GRANT INSERT(kind) ON TABLE landlord.outbox TO landlord_guard;

GRANT INSERT(key) ON TABLE landlord.outbox TO landlord_tenant;
GRANT INSERT(key) ON TABLE landlord.outbox TO landlord_operator;
GRANT SELECT(key),INSERT(key) ON TABLE landlord.outbox TO landlord_guard;

GRANT INSERT(payload) ON TABLE landlord.outbox TO landlord_tenant;
GRANT INSERT(payload) ON TABLE landlord.outbox TO landlord_operator;
GRANT INSERT(payload) ON TABLE landlord.outbox TO landlord_guard;

GRANT INSERT(due_at) ON TABLE landlord.outbox TO landlord_tenant;
GRANT INSERT(due_at) ON TABLE landlord.outbox TO landlord_operator;
GRANT UPDATE(due_at) ON TABLE landlord.outbox TO landlord_worker;
GRANT SELECT(due_at),INSERT(due_at) ON TABLE landlord.outbox TO landlord_guard;

GRANT UPDATE(claimed_until) ON TABLE landlord.outbox TO landlord_worker;

GRANT UPDATE(attempts) ON TABLE landlord.outbox TO landlord_worker;

GRANT UPDATE(sent_at) ON TABLE landlord.outbox TO landlord_worker;
GRANT SELECT(sent_at) ON TABLE landlord.outbox TO landlord_guard;

GRANT UPDATE(failed_reason) ON TABLE landlord.outbox TO landlord_worker;
GRANT SELECT(failed_reason) ON TABLE landlord.outbox TO landlord_guard;

GRANT UPDATE(claimed_in) ON TABLE landlord.outbox TO landlord_worker;
GRANT SELECT(claimed_in) ON TABLE landlord.outbox TO landlord_guard;

GRANT UPDATE(notification_id) ON TABLE landlord.outbox TO landlord_worker;
GRANT INSERT(notification_id) ON TABLE landlord.outbox TO landlord_operator;

GRANT INSERT(endpoint_id) ON TABLE landlord.outbox TO landlord_tenant;
GRANT INSERT(endpoint_id) ON TABLE landlord.outbox TO landlord_operator;

GRANT UPDATE(failing_since) ON TABLE landlord.outbox TO landlord_worker;

GRANT UPDATE(last_failure) ON TABLE landlord.outbox TO landlord_worker;

GRANT SELECT ON TABLE landlord.payments TO landlord_tenant;
GRANT SELECT ON TABLE landlord.payments TO landlord_worker;
GRANT SELECT,INSERT ON TABLE landlord.payments TO landlord_operator;

GRANT SELECT ON TABLE landlord.rate_card_prices TO landlord_tenant;
GRANT SELECT ON TABLE landlord.rate_card_prices TO landlord_worker;
GRANT SELECT ON TABLE landlord.rate_card_prices TO landlord_analytics;
GRANT SELECT,INSERT ON TABLE landlord.rate_card_prices TO landlord_operator;

GRANT SELECT ON TABLE landlord.rate_cards TO landlord_tenant;
GRANT SELECT ON TABLE landlord.rate_cards TO landlord_worker;
GRANT SELECT ON TABLE landlord.rate_cards TO landlord_analytics;
GRANT SELECT,INSERT ON TABLE landlord.rate_cards TO landlord_operator;

GRANT SELECT,INSERT ON TABLE landlord.support_tickets TO landlord_tenant;
GRANT SELECT,INSERT ON TABLE landlord.support_tickets TO landlord_operator;

GRANT UPDATE(status) ON TABLE landlord.support_tickets TO landlord_tenant;
GRANT UPDATE(status) ON TABLE landlord.support_tickets TO landlord_operator;

GRANT UPDATE(priority) ON TABLE landlord.support_tickets TO landlord_tenant;
GRANT UPDATE(priority) ON TABLE landlord.support_tickets TO landlord_operator;

GRANT UPDATE(assigned_to) ON TABLE landlord.support_tickets TO landlord_operator;

GRANT UPDATE(first_responded_at) ON TABLE landlord.support_tickets TO landlord_operator;

GRANT UPDATE(updated_at) ON TABLE landlord.support_tickets TO landlord_tenant;
GRANT UPDATE(updated_at) ON TABLE landlord.support_tickets TO landlord_operator;

GRANT SELECT ON TABLE landlord.tax_rates TO landlord_tenant;
GRANT SELECT ON TABLE landlord.tax_rates TO landlord_worker;
GRANT SELECT ON TABLE landlord.tax_rates TO landlord_analytics;
GRANT SELECT,INSERT ON TABLE landlord.tax_rates TO landlord_operator;

GRANT SELECT,INSERT ON TABLE landlord.ticket_comments TO landlord_tenant;
GRANT SELECT,INSERT ON TABLE landlord.ticket_comments TO landlord_operator;

GRANT SELECT ON TABLE landlord.tier_features TO landlord_tenant;
GRANT SELECT ON TABLE landlord.tier_features TO landlord_worker;
GRANT SELECT ON TABLE landlord.tier_features TO landlord_analytics;
GRANT SELECT,INSERT ON TABLE landlord.tier_features TO landlord_operator;

GRANT SELECT ON TABLE landlord.tier_history TO landlord_tenant;
GRANT SELECT ON TABLE landlord.tier_history TO landlord_worker;
GRANT SELECT ON TABLE landlord.tier_history TO landlord_analytics;
GRANT SELECT,INSERT,DELETE ON TABLE landlord.tier_history TO landlord_operator;

GRANT SELECT(customer_id) ON TABLE landlord.tier_history TO landlord_guard;

GRANT SELECT(starts_on) ON TABLE landlord.tier_history TO landlord_guard;

GRANT SELECT(tier) ON TABLE landlord.tier_history TO landlord_guard;

GRANT SELECT ON TABLE landlord.usage_metrics TO landlord_tenant;
GRANT SELECT,INSERT ON TABLE landlord.usage_metrics TO landlord_worker;
GRANT SELECT ON TABLE landlord.usage_metrics TO landlord_analytics;
GRANT SELECT,INSERT ON TABLE landlord.usage_metrics TO landlord_operator;

GRANT SELECT ON TABLE landlord.usage_readings TO landlord_operator;
GRANT INSERT ON TABLE landlord.usage_readings TO landlord_worker;

GRANT SELECT,INSERT ON TABLE landlord.usage_sync_items TO landlord_operator;
GRANT SELECT ON TABLE landlord.usage_sync_items TO landlord_worker;

GRANT SELECT(customer_id) ON TABLE landlord.usage_sync_items TO landlord_guard;

GRANT UPDATE(outcome) ON TABLE landlord.usage_sync_items TO landlord_worker;

GRANT UPDATE(code) ON TABLE landlord.usage_sync_items TO landlord_worker;

GRANT UPDATE(reason) ON TABLE landlord.usage_sync_items TO landlord_worker;

GRANT UPDATE(claimed_until) ON TABLE landlord.usage_sync_items TO landlord_worker;

GRANT UPDATE(claimed_in) ON TABLE landlord.usage_sync_items TO landlord_worker;
GRANT SELECT(claimed_in) ON TABLE landlord.usage_sync_items TO landlord_guard;

GRANT UPDATE(finished_at) ON TABLE landlord.usage_sync_items TO landlord_worker;

GRANT SELECT,INSERT ON TABLE landlord.usage_syncs TO landlord_operator;
GRANT SELECT,UPDATE ON TABLE landlord.usage_syncs TO landlord_worker;

GRANT SELECT ON TABLE landlord.volume_discounts TO landlord_tenant;
GRANT SELECT ON TABLE landlord.volume_discounts TO landlord_worker;
GRANT SELECT ON TABLE landlord.volume_discounts TO landlord_analytics;
GRANT SELECT,INSERT ON TABLE landlord.volume_discounts TO landlord_operator;

GRANT SELECT ON TABLE landlord.webhook_endpoints TO landlord_worker;

GRANT SELECT(id) ON TABLE landlord.webhook_endpoints TO landlord_tenant;
GRANT SELECT(id) ON TABLE landlord.webhook_endpoints TO landlord_operator;

GRANT SELECT(customer_id),INSERT(customer_id) ON TABLE landlord.webhook_endpoints TO landlord_tenant;
GRANT SELECT(customer_id),INSERT(customer_id) ON TABLE landlord.webhook_endpoints TO landlord_operator;

GRANT SELECT(url),INSERT(url) ON TABLE landlord.webhook_endpoints TO landlord_tenant;
GRANT SELECT(url),INSERT(url) ON TABLE landlord.webhook_endpoints TO landlord_operator;

GRANT SELECT(event_types),INSERT(event_types) ON TABLE landlord.webhook_endpoints TO landlord_tenant;
GRANT SELECT(event_types),INSERT(event_types) ON TABLE landlord.webhook_endpoints TO landlord_operator;

GRANT INSERT(secret) ON TABLE landlord.webhook_endpoints TO landlord_tenant;
GRANT INSERT(secret) ON TABLE landlord.webhook_endpoints TO landlord_operator;

GRANT SELECT(is_active),UPDATE(is_active) ON TABLE landlord.webhook_endpoints TO landlord_tenant;
GRANT SELECT(is_active),UPDATE(is_active) ON TABLE landlord.webhook_endpoints TO landlord_operator;
GRANT UPDATE(is_active) ON TABLE landlord.webhook_endpoints TO landlord_worker;

GRANT SELECT(deleted_at),UPDATE(deleted_at) ON TABLE landlord.webhook_endpoints TO landlord_tenant;
GRANT SELECT(deleted_at),UPDATE(deleted_at) ON TABLE landlord.webhook_endpoints TO landlord_operator;

GRANT SELECT(created_at),INSERT(created_at) ON TABLE landlord.webhook_endpoints TO landlord_tenant;
GRANT SELECT(created_at),INSERT(created_at) ON TABLE landlord.webhook_endpoints TO landlord_operator;

GRANT UPDATE(failing_since) ON TABLE landlord.webhook_endpoints TO landlord_worker;

GRANT UPDATE(resting_until) ON TABLE landlord.webhook_endpoints TO landlord_worker;

GRANT SELECT ON TABLE public.schema_migrations TO landlord_worker;
GRANT SELECT ON TABLE public.schema_migrations TO landlord_operator;

ALTER DEFAULT PRIVILEGES FOR ROLE landlord_guard REVOKE ALL ON FUNCTIONS FROM PUBLIC;

ALTER DEFAULT PRIVILEGES FOR ROLE landlord_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
