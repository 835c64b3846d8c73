"""Prints the schema: `python -m schema.print > schema/schema.graphql`; a diff of that file is the review of the API."""

from schema.root import schema

if __name__ == "__main__":
    print(schema.as_str())
