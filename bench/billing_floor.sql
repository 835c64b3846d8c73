-- What a month's billing cannot be quicker than: the same rows, computed here and inserted by one statement, with
-- nothing between them and the tables: no policies, no triggers of ours, no run, no claims, one commit.
-- $1 the month's first day, $2 the instant of the run, $3 the run's id as the API names it.
with step as (
    select price.metric, price.position, price.included, price.unit, band.price, band.up_to,
           coalesce(lag(band.up_to) over (partition by price.metric order by band.place), 0) as above, band.place
      from rate_card_prices price
     cross join lateral unnest(price.band_up_to, price.band_price) with ordinality as band (up_to, price, place)
     where price.tier = 'fintech'
), priced as (
    select metric, position, included, unit, array_agg(above order by place) as above, array_agg(up_to order by place) as up_to,
           array_agg(price order by place) as price
      from step
     group by metric, position, included, unit
), named (metric, name) as (
    values ('account_count', 'Accounts'), ('cloudtrail_events', 'CloudTrail events'),
           ('config_evaluations', 'Config evaluations'), ('log_storage_gb', 'Log storage (GB)'),
           ('nat_bytes_processed', 'NAT bytes processed'), ('data_transfer_gb', 'Data transfer (GB)')
), used as materialized (
    select usage.customer_id, usage.revision, 1 + priced.position as position, priced.metric, use.quantity,
           greatest(use.quantity - priced.included, 0) as billable, banded.bands, round(banded.amount, 2) as amount,
           named.name || ': ' || rtrim(to_char(use.quantity, 'FM999,999,999,999,999,990.999999'), '.') || ' over '
           || rtrim(to_char(priced.included, 'FM999,999,999,999,999,990.999999'), '.') || ' included' as description
      from usage_metrics usage
     cross join lateral (
               values ('account_count', usage.account_count::numeric), ('cloudtrail_events', usage.cloudtrail_events),
                      ('config_evaluations', usage.config_evaluations), ('log_storage_gb', usage.log_storage_gb),
                      ('nat_bytes_processed', usage.nat_bytes_processed), ('data_transfer_gb', usage.data_transfer_gb)
           ) as use (metric, quantity)
      join priced on priced.metric = use.metric
      join named on named.metric = use.metric
     cross join lateral (
               select sum(part.quantity / priced.unit * part.price) as amount,
                      jsonb_agg(
                          jsonb_build_object(
                              'quantity', part.quantity::text, 'unit', priced.unit::text,
                              'price_per_unit', part.price::text,
                              'amount', round(part.quantity / priced.unit * part.price, 15)::text
                          )
                      ) as bands
                 from (
                       select least(use.quantity - priced.included, band.up_to) - band.above as quantity, band.price
                         from unnest(priced.above, priced.up_to, priced.price) as band (above, up_to, price)
                        where use.quantity - priced.included > band.above
                      ) as part
           ) as banded
     where usage.month = $1 and use.quantity > 0
), charged as (
    select customer_id, revision, sum(amount) as usage_charges from used group by customer_id, revision
), totals as (
    select charged.*, tier.rate_card_id, tier.base_price, customer.invoice_prefix, customer.tax_jurisdiction,
           customer.tax_status, tax.rate, tier.base_price + charged.usage_charges as subtotal,
           round((tier.base_price + charged.usage_charges) * tax.rate, 2) as tax_amount, app.new_id() as id
      from charged
      join customers customer on customer.id = charged.customer_id
      join tax_rates tax on tax.jurisdiction = customer.tax_jurisdiction
      join tier_features tier on tier.tier = 'fintech'
), bill as materialized (
    select *, subtotal + tax_amount as total, invoice_prefix || '-0001' as number, 'inv_' || id as named from totals
), invoice as (
    insert into invoices (
        id, customer_id, month, status, number, tier, currency, tier_base_cost, usage_charges, volume_discount,
        adjustments, subtotal, tax_rate, tax_amount, total_amount, rate_card_id, usage_revision, tier_periods,
        tax_jurisdiction, tax_status, issued_at, due_on, created_at, updated_at
    )
    select id, customer_id, $1, 'issued', number, 'fintech', 'USD', base_price, usage_charges, 0, 0, subtotal, rate,
           tax_amount, total, rate_card_id, revision,
           jsonb_build_array(jsonb_build_object('tier', 'fintech', 'from', $1::date, 'to', ($1 + interval '1 month')::date)),
           tax_jurisdiction, tax_status, $2::timestamptz, ($2 at time zone 'UTC')::date + 30, $2, $2
      from bill
), line as (
    insert into invoice_lines (
        customer_id, invoice_id, position, kind, metric, tier, description, quantity, billable, bands, amount
    )
    select customer_id, id, 1, 'base', null, 'fintech', 'Fintech base price, 2026-10-01 to 2026-11-01 (31 of 31 days)',
           31, null, '[]', base_price
      from bill
    union all
    select used.customer_id, bill.id, used.position, 'usage', used.metric, null, used.description, used.quantity,
           used.billable, used.bands, used.amount
      from used
      join bill on bill.customer_id = used.customer_id
    union all
    select customer_id, id, 8, 'tax', null, null,
           'Tax ' || tax_jurisdiction || ', ' || trim_scale(rate * 100)::text || ' %', null, null, '[]', tax_amount
      from bill
), counter as (
    insert into invoice_counters (customer_id, last_invoice) select customer_id, 1 from bill
), mail as (
    insert into outbox (customer_id, kind, key, payload)
    select customer_id, 'email', 'invoice-issued/' || id, jsonb_build_object('invoice_id', id) from bill
), event as materialized (
    select app.new_id() as id, customer_id, named,
           jsonb_build_object('run', $3::text, 'month', '2026-10', 'total', total::text, 'number', number) as told
      from bill
)
insert into audit_events (
    id, customer_id, event_type, action, resource_type, resource_id, actor, actor_kind, status, metadata, created_at,
    xid, leaf
)
select id, customer_id, 'invoice.issued', 'update', 'Invoice', named, 'billing run', 'system', 'success', told,
       app.made_at(id), pg_current_xact_id(),
       app.leaf(
           id, customer_id, 'invoice.issued', 'update', 'Invoice', named, 'billing run', 'system', null, null, null,
           'success', null, null, told
       )
  from event
