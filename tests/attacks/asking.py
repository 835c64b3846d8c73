"""Questions whose answer would tell whether something is there: keys, unique values, conflicts, locks and lengths."""

from __future__ import annotations

from tests.attacks.attack import Attack, asks

ATTACKS: list[Attack] = [
    asks("whether a ticket is there, by a foreign key",
         "insert into ticket_comments (customer_id, ticket_id, author, author_kind, body) values ('@me', '@it', 'mallory', 'tenant', 'x')",
         ends="23503", it="neighbour_ticket"),
    asks("whether a ticket is there, by its primary key",
         "insert into support_tickets (id, customer_id, subject, created_by) values ('@it', '@me', 'planted', 'mallory')",
         ends="42501|-", it="neighbour_ticket"),
    asks("whether a customer is there, by a foreign key",
         "insert into support_tickets (customer_id, subject, created_by) values ('@it', 'planted', 'mallory')",
         "insert into outbox (customer_id, kind, key, payload) values ('@it', 'email', 'planted', '{}')",
         "insert into audit_events (customer_id, event_type, action, actor, actor_kind, status)"
         " values ('@it', 'planted', 'read', 'mallory', 'tenant', 'success')", ends="42501 42501 42501", it="neighbour"),
    asks("whether a key of idempotency is in use, by its uniqueness",
         "insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)"
         " values ('@me', '@my_key', 'openTicket', '@it', sha256(''), 'x')",
         "insert into idempotency_keys (customer_id, api_key_id, mutation, key, fingerprint, object_id)"
         " values ('@neighbour', '@neighbour_key', 'openTicket', '@it', sha256(''), 'x') on conflict do nothing",
         ends="- 42501", it="neighbour_idempotency_key", nobodys="nobodys_text"),
    asks("whether a message is queued, by its uniqueness",
         "insert into outbox (customer_id, kind, key, payload) values ('@me', 'email', '@it', '{}')",
         "insert into outbox (customer_id, kind, key, payload) values ('@neighbour', 'email', '@it', '{}') on conflict do nothing",
         ends="- 42501", it="neighbour_outbox_key", nobodys="nobodys_text"),
    asks("whether a row is there, by what is touched",
         "update support_tickets set status = 'closed' where id = '@it'",
         "update api_keys set revoked_at = now() where id = '@it'", "delete from idempotency_keys where api_key_id = '@it'",
         "select count(*) from customers where id = '@it'", ends="- - - -", it="neighbour_ticket"),
    asks("whether a row is there, by a lock on it",
         "set local lock_timeout = '50ms'", "select id from support_tickets where id = '@it' for no key update",
         "select id from support_tickets where id = '@it' for share nowait",
         "select count(*) from support_tickets where id = '@it' and '@held' <> ''",
         "update support_tickets set status = 'closed' where id = '@it'", ends="- - - - -", it="neighbour_ticket"),
    asks("whether a row is there, by an error in reading it",
         "select 1 / count(*) from support_tickets where id = '@it'", "select 1 / (select count(*) from customers where id = '@it')",
         "select (select subject from support_tickets where id = '@it')::int", ends="22012 22012 -", it="neighbour_ticket"),
    asks("whether a public prefix is known, by the lookup and the refusal",
         "select app.find_api_key('@context.lookup.@it.9999999999.aaaaaaaaaaaaaaaaaaaaaaaa.' || repeat('0', 64))",
         "select app.record_refusal('@context.refusal.@it.9999999999.aaaaaaaaaaaaaaaaaaaaaaaa.' || repeat('0', 64), '@event')",
         "select count(*) from api_keys where prefix = '@it'", ends="LL002 LL002 -", it="neighbour_prefix", nobodys="nobodys_prefix"),
    asks("whether a key is there, by a context that is not signed",
         "select app.open('@self_signed', '{\"key\": \"@it\", \"session\": null, \"epoch\": null}', null, false)",
         "select app.open('@own', '{\"key\": \"@it\", \"session\": null, \"epoch\": null}', null, false)",
         ends="LL002 LL004", it="neighbour_key"),
    asks("whether a session has ended, by another customer's context",
         "select app.open('@own', '{\"key\": \"@my_key\", \"session\": \"@it\", \"epoch\": 1}', null, false)",
         ends="-", it="neighbour_ended_session"),
    asks("whether an invoice's number is taken",
         "select number from invoices where number = '@it'", "select count(*) from invoices where number like left('@it', 6) || '%'",
         ends="- -", it="neighbour_number", nobodys="nobodys_number"),
]  # fmt: skip
