"""Readings made when an artifact is, of all known documents, so that a sandbox's first answer needs no schema.

They lie in `readings.json` beside the manifest; `local/readings.py` makes them:

    {"digest": "<of what they were made of>", "documents": {"<hash>": {"Dashboard": {"fields": [...], "reading": {...}}}}}

They are of that schema, those sources and that lock, and are not used with any others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from resolvers import manifest
from schema.context import Facts

if TYPE_CHECKING:
    from resolvers.reading import Reading

_log = logging.getLogger("landlord.readings")

ROOT: Final = Path(__file__).parent.parent
FILE: Final = "readings.json"

_FOLDERS = ("auth", "billing", "db", "resolvers", "schema")

# By the hash of a text and an operation's name, or None where a document has one operation.
Made = Mapping[tuple[str, str | None], Callable[[], "Reading"]]


def read(known: Path = manifest.MANIFEST, root: Path = ROOT) -> Made:
    """What was made of this manifest for the release in `root`; nothing where nothing was, or it was made of something else."""
    path = known.with_name(FILE)
    try:
        held = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    if held["digest"] != digest(root):
        _log.error("%s was made of other sources, and is not used: build the artifact anew", path)
        return {}
    found: dict[tuple[str, str | None], Callable[[], Reading]] = {}
    for hash, operations in held["documents"].items():
        for name, one in operations.items():
            make = partial(_reading, hash, name, one)
            found[hash, name] = make
            if len(operations) == 1:
                found[hash, None] = make
    return found


def digest(root: Path) -> str:
    """Of the sources that a reading is made of and runs by, the printed schema, and the versions of what is installed."""
    whole = sha256()
    for path in _sources(root):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for folder in _FOLDERS:
        yield from sorted((root / folder).rglob("*.py"))
    yield root / "schema" / "schema.graphql"
    yield root / "requirements.txt"


def _reading(hash: str, name: str, made: Mapping[str, Any]) -> Reading:
    from resolvers.reading import Reading

    facts = Facts(kind="query", name=name, document=hash, fields=tuple(made["fields"]))
    return Reading.of(made["reading"], facts)
