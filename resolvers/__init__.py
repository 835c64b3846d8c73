"""How root fields are answered, and all that stands between a request and its resolvers. No SQL, no rules.

- `http.py`: GraphQL over HTTP, bytes in and bytes out
- `engine.py`: one question in one operation: who asks, what it costs, what the answer says
- `execution.py`: what any document means, by graphql-core; `plan.py` runs most of them without its executor
- `readings.py`: what known documents mean, answered from rows by `reading.py` and `shapes/`; `drawing.py` makes them
- `limits.py`: how large, deep and long a request may be; `sizes.py` holds a document against it
- `cost.py`: what an operation costs, which `costing.py` finds out
- `access.py`: the scopes a document needs, and mutations whose refusals are data
- `operation.py`: one operation is one transaction
- `loaders.py`: one question for all who ask it together
- `<noun>.py`: the noun's root fields
"""
