"""How root fields are answered, and all that stands between a request and its resolvers. No SQL, no rules.

- `http.py`: GraphQL over HTTP, bytes in and bytes out
- `execution.py`: one document against the schema: cache, limits, scopes, running, errors
- `limits.py`: how large, deep and long a request may be
- `access.py`: the scopes a document needs, and mutations whose refusals are data
- `operation.py`: one operation is one transaction
- `loaders.py`: one question for all who ask it together
- `<noun>.py`: the noun's root fields
"""
