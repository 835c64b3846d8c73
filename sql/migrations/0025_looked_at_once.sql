-- migrate:up
-- What is left in a session is looked at once a transaction, and an event's leaf takes a fifth of the calls; both answer as
-- before.
--
-- PostgreSQL copies the text of every prepared statement for whoever asks what they are: a tenth of a millisecond where a
-- driver keeps a hundred. And a transaction sets up each call of an expression anew, of which a leaf had more than a hundred.
set local role landlord_guard;

-- Refuses a backend in which an earlier client has left something that would act under the next one's context.
-- The driver calls it in the same message as BEGIN, before any statement that could have been replaced. It leaves a mark
-- that is signed for this backend and this transaction alone: by it `app.open` knows that it need not look again.
create or replace function app.clean() returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
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
    own        record;
    bearer     record;
begin
    if session_user <> 'landlord_' || f[2]
       -- where nothing was opened yet there is nothing to verify
       or (current_setting('app.ctx', true) <> '' and app.context() <> f[2] || '.' || f[3]) then
        raise exception 'context refused' using errcode = 'LL002';
    end if;

    -- This transaction's own token, and whether the mark of `app.clean` is this transaction's own.
    select m.message || '.' || encode(sha256(m.opad || sha256(m.ipad || convert_to(m.message, 'UTF8'))), 'hex') as token,
           sha256(convert_to(current_setting('app.clean', true), 'UTF8'))
           = sha256(convert_to(encode(sha256(m.opad || sha256(m.ipad || convert_to(
                 'clean.' || m.here, 'UTF8'))), 'hex'), 'UTF8')) as clean
      into strict own
      from (
            select k.ipad, k.opad, now.here,
                   k.kid || '.' || f[2] || '.' || f[3] || '.' || now.here as message
              from app.signing_keys k,
                   (
                    select pg_backend_pid()::text || '/'
                           || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text as here
                   ) as now
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

-- One field of an event: nothing and its UTF-8, or two nulls.
create function app.halves(value text) returns bytea[]
    language sql stable
return array[case when value is not null then ''::bytea end, convert_to(value, 'UTF8')];

-- SHA-256 (0x00 || fields in the order below): the leaf that a Merkle tree takes (RFC 6962, section 2.1).
-- A field's canonical bytes are its length in eight bytes and its UTF-8, or -1 where it is null. PostgreSQL sends an array
-- so, with four bytes each: the empty half before each field makes them eight. Before the first come 28 bytes of its own.
create or replace function app.leaf(
    id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text,
    actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb
) returns bytea
    language sql stable
return sha256('\x00'::bytea || substr(array_send(array[
    app.halves(id::text), app.halves(customer_id::text), app.halves(event_type), app.halves(action),
    app.halves(resource_type), app.halves(resource_id), app.halves(actor), app.halves(actor_kind),
    app.halves(actor_email), app.halves(actor_ip), app.halves(actor_user_agent), app.halves(status),
    app.halves(error_message), app.halves(request_id), app.halves(metadata::text)
]), 29));

-- Nothing but the leaf called it.
-- squawk-ignore ban-drop-function
drop function app.field(text);
grant execute on function app.halves(text) to landlord_owner, landlord_tenant, landlord_operator, landlord_worker, landlord_auditor;
