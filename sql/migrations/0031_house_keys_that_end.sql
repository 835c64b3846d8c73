-- migrate:up
-- The house's own keys that end soon: nobody is written to about them, so whoever runs this is told.

-- Of operators' keys that end within so many days from `at` and were not replaced: ids and ends, nothing else of them. One that
-- was made with fewer days to live is not told of.
set local role landlord_guard;
create function app.house_keys_that_end(at timestamptz, days int) returns table (id uuid, ends_at timestamptz)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
as $$
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
grant execute on function app.house_keys_that_end(timestamptz, int) to landlord_worker;
