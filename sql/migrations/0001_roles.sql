-- migrate:up
-- The roles of one cluster: who owns, who guards, who logs in. No runtime role owns anything or may become another.
--
--   landlord_migrator   made before the first migration: LOGIN, CREATEROLE, no superuser; runs these files
--   landlord_owner      owns tables; under FORCE and without a policy it sees no row
--   landlord_guard      owns the signing keys and the functions that look further than their caller
--   landlord_tenant     answers tenants: one customer's rows, under a signed context
--   landlord_operator   answers operators: all rows, under an operator's signed context
--   landlord_worker     bills and delivers: its queues, and the customers whose items its transaction has claimed
--   landlord_auditor    seals and archives the audit trail
--   landlord_analytics  reports: listed columns, none of them personal
--
-- Roles belong to the cluster, so a second database of it finds them here already.
do $$
declare
    wanted text;
begin
    foreach wanted in array array['landlord_owner', 'landlord_guard'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin noinherit', wanted);
        end if;
    end loop;
    foreach wanted in array array[
        'landlord_tenant', 'landlord_operator', 'landlord_worker', 'landlord_auditor', 'landlord_analytics'
    ] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I login noinherit', wanted);
        end if;
    end loop;
end
$$;

-- To create as owner and guard the migrator has to become them; the runner takes this back after the last file.
grant landlord_owner, landlord_guard to current_user with inherit false, set true;

-- Time limits and the path stand on the role: a proxy drops what a client asks for at its start.
alter role landlord_tenant set search_path = landlord;
alter role landlord_tenant set jit = off;
alter role landlord_tenant set statement_timeout = '10s';
alter role landlord_tenant set lock_timeout = '5s';
alter role landlord_tenant set idle_in_transaction_session_timeout = '30s';
alter role landlord_operator set search_path = landlord;
alter role landlord_operator set jit = off;
alter role landlord_operator set statement_timeout = '30s';
alter role landlord_operator set lock_timeout = '5s';
alter role landlord_operator set idle_in_transaction_session_timeout = '30s';
alter role landlord_worker set search_path = landlord;
alter role landlord_worker set jit = off;
alter role landlord_worker set statement_timeout = '120s';
alter role landlord_worker set lock_timeout = '30s';
alter role landlord_worker set idle_in_transaction_session_timeout = '120s';
alter role landlord_auditor set search_path = landlord;
alter role landlord_analytics set search_path = landlord;

-- Nothing for PUBLIC: no temporary tables, no place to create anything.
do $$
begin
    execute format('revoke all on database %I from public', current_database());
    execute format(
        'grant connect on database %I to landlord_tenant, landlord_operator, landlord_worker, landlord_auditor, landlord_analytics',
        current_database()
    );
end
$$;

create schema landlord authorization landlord_owner;   -- tables
create schema app authorization landlord_guard;        -- functions
do $$
begin
    if exists (select from pg_namespace where nspname = 'public' and pg_has_role(nspowner, 'usage')) then
        revoke all on schema public from public;
    end if;
end
$$;

set local role landlord_owner;
grant usage on schema landlord to
    landlord_guard, landlord_tenant, landlord_operator, landlord_worker, landlord_auditor, landlord_analytics;
alter default privileges revoke execute on functions from public;
set local role landlord_guard;
grant usage on schema app to landlord_migrator,
    landlord_owner, landlord_tenant, landlord_operator, landlord_worker, landlord_auditor, landlord_analytics;
alter default privileges revoke execute on functions from public;
