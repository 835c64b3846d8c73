"""The product on one machine: PostgreSQL, demo data and the server behind `make run`; and how the artifact is built.

Nothing here is deployed, and nothing that is deployed imports it.
"""
