"""The printed schema is the API as it stands, so that its diff is the review of every change."""

from pathlib import Path

from graphql import get_named_type, is_input_object_type

from schema.print import printed
from schema.root import schema

PRINTED = Path(__file__).parent.parent / "schema" / "schema.graphql"


def test_the_printed_schema_is_current() -> None:
    assert PRINTED.read_text() == printed(schema), "`make schema` prints it anew"


def test_what_holds_everywhere_is_told_before_anything_else() -> None:
    """In GraphiQL too, which asks for it by introspection."""
    told = schema.execute_sync("{ __schema { description } }")
    assert told.errors is None
    assert told.data is not None
    assert "newest first" in told.data["__schema"]["description"]
    assert PRINTED.read_text().startswith(f'"""\n{told.data["__schema"]["description"]}\n"""\nschema {{')


def test_every_type_field_and_argument_has_a_description() -> None:
    silent = []
    for name, type_ in schema._schema.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Boolean", "ID", "Float"}:
            continue
        if not type_.description:
            silent.append(name)
        for field_name, field in getattr(type_, "fields", {}).items():
            if not field.description:
                silent.append(f"{name}.{field_name}")
            silent += [
                f"{name}.{field_name}({argument})"
                for argument, given in getattr(field, "args", {}).items()
                # `input` and `filter` are told by the description of their type
                if not given.description and not is_input_object_type(get_named_type(given.type))
            ]
    assert silent == []


def test_no_amount_is_a_float() -> None:
    assert "Float" not in PRINTED.read_text()
