"""The tabs that the explorer opens with are valid against the schema, and stay what GraphiQL can show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate

ROOT = Path(__file__).parent.parent
QUERIES = sorted((ROOT / "graphiql" / "queries").glob("*.graphql"))

each_tab = pytest.mark.parametrize("query", QUERIES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema" / "schema.graphql").read_text())


@each_tab
def test_a_tab_is_valid(query: Path, schema: GraphQLSchema) -> None:
    assert validate(schema, parse(query.read_text())) == []


@each_tab
def test_a_tab_has_one_operation_named_as_its_file(query: Path) -> None:
    """GraphiQL titles the tab by it, and a person looks for the file by the title."""
    operations = [node for node in parse(query.read_text()).definitions if isinstance(node, OperationDefinitionNode)]
    names = [node.name.value for node in operations if node.name]
    assert names == ["".join(word.capitalize() for word in query.stem.split("_"))]


def test_the_explorer_opens_with_every_query_the_dashboard_first() -> None:
    tabs = (ROOT / "graphiql" / "tabs.js").read_text()
    imported = dict(re.findall(r"import (\w+) from './queries/(\w+\.graphql)\?raw'", tabs))
    assert sorted(imported.values()) == [query.name for query in QUERIES]
    opened = re.findall(r"{ query: (\w+)", tabs)
    assert sorted(opened) == sorted(imported)
    assert imported[opened[0]] == "dashboard.graphql"
