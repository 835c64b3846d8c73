"""A database from before invoices named their customers."""

from __future__ import annotations

import asyncpg
import orjson

from db import migrate
from local import database, postgres


async def test_invoices_that_have_a_number_name_their_customer_of_the_day_of_the_upgrade(
    cluster: postgres.Cluster,
) -> None:
    secrets = database.secrets_of(cluster.home)
    steps = migrate.migrations()
    before = [step for step in steps if step.version < "0015"]
    superuser = await asyncpg.connect(cluster.superuser_url)
    await migrate.bootstrap(superuser, secrets["migrator"])
    await superuser.execute("create database upgraded owner landlord_migrator")
    await superuser.close()
    url = database.admin_url(cluster.superuser_url, "upgraded")
    migrator = await asyncpg.connect(url, user="landlord_migrator", password=secrets["migrator"])
    assert (await migrate.migrate(migrator, steps=before))[-1] == before[-1].version
    admin = await asyncpg.connect(url, server_settings={"search_path": "landlord"})
    await admin.execute(
        """
        insert into customers (name, email, billing_email, tax_jurisdiction, tax_status, active_from)
        values ('Old & Co', 'a@old.example', 'b@old.example', 'DE', 'taxable', '2025-01-01');
        insert into rate_cards (name, currency, effective_from) values ('first', 'USD', '2025-01-01');
        insert into invoices (customer_id, month, tier, currency, tier_base_cost, usage_charges, volume_discount, subtotal,
                              tax_rate, tax_amount, total_amount, rate_card_id, usage_revision, tier_periods,
                              tax_jurisdiction, tax_status)
        select c.id, month, 'standard', 'USD', 0, 0, 0, 0, 0, 0, 0, r.id, 1, '[]', 'DE', 'taxable'
          from customers c, rate_cards r, unnest('{2025-01-01,2025-02-01}'::date[]) as month;
        update invoices
           set status = 'paid', number = 'K7M2QX-0001', issued_at = '2025-02-01 10:00Z', due_on = '2025-03-03',
               paid_at = '2025-02-01 10:00Z'
         where month = '2025-01-01';
        """
    )
    assert await migrate.migrate(migrator) == [step.version for step in steps if step.version >= "0015"]
    rows = await admin.fetch("select billed_to from invoices order by month")
    assert orjson.loads(rows[0]["billed_to"]) == {
        "name": "Old & Co",
        "email": "b@old.example",
        "aws_org_id": None,
        "aws_account_id": None,
    }
    assert rows[1]["billed_to"] is None
    forced = await admin.fetch("select relforcerowsecurity from pg_class where relname in ('invoices', 'customers')")
    assert [row["relforcerowsecurity"] for row in forced] == [True, True]
    await migrator.close()
    await admin.close()
