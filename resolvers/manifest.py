"""Documents that are known before anybody asks them: of front ends that are ours, by the SHA-256 of their whole text.

    documents = Documents(read(path), alone=True)      # nothing else runs
    text, hash = documents.text(query, hash)           # raises Unknown

`python -m resolvers.manifest FOLDER...` prints the manifest of all `*.graphql` files in these folders and below:

    {"<hash>": {"operations": ["Dashboard"], "text": "query Dashboard { ... }"}, ...}

A client sends the text or, as `extensions.persistedQuery.sha256Hash`, its hash. Never a name: who could choose what a
name stands for could choose what runs. Nor can a client add to it while it runs, as in Apollo's own scheme.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from db.errors import LandlordError

if TYPE_CHECKING:
    from graphql import GraphQLSchema

MANIFEST: Final = Path(__file__).with_name("manifest.json")
_SCHEMA: Final = Path(__file__).parent.parent / "schema" / "schema.graphql"


class Unknown(LandlordError):
    """No document runs for this request; the message says which kind of unknown it is."""

    code = "BAD_REQUEST"


class Unfit(Exception):
    """A file that cannot be in a manifest; the message names it, and says why."""


@dataclass(frozen=True, slots=True)
class Documents:
    """`known` are texts by their hash. `alone`: they are all that runs."""

    known: Mapping[str, str] = field(default_factory=dict)
    alone: bool = False

    def text(self, query: str, hash: str | None) -> tuple[str, str]:
        """What is to run, and its hash, of a client that sends one or both of them; `query` is empty without. Raises Unknown."""
        if not query:
            text = self.known.get(hash or "")
            if hash is None or text is None:
                # in these very words Apollo's clients, and those that do as they do, send the text after all
                raise Unknown("PersistedQueryNotFound")
            return text, hash
        own = hash_of(query)
        if hash is not None and hash != own:
            raise Unknown("`sha256Hash` is the hash of another text than that of `query`.")
        if self.alone and own not in self.known:
            raise Unknown("Only documents that were made known beforehand run here, and this is none of them.")
        return query, own


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def read(path: Path = MANIFEST) -> dict[str, str]:
    """Texts by their hash. Raises ValueError where an entry's hash is not that of its text."""
    found = {hash: entry["text"] for hash, entry in orjson.loads(path.read_bytes()).items()}
    for hash, text in found.items():
        if hash != hash_of(text):
            raise ValueError(f"{path}: {hash} is the hash of another text")
    return found


def operations(path: Path = MANIFEST) -> dict[str, list[str]]:
    """The names of their operations by the documents' hashes."""
    return {hash: entry["operations"] for hash, entry in orjson.loads(path.read_bytes()).items()}


def manifest(folders: Sequence[Path], schema: GraphQLSchema) -> bytes:
    """Of all documents in these folders, in the order of their operations' names. Raises Unfit."""
    entries: dict[str, tuple[list[str], str]] = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*.graphql")):
        text = path.read_text()
        entries[hash_of(text)] = (_operations(path, text, schema), text)
    ordered = sorted(entries.items(), key=lambda entry: (entry[1][0], entry[0]))
    told = {hash: {"operations": operations, "text": text} for hash, (operations, text) in ordered}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _operations(path: Path, text: str, schema: GraphQLSchema) -> list[str]:
    from graphql import GraphQLError, OperationDefinitionNode, parse, validate

    try:
        document = parse(text)
    except GraphQLError as error:
        raise Unfit(f"{path}: {error.message}") from None
    errors = validate(schema, document)
    if errors:
        raise Unfit(f"{path}: {errors[0].message}")
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if not all(node.name for node in operations):
        raise Unfit(f"{path}: the operation has no name, by which the log tells it from others")
    return [node.name.value for node in operations if node.name]


def main(folders: Sequence[str]) -> int:
    """The exit code."""
    from graphql import build_schema

    try:
        sys.stdout.buffer.write(manifest([Path(folder) for folder in folders], build_schema(_SCHEMA.read_text())))
    except Unfit as unfit:
        sys.stderr.write(f"landlord: {unfit}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
