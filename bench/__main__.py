"""`python -m bench`: what the README speaks of, a minute's worth. Each is also a program of its own, with options."""

from bench import authentication, billing, queries

billing.main([])
queries.main([])
authentication.main([])
