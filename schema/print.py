"""Prints the schema: `python -m schema.print > schema/schema.graphql`; a diff of that file is the review of the API."""

from __future__ import annotations

import strawberry
from graphql.utilities.print_schema import print_schema_definition

from schema.root import schema


def printed(schema: strawberry.Schema) -> str:
    """As strawberry prints it, behind the description of the whole, which it leaves out."""
    return f"{print_schema_definition(schema._schema)}\n\n{schema.as_str()}\n"


if __name__ == "__main__":
    print(printed(schema), end="")
