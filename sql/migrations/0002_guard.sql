-- migrate:up
-- The guard: what proves, inside the database, for whom a transaction speaks.
--
-- The API signs `kid.purpose.subject.expiry.nonce` and passes it with its MAC to `app.open` as a bound value. `open`
-- checks it and leaves in a transaction-local setting a second token, signed with a key born here, that is good for
-- this backend and this transaction alone. Policies ask `app.tenant()` or `app.operator()`, which check that second
-- token on every statement. So the setting, which injected SQL can read and write, is worth nothing to it.
--
-- A key is only ever a column inside one query, never a variable: `debug_print_plan` prints constants, and anyone may
-- set it. MACs are compared through a second hash.
set local role landlord_guard;

create table app.signing_keys (
    kid        text        primary key check (kid ~ '^[a-z0-9]{1,16}$'),
    purpose    text        not null check (purpose in ('edge', 'bind')),   -- shared with the API; known only here
    ipad       bytea       not null check (octet_length(ipad) = 64),       -- HMAC's two padded blocks
    opad       bytea       not null check (octet_length(opad) = 64),
    not_after  timestamptz not null default 'infinity',
    created_at timestamptz not null default now()
);
revoke all on app.signing_keys from public;

create function app.pad(key bytea, fill int) returns bytea
    language plpgsql immutable strict
    set search_path = pg_catalog, pg_temp
as $$
declare
    block bytea := key || decode(repeat('00', 64 - octet_length(key)), 'hex');
