"""Money and time: what a customer owes for a month, and how that becomes an invoice.

Owns the rules of pricing, the price list's form and its text, months and days, and every rounding.
Does not own SQL text, GraphQL or who may ask: those are `db/`, `schema/` and `auth/`.
`money`, `periods`, `rate_card`, `price_list` and `rating` are pure: no database, no clock, no network.
"""
