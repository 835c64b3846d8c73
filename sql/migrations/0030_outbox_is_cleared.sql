-- migrate:up
-- What left the house long ago goes from the outbox. What customers see of it, their notifications, stays.
set local role landlord_owner;
set local search_path = landlord;

-- squawk-ignore require-concurrent-index-creation
create index outbox_done on outbox (coalesce(sent_at, due_at)) where sent_at is not null or failed_reason is not null;
grant select (id, due_at, sent_at, failed_reason), delete on outbox to landlord_guard;

-- Removes messages that left before that instant, or were due before it and given up, the oldest first and at most so many; how
-- many it removed. A key that is gone could be queued again, so nothing goes, whoever asks, while its own might be: a reminder
-- is made up to 20 days after an invoice was due, a key's notice up to 14 before it ends, and all others once, with what they tell of.
set local role landlord_guard;
create function app.clear_outbox(before timestamptz, most int) returns bigint
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
as $$
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
grant execute on function app.clear_outbox(timestamptz, int) to landlord_worker;
