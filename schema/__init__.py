"""What clients see: types, their fields and descriptions. No SQL, no rules; imports nothing itself.

- `scalars.py`: one text form for each scalar, in and out
- `ids.py`: TypeIDs, a prefix and a UUID as 26 characters
- `enums.py`: the domain's words, described
- `pagination.py`: connections, edges and cursors
- `access.py`: what a field needs, declared beside it
- `errors.py`: the one table from what the domain raises to what a caller reads
- `context.py`: what a resolver finds in `info.context`
- `<noun>.py`: a noun's types, inputs, filters and payloads, made from rows by `of`
- `root.py`: Query and Mutation put together, the one module here that imports resolvers
- `schema.graphql`: what all of it prints
"""
