-- migrate:up
-- A copy of a database, or one brought back from a backup, knows the keys of its original, and takes for good what was
-- revoked since. `app.renew` makes worthless in it what the original gave out.
set local role landlord_owner;
grant update (epoch) on landlord.customers to landlord_guard;

set local role landlord_guard;
-- From now on contexts of this one key are accepted, and the inner key is a new one; every epoch goes up, to the seconds since
-- 1970, so that two copies of one backup do not share theirs. Answers how many customers there are.
create function app.renew(kid text, key bytea) returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
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

grant execute on function app.renew(text, bytea) to landlord_migrator;

-- /readyz asks which migrations have run, as a login that the API has.
reset role;
grant usage on schema public to landlord_operator;
grant select on public.schema_migrations to landlord_operator;
