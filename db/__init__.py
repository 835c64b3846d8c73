"""Every question put to the database: one module a noun, one function a question.

Owns the session, the rows' types and the text of every statement; and, since all who ask AWS stand above it, how one
of boto3's clients is made (`clients.py`).
Does not own GraphQL, decisions about money or who may ask: those are `schema/`, `billing/` and `auth/`.
"""
