"""Who is asking, and what they may do.

Owns API keys, session tokens, scopes, the caller made from them, the cache of keys once verified, and the signed
contexts by which the database believes whom a transaction speaks for.
Does not own what keys, customers and epochs are at this moment (the database's, through `app.open`), nor which scope a
field needs (the field's own declaration), nor the HTTP header that the credentials came in.
"""
