"""What clients see: types, their fields and descriptions. No SQL, no rules; imports nothing itself.

- `scalars.py`: one text form for each scalar, in and out; `texts.py` has those that need no schema
- `ids.py`: TypeIDs, a prefix and a UUID as 26 characters
- `enums.py`: the domain's words, described
- `pagination.py`: connections and edges, over the windows and cursors of `windows.py`
- `access.py`: what a field needs, declared beside it
- `codes.py`: the one table from what the domain raises to the code that a caller reads; `errors.py`: refusals as data
- `context.py`: what a resolver finds in `info.context`
- `<noun>.py`: a noun's types, inputs, filters and payloads, made from rows by `of`
- `root.py`: Query and Mutation put together, the one module here that imports resolvers
- `schema.graphql`: what all of it prints
"""
