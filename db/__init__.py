"""Every question put to the database: one module a noun, one function a question.

Owns the session, the rows' types and the text of every statement.
Does not own GraphQL, decisions about money or who may ask: those are `schema/`, `billing/` and `auth/`.
"""
