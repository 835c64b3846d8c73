-- migrate:up
-- Ids and leaves without a call for each: a run of billing makes three ids and a leaf for every customer.
--
-- The planner puts the body of a SQL function in place of its call where the body has no sub-select, is no more
-- volatile than the function says, and has no setting of its own. Bodies after RETURN are bound to what they name when
-- they are made, so no search_path can lead them elsewhere, and none has to be pinned. What they answer is as before.
set local role landlord_guard;

-- A UUIDv7 with the microsecond in it, so ids made one after the other sort in that order. RFC 9562, section 6.2, method 3.
-- Microseconds * 512 / 125 are milliseconds in the upper 48 bits and their 4096th parts below; the version goes between.
create or replace function app.new_id() returns uuid
    language sql volatile
return (
    overlay(
        lpad(to_hex((extract(epoch from clock_timestamp()) * 1000000)::bigint * 512 / 125), 15, '0')
        placing '7' from 13 for 0
    ) || right(replace(gen_random_uuid()::text, '-', ''), 16)
)::uuid;
alter function app.new_id() reset search_path;

-- The instant that an id of ours was made in, to the microsecond.
create or replace function app.made_at(id uuid) returns timestamptz
    language sql immutable strict
return timestamptz 'epoch' + interval '1 microsecond' * div(
    ('x' || overlay(left(replace(id::text, '-', ''), 16) placing '' from 13 for 1))::bit(60)::bigint * 125.0 + 511, 512
);
alter function app.made_at(uuid) reset search_path;

-- Stable, since `convert_to` is: what they answer depends on nothing but their arguments all the same.
create or replace function app.field(value text) returns bytea
    language sql stable
return case when value is null then int8send(-1)
            else int8send(octet_length(convert_to(value, 'UTF8'))) || convert_to(value, 'UTF8') end;
alter function app.field(text) reset search_path;

create or replace function app.leaf(
    id uuid, customer_id uuid, event_type text, action text, resource_type text, resource_id text, actor text, actor_kind text,
    actor_email text, actor_ip text, actor_user_agent text, status text, error_message text, request_id text, metadata jsonb
) returns bytea
    language sql stable
return sha256(
    '\x00'::bytea
    || app.field(id::text) || app.field(customer_id::text) || app.field(event_type) || app.field(action)
    || app.field(resource_type) || app.field(resource_id) || app.field(actor) || app.field(actor_kind)
    || app.field(actor_email) || app.field(actor_ip) || app.field(actor_user_agent) || app.field(status)
    || app.field(error_message) || app.field(request_id) || app.field(metadata::text)
);
alter function app.leaf(
    uuid, uuid, text, text, text, text, text, text, text, text, text, text, text, text, jsonb
) reset search_path;

-- A session keeps the plans that it made first, and that may have been while tables were small: reading them whole is
-- quickest then, and ever slower later. A worker asks for everything by key.
reset role;
alter role landlord_worker set enable_seqscan = off;
