"""`python -m local.readings MANIFEST [TREE]`: prints what of a manifest's documents is read, for the release in TREE, or this.

It belongs into `readings.json` beside the manifest: see `resolvers/beforehand.py`.
"""

import sys
from pathlib import Path

import orjson

from resolvers import manifest
from resolvers.beforehand import ROOT, digest
from resolvers.execution import Core
from resolvers.limits import LIMITS
from schema.root import schema


def made(known: Path, root: Path = ROOT) -> bytes:
    """Of a manifest's documents, as far as their operations are read."""
    core = Core(schema, LIMITS)
    documents = {}
    for hash, text in manifest.read(known).items():
        operations = {
            name: {"fields": facts.fields, "reading": data}
            for name, facts, data in core.drawn(text)
            if data is not None
        }
        if operations:
            documents[hash] = operations
    return orjson.dumps({"digest": digest(root), "documents": documents}, option=orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.stdout.buffer.write(made(*map(Path, sys.argv[1:])))
