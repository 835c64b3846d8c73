"""The artifacts of both targets, each built a second time elsewhere: they are the same bytes, and hold nothing that is made for another.

`make artifacts` runs it, and has built them before. The second time all is another that a build may not see: the folder, the
dates of our files, the umask, the time zone, the hash seed, and what else the environment says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import package

ROOT = Path(__file__).parents[2]
TARGETS = [("arm64", "3.13"), ("x86_64", "3.11")]
# as `importlib.util.MAGIC_NUMBER` is in these versions
MAGIC = {"3.11": 3495, "3.12": 3531, "3.13": 3571, "3.14": 3627}
COMPILED = {"arm64": 183, "x86_64": 62}  # e_machine in an ELF header
MOST = {"api": 12_000_000, "worker": 80_000_000}  # bytes, zipped

pytestmark = [
    pytest.mark.parametrize("functions", ["api", "worker"]),
    pytest.mark.parametrize(("architecture", "python"), TARGETS, ids=["-py".join(target) for target in TARGETS]),
]


def artifact(root: Path, functions: str, architecture: str, python: str) -> Path:
    return root / "build" / f"landlord-{functions}-{architecture}-py{python}.zip"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Our files once more, in another folder and of another day."""
    copy = tmp_path_factory.mktemp("elsewhere") / "a folder of another name"
    tracked = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    files = [Path(name) for name in tracked.split("\0") if name and not name.startswith(("tests/", "bench/", "docs/"))]
    files += [path.relative_to(ROOT) for path in (ROOT / "graphiql" / "dist").rglob("*") if path.is_file()]
    for name in reversed(files):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
        os.utime(copy / name, (10**9, 10**9))
    (copy / "node_modules").symlink_to(ROOT / "node_modules")
    yield copy
    shutil.rmtree(copy)


def test_it_is_the_same_bytes_wherever_it_is_built(
    elsewhere: Path, functions: str, architecture: str, python: str
) -> None:
    asked = [sys.executable, "-m", "local.package", "--functions", functions]
    subprocess.run(
        [*asked, "--architecture", architecture, "--python", python],
        cwd=elsewhere,
        env=os.environ | {"TZ": "Asia/Tokyo", "LANG": "C", "PYTHONHASHSEED": "7", "UV_COMPILE_BYTECODE": "1"},
        umask=0o077,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    built = artifact(elsewhere, functions, architecture, python)
    assert built.stat().st_mode & 0o777 == 0o600
    here = artifact(ROOT, functions, architecture, python)
    assert contents(built) == contents(here)
    assert built.read_bytes() == here.read_bytes()
    built.unlink()


def contents(path: Path) -> dict[str, int]:
    """Checksums by name, in order: what differs can be named."""
    with zipfile.ZipFile(path) as packed:
        return {entry.filename: entry.CRC for entry in packed.infolist()}


def test_what_is_compiled_is_for_the_target(functions: str, architecture: str, python: str) -> None:
    with zipfile.ZipFile(artifact(ROOT, functions, architecture, python)) as packed:
        names = packed.namelist()
        heads = {name: packed.open(name).read(20) for name in names}
    elves = {name: head for name, head in heads.items() if head[:4] == b"\x7fELF"}
    assert {name for name in names if name.endswith(".so") or ".so." in name} == set(elves)
    assert {"asyncpg", "orjson", "bcrypt"} <= {name.partition("/")[0] for name in elves}
    assert {int.from_bytes(head[18:20], "little") for head in elves.values()} == {COMPILED[architecture]}
    others = [name for name in elves if "cpython-" in name and f".cpython-{python.replace('.', '')}-" not in name]
    assert others == []


def test_every_module_is_compiled_and_none_is_checked_by_its_date(
    functions: str, architecture: str, python: str
) -> None:
    if package.interpreter_of(python) is None:
        pytest.skip(f"this machine has no Python {python} to compile it")
    tag = f"cpython-{python.replace('.', '')}"
    with zipfile.ZipFile(artifact(ROOT, functions, architecture, python)) as packed:
        sources = {name for name in packed.namelist() if name.endswith(".py")}
        compiled = {name: packed.open(name).read(8) for name in packed.namelist() if name.endswith(".pyc")}
    assert len(sources) > 500
    assert set(compiled) == {
        "/".join([*name.split("/")[:-1], "__pycache__", name.split("/")[-1].removesuffix("py") + f"{tag}.pyc"])
        for name in sources
    }
    # the version, and flags: with a hash of the source, which is not looked at
    assert set(compiled.values()) == {MAGIC[python].to_bytes(2, "little") + b"\r\n" + (1).to_bytes(4, "little")}


def test_it_is_small_enough_to_start_quickly(functions: str, architecture: str, python: str) -> None:
    assert artifact(ROOT, functions, architecture, python).stat().st_size < MOST[functions]