begin
    for i in 0..63 loop
        block := set_byte(block, i, get_byte(block, i) # fill);
    end loop;
    return block;
end
$$;

-- Adds a key that the API signs with; 32 to 64 bytes. An edge key that is there already is left as it is.
create function app.install_key(kid text, key bytea) returns void
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
end
$$;

-- Ends a key that the API signs with; at least one other stays.
create function app.retire_key(kid text) returns void
    language sql security definer
    set search_path = pg_catalog, pg_temp
begin atomic
    update app.signing_keys k
       set not_after = now()
     where k.kid = retire_key.kid
       and k.purpose = 'edge'
       and exists (
               select from app.signing_keys other
                where other.purpose = 'edge' and other.kid <> retire_key.kid and other.not_after > now()
           );
end;

grant execute on function app.install_key(text, bytea), app.retire_key(text) to landlord_migrator;

-- The key that signs the transaction's own token: 488 random bits that never leave this table.
insert into app.signing_keys (kid, purpose, ipad, opad)
select 'b1', 'bind', app.pad(born.key, 54), app.pad(born.key, 92)
  from (
        select sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8')) as key from generate_series(1, 4)
       ) as born;

-- A UUIDv7 with the microsecond in it, so ids made one after the other sort in that order. RFC 9562, section 6.2, method 3.
create function app.new_id() returns uuid
    language sql volatile
    set search_path = pg_catalog, pg_temp
return (
    select encode(
               int8send(((us / 1000) << 16) | 28672 | ((us % 1000) * 4096 / 1000)) || substring(uuid_send(gen_random_uuid()) from 9),
               'hex'
           )::uuid
      from (select (extract(epoch from clock_timestamp()) * 1000000)::bigint as us) as clock
);

-- The smallest id of an instant: `id >= app.first_id(since)` is everything made from then on.
create function app.first_id(since timestamptz) returns uuid
    language sql immutable strict
    set search_path = pg_catalog, pg_temp
return (
    select encode(int8send(((us / 1000) << 16) | 28672 | ((us % 1000) * 4096 / 1000)) || '\x8000000000000000'::bytea, 'hex')::uuid
      from (select (extract(epoch from since) * 1000000)::bigint as us) as clock
);

-- The instant that an id of ours was made in, to the microsecond.
create function app.made_at(id uuid) returns timestamptz
    language sql immutable strict
    set search_path = pg_catalog, pg_temp
return (
    select timestamptz 'epoch' + ((head >> 16) * 1000 + ceil((head & 4095) * 1000 / 4096.0)::bigint) * interval '1 microsecond'
      from (select ('x' || encode(substring(uuid_send(id) from 1 for 8), 'hex'))::bit(64)::bigint as head) as parts
);

-- Refuses a backend in which an earlier client has left something that would act under the next one's context.
-- The driver calls it in the same message as BEGIN, before any statement that could have been replaced.
create function app.clean() returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
as $$
begin
    if pg_my_temp_schema() <> 0
       or exists (select from pg_prepared_statements p where p.from_sql)
       or exists (select from pg_cursors c where c.is_holdable)
       or exists (select from pg_listening_channels()) then
        raise exception 'session is not clean' using errcode = 'LL001', hint = 'close this connection';
    end if;
end
$$;

-- The fields of a token that the API signed for one of these purposes; refuses anything else with one constant text.
create function app.verified(token text, purposes text[]) returns text[]
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
as $$
declare
    f  text[] := string_to_array(token, '.');
    ok boolean;
begin
    ok := coalesce(
        array_length(f, 1) = 6
        and octet_length(token) <= 256
        and f[1] ~ '^[a-z0-9]{1,16}$'
        and f[2] = any (purposes)
        and f[3] ~ '^[A-Za-z0-9_-]{1,64}$'
        and f[4] ~ '^[0-9]{10}$'
        and f[5] ~ '^[A-Za-z0-9_-]{16,64}$'
        and f[6] ~ '^[0-9a-f]{64}$',
        false
    );
    if ok then
        select sha256(decode(f[6], 'hex')) = sha256(sha256(k.opad || sha256(k.ipad || convert_to(
                   f[1] || '.' || f[2] || '.' || f[3] || '.' || f[4] || '.' || f[5], 'UTF8'))))
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

-- `purpose.subject` of this transaction's own token; null where there is none, or a forged or foreign one.
create function app.context() returns text
    language plpgsql stable security definer parallel restricted
    set search_path = pg_catalog, pg_temp
as $$
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

-- The customer for whom this transaction speaks. The body of `context` once more, so that a statement pays for one call.
create function app.tenant() returns uuid
    language plpgsql stable security definer parallel restricted
    set search_path = pg_catalog, pg_temp
as $$
declare
    v  text := current_setting('app.ctx', true);
    ok boolean;
begin
    select sha256(convert_to(split_part(v, '.', 5), 'UTF8'))
           = sha256(convert_to(encode(sha256(k.opad || sha256(k.ipad || convert_to(
                 k.kid || '.tenant.' || split_part(v, '.', 3) || '.' || pg_backend_pid()::text || '/'
                 || (extract(epoch from transaction_timestamp()) * 1000000)::bigint::text, 'UTF8'))), 'hex'), 'UTF8'))
      into ok
      from app.signing_keys k
     where k.kid = split_part(v, '.', 1) and k.purpose = 'bind' and k.not_after > clock_timestamp();
    if ok then
        return split_part(v, '.', 3)::uuid;
    end if;
    raise exception 'no tenant context' using errcode = 'LL003';
end
$$;

-- True under an operator's context; without one it refuses.
create function app.operator() returns boolean
    language plpgsql stable security definer parallel restricted
    set search_path = pg_catalog, pg_temp
as $$
begin
    if app.context() like 'operator.%' then
        return true;
    end if;
    raise exception 'no operator context' using errcode = 'LL003';
end
$$;

-- The customers whose billing items this transaction has claimed; what a worker may touch.
create function app.claimed() returns setof uuid
    language plpgsql stable security definer parallel restricted
    set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select item.customer_id from landlord.billing_run_items item where item.claimed_in = pg_current_xact_id_if_assigned();
end
$$;

-- Six characters of an alphabet without look-alikes, not in use yet: starts a customer's invoice numbers.
create function app.new_invoice_prefix() returns text
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
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

grant execute on function app.new_id(), app.first_id(timestamptz), app.made_at(uuid), app.clean() to
    landlord_owner, landlord_tenant, landlord_operator, landlord_worker, landlord_auditor, landlord_analytics;
grant execute on function app.tenant() to landlord_tenant;
grant execute on function app.operator(), app.new_invoice_prefix() to landlord_operator;
grant execute on function app.tenant(), app.operator(), app.claimed(), app.new_invoice_prefix() to landlord_owner;
grant execute on function app.claimed() to landlord_worker;
