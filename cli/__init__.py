"""The `landlord` command for staff and scripts: what they type, and how an answer reads.

It has no rule of its own: it asks the API with an operator's key, or the database as its migrator.
"""
