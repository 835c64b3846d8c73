-- migrate:up
-- Webhooks and texts on their way: who failed since when, who rests until when, and why.
set local role landlord_owner;
set local search_path = landlord;

-- Nothing is sent there before; null where the last message arrived.
alter table webhook_endpoints add column resting_until timestamptz;
grant update (resting_until) on webhook_endpoints to landlord_worker;

-- Of a message that is tried again: since when it has failed, and what came of the last try, for operators to read.
alter table outbox
    add column failing_since timestamptz,
    add column last_failure text;
grant update (failing_since, last_failure) on outbox to landlord_worker;
