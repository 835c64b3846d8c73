-- migrate:up
-- What tenants and operators ask is planned once, for any values, while tables may be small or a month of the trail empty:
-- reading those whole seems to cost nothing then, and to sort what was found less than to read an index from its end.
-- All that they ask has an index; `landlord_worker` has been told the same.
alter role landlord_tenant set enable_seqscan = off;
alter role landlord_operator set enable_seqscan = off;
