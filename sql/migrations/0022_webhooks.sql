-- migrate:up
-- Webhooks: customers enter the endpoints themselves, and what is for one of them says so in the outbox.
set local role landlord_owner;
set local search_path = landlord;

-- ---------------------------------------------------------------- endpoints

-- `secret` is no secret by itself: it names a key of ours and holds a salt, and the two together make what signs
-- (billing/signatures.py). Since when everything sent there has failed; null where the last one arrived.
alter table webhook_endpoints add column failing_since timestamptz;

grant insert (customer_id, url, event_types, secret, created_at), update (is_active, deleted_at) on webhook_endpoints
    to landlord_tenant, landlord_operator;
create policy webhook_endpoints_of_worker on webhook_endpoints to landlord_worker using (customer_id in (select app.claimed()));
grant select, update (is_active, failing_since) on webhook_endpoints to landlord_worker;

-- Whoever listed a customer's endpoints, or counts them, finds those that are there.
-- squawk-ignore require-concurrent-index-creation
create index webhook_endpoints_there on webhook_endpoints (customer_id, id desc) where deleted_at is null;

create function endpoint_stays_deleted() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'a deleted endpoint stays deleted' using errcode = 'LL010';
end
$$;
create trigger webhook_endpoints_stay_deleted before update on webhook_endpoints for each row
    when (old.deleted_at is not null and new.deleted_at is distinct from old.deleted_at)
    execute function endpoint_stays_deleted();
alter table webhook_endpoints enable always trigger webhook_endpoints_stay_deleted;

-- ---------------------------------------------------------------- the outbox

-- To which endpoint a webhook goes; null for everything else.
alter table outbox add column endpoint_id uuid;
-- The column is empty still: nothing is read for the key, and the index is made at once.
-- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
alter table outbox add constraint outbox_endpoint
    foreign key (customer_id, endpoint_id) references webhook_endpoints (customer_id, id);
-- squawk-ignore require-concurrent-index-creation
create index outbox_of_endpoint on outbox (customer_id, endpoint_id)
    where endpoint_id is not null and sent_at is null and failed_reason is null;

grant insert (endpoint_id) on outbox to landlord_tenant, landlord_operator;
-- what operators write to a customer is shown from the start
grant insert (notification_id) on outbox to landlord_operator;
