-- migrate:up
-- What every query pays in PostgreSQL before its own question takes a fifth less: the session is looked at where something
-- could have been left in it, and an event's words are looked at by who stamps it.
--
-- PostgreSQL copies the text of each prepared statement for whoever asks what they are: two thousandths of a second where a
-- driver keeps 250. And it reads a CHECK from its text anew in every statement that inserts: four of them took a tenth of all.

-- An event has its words from lists. Its instant, its transaction and its leaf are nobody's to say.
set local role landlord_owner;
create or replace function landlord.audit_event_is_stamped() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
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
-- the stamp guarantees what they did
alter table landlord.audit_events
    -- squawk-ignore ban-drop-constraint
    drop constraint audit_events_event_type_check,
    -- squawk-ignore ban-drop-constraint
    drop constraint audit_events_action_check,
    -- squawk-ignore ban-drop-constraint
    drop constraint audit_events_actor_kind_check,
    -- squawk-ignore ban-drop-constraint
    drop constraint audit_events_status_check;

set local role landlord_guard;

-- Begins an operation: whom the transaction speaks for, whether the credentials still hold, its event, and read-only.
--
-- `facts` is {"key": uuid, "session": uuid or null, "epoch": bigint or null}, and "looked": true where whoever calls it has
-- looked at this session before, and it was sent nothing since that could leave something. `event` is the audit event of a query, or
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
