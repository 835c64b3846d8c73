-- What the peers read: the same tables, as a role of their own that is no superuser, under row-level security.
-- Their tenant is a plain setting of the transaction. That is no wall (whoever injects SQL can set it), but what is usual.
create role peer login nosuperuser nobypassrls noinherit;
grant connect on database landlord to peer;
grant usage on schema landlord to peer;

create schema peers;
grant usage on schema peers to peer;

grant select on landlord.customers, landlord.tier_history, landlord.usage_metrics, landlord.invoices,
    landlord.invoice_lines, landlord.support_tickets, landlord.ticket_comments, landlord.audit_events to peer;
create policy peer on landlord.customers for select to peer using (id = (select current_setting('peers.customer_id')::uuid));
create policy peer on landlord.tier_history for select to peer
    using (customer_id = (select current_setting('peers.customer_id')::uuid));
create policy peer on landlord.usage_metrics for select to peer
    using (customer_id = (select current_setting('peers.customer_id')::uuid));
create policy peer on landlord.invoices for select to peer
    using (customer_id = (select current_setting('peers.customer_id')::uuid));
create policy peer on landlord.invoice_lines for select to peer
    using (customer_id = (select current_setting('peers.customer_id')::uuid));
create policy peer on landlord.support_tickets for select to peer
    using (customer_id = (select current_setting('peers.customer_id')::uuid));
create policy peer on landlord.ticket_comments for select to peer
    using (customer_id = (select current_setting('peers.customer_id')::uuid));
create policy peer on landlord.audit_events for select to peer
    using (customer_id = (select current_setting('peers.customer_id')::uuid));

-- Views give the columns the names and text forms of our API, so that the answers can be compared. They are the
-- invoker's: the policies above hold under them.
create view peers.customers with (security_invoker = true) as
    select c.id, c.name, upper(t.tier) as tier
      from landlord.customers c
      join lateral (
               select tier from landlord.tier_history t
                where t.customer_id = c.id and t.starts_on <= current_date order by t.starts_on desc limit 1
           ) as t on true;

create view peers.usage with (security_invoker = true) as
    select distinct on (u.customer_id, u.month) u.customer_id, to_char(u.month, 'YYYY-MM') as month, account_count, ou_count, scp_count,
           cloudtrail_events::text as cloudtrail_events, config_evaluations::text as config_evaluations,
           trim_scale(log_storage_gb)::text as log_storage_gb, nat_bytes_processed::text as nat_bytes_processed,
           trim_scale(data_transfer_gb)::text as data_transfer_gb
      from landlord.usage_metrics u
     where u.month > current_date - interval '12 months'
     order by u.customer_id, u.month desc, u.revision desc;

create view peers.invoices with (security_invoker = true) as
    select id, customer_id, number, to_char(month, 'YYYY-MM') as month, upper(status) as status,
           total_amount::text as total_amount
      from landlord.invoices;

create view peers.invoice_lines with (security_invoker = true) as
    select customer_id, invoice_id, position, upper(kind) as kind, description, trim_scale(quantity)::text as quantity,
           amount::text as amount
      from landlord.invoice_lines;

create view peers.tickets with (security_invoker = true) as
    select id, customer_id, subject, upper(status) as status, upper(priority) as priority,
           to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at
      from landlord.support_tickets;

create view peers.ticket_comments with (security_invoker = true) as
    select id, customer_id, ticket_id, author, body,
           to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at
      from landlord.ticket_comments;

create view peers.audit_events with (security_invoker = true) as
    select id, customer_id, event_type, upper(action) as action, resource_type, resource_id, actor,
           case when actor_kind <> 'operator' then actor_ip end as actor_ip, upper(status) as status, request_id,
           to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as created_at
      from landlord.audit_events;

grant select on all tables in schema peers to peer;

-- What PostGraphile has to be told of a view: its keys, and which relations are plain lists.
comment on view peers.customers is E'@primaryKey id';
comment on view peers.usage is
    E'@primaryKey customer_id,month\n@foreignKey (customer_id) references peers.customers (id)|@foreignFieldName usage';
comment on view peers.invoices is
    E'@primaryKey id\n@foreignKey (customer_id) references peers.customers (id)|@foreignFieldName invoices';
comment on view peers.invoice_lines is
    E'@primaryKey invoice_id,position\n@foreignKey (invoice_id) references peers.invoices (id)|@foreignFieldName lines';
comment on view peers.tickets is
    E'@primaryKey id\n@foreignKey (customer_id) references peers.customers (id)|@foreignFieldName tickets';
comment on view peers.ticket_comments is
    E'@primaryKey id\n@foreignKey (ticket_id) references peers.tickets (id)|@foreignFieldName comments';
comment on view peers.audit_events is E'@primaryKey id';
