"""`python -m local.bytecode TREE`: compiles all of TREE for the Python that runs this, into the same bytes every time.

The files are not checked against their sources when they are loaded (PEP 552, unchecked hashes): the artifact's dates say
nothing. Tracebacks name them as they are named where Lambda unpacks them. Order and hash seed are part of the bytes, since
Python's own writer of them looks at how often a constant is referred to: so `PYTHONHASHSEED=0`.
"""

import os
import py_compile
import sys
from pathlib import Path

UNPACKED = "/var/task"


def main() -> None:
    """Raises PyCompileError for what is no Python."""
    tree = Path(sys.argv[1])
    assert os.environ.get("PYTHONHASHSEED") == "0"
    for path in sorted(tree.rglob("*.py"), key=lambda path: path.relative_to(tree).as_posix()):
        py_compile.compile(
            str(path),
            dfile=f"{UNPACKED}/{path.relative_to(tree).as_posix()}",
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


if __name__ == "__main__":
    main()
