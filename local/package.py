"""Builds what Lambda runs: `build/landlord-<functions>-<architecture>-py<version>.zip`, the same bytes at every build.

It holds locked packages, by their hashes, and our own tree as it stands here, without what is for this machine alone.
Nothing of the building machine gets in: no dates, no order of files, no paths. There are two of them: the API's, which
has to start quickly, and the workers', with what sets PDFs besides.

All of it is compiled too (`local.bytecode`), which saves a start more than half of its time: Lambda unpacks it where nothing can
be written, and Python would compile it anew at every start. That takes a Python of the version that Lambda has; where this
machine has none, the artifact is one without, and this says so.
"""

import argparse
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build"

# Lambda unpacks no more than this, layers included
_LIMIT = 250 * 1024 * 1024

_LOCKS = {"api": ROOT / "requirements.txt", "worker": ROOT / "requirements-worker.txt"}

# of the services that our code asks, those that the artifact's functions have no setting for, and so never ask
_NOT_ASKED = {"api": {"s3"}, "worker": set[str]()}

# the authorities by which functions know the database: the API's reach its proxy alone (infra/authorities.js)
_AUTHORITIES = {"api": ("proxy",), "worker": ("proxy", "cluster")}

_ELF = b"\x7fELF"
# as an ELF file names its processor
_MACHINES = {"arm64": b"\xb7\x00", "x86_64": b"\x3e\x00"}

# what an installer leaves that differs from machine to machine, or that nobody imports
_LEFT_OUT = {"bin", ".lock", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}

# packages of ours that no function needs: what is for this machine, and the command line
_NOT_DEPLOYED = {"local", "cli"}


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m local.package", description=__doc__.splitlines()[0])
    parser.add_argument("--functions", choices=list(_LOCKS), default="api", help="for which it is (default: api)")
    parser.add_argument("--architecture", choices=["arm64", "x86_64"], default="arm64")
    parser.add_argument("--python", default="3.13", help="version of the Lambda runtime (default: 3.13)")
    asked = parser.parse_args()
    began = time.perf_counter()
    tree = BUILD / f"landlord-{asked.functions}-{asked.architecture}-py{asked.python}"
    shutil.rmtree(tree, ignore_errors=True)
    try:
        install(tree, _LOCKS[asked.functions], architecture=asked.architecture, python=asked.python)
    except subprocess.CalledProcessError as problem:
        print(f"landlord: the packages could not be installed (uv ended with {problem.returncode}).", file=sys.stderr)
        return 1
    copy_ours(tree)
    read_beforehand(tree, _LOCKS[asked.functions])
    forget_services(tree, used_services() - _NOT_ASKED[asked.functions])
    for place in _AUTHORITIES[asked.functions]:
        (tree / f"{place}-ca.pem").write_bytes(authorities(place))
    if foreign := made_for_others(tree, architecture=asked.architecture, python=asked.python):
        print(f"landlord: not made for {asked.architecture} and Python {asked.python}: {foreign}", file=sys.stderr)
        return 1
    if not compile_all(tree, python=asked.python):
        print(
            f"landlord: nothing is compiled, since this machine has no Python {asked.python}: each start of a sandbox will take"
            f" a second longer. Put a python{asked.python} on the PATH before this is deployed.",
            file=sys.stderr,
        )
    for path in files(tree):
        if _head(path)[:4] == _ELF:
            path.write_bytes(loadable(path.read_bytes()))
    artifact = tree.with_name(tree.name + ".zip")
    pack(tree, artifact)
    size = sum(path.stat().st_size for path in files(tree))
    took = time.perf_counter() - began
    print(
        f"{artifact.relative_to(ROOT)}: {artifact.stat().st_size / 1e6:.1f} MB, unpacked {size / 1e6:.1f} MB,"
        f" built in {took:.0f} s"
    )
    if size > _LIMIT:
        print(f"landlord: Lambda takes {_LIMIT / 1e6:.0f} MB at most.", file=sys.stderr)
        return 1
    return 0


def install(tree: Path, lock: Path, *, architecture: str, python: str) -> None:
    """The locked packages, as wheels made for Lambda, whatever machine this is."""
    machine = {"arm64": "aarch64", "x86_64": "x86_64"}[architecture]
    command = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--target", str(tree)]
    command += ["--python-platform", f"{machine}-manylinux_2_28", "--python-version", python, "--only-binary", ":all:"]
    command += ["--no-deps", "--require-hashes", "--link-mode", "copy", "-r", str(lock)]
    subprocess.run(command, check=True)


def copy_ours(tree: Path, *, root: Path = ROOT) -> None:
    """Our packages and modules as pyproject.toml lists them, and what they read: migrations, templates, explorer."""
    ours = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    wanted = [root / f"{module}.py" for module in ours["py-modules"]]
    for package in ours["packages"]:
        if package not in _NOT_DEPLOYED:
            wanted += [
                path for path in (root / package).rglob("*") if path.suffix in {".py", ".graphql", ".json", ".typ"}
            ]
    wanted += (root / "sql").rglob("*.sql")
    wanted += (path for path in (root / "graphiql" / "dist").rglob("*") if path.is_file() and path.name[0] != ".")
    for path in wanted:
        copy = tree / path.relative_to(root)
        if copy.exists():
            raise FileExistsError(f"{copy.relative_to(tree)} is ours, and an installed package brings one too")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def read_beforehand(tree: Path, lock: Path) -> None:
    """Known documents are drawn now, of what lies in `tree`, its lock included: see local/readings.py."""
    shutil.copyfile(lock, tree / "requirements.txt")
    command = [sys.executable, "-m", "local.readings", str(tree / "resolvers" / "manifest.json"), str(tree)]
    made = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout
    (tree / "resolvers" / "readings.json").write_bytes(made)


def authorities(place: str) -> bytes:
    """Whom to believe that a server is the database's `proxy`, or its `cluster`: PEM. Raises CalledProcessError."""
    return subprocess.run(["node", "infra/authorities.js", place], cwd=ROOT, capture_output=True, check=True).stdout


def used_services(*, root: Path = ROOT) -> set[str]:
    """The AWS services that our code makes a boto3 client of."""
    ours = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]
    sources = [root / f"{module}.py" for module in ours["py-modules"]]
    sources += [
        path for package in ours["packages"] if package not in _NOT_DEPLOYED for path in (root / package).rglob("*.py")
    ]
    return {name for path in sources for name in re.findall(r'boto3\.client\(\s*"([a-z0-9-]+)"', path.read_text())}


def forget_services(tree: Path, used: Collection[str]) -> None:
    """Drop what botocore knows of all other services: four fifths of it, and half of the artifact. boto3's resources too."""
    for service in sorted(tree.glob("botocore/data/*/")):
        if service.name not in used:
            shutil.rmtree(service)
    shutil.rmtree(tree / "boto3" / "data", ignore_errors=True)


def compile_all(tree: Path, *, python: str) -> bool:
    """Compile what is in `tree`, and nothing that was compiled elsewhere stays; False where no such Python is here."""
    for compiled in [*tree.rglob("__pycache__")]:
        shutil.rmtree(compiled)
    if (interpreter := interpreter_of(python)) is None:
        return False
    command = [interpreter, "-S", "-B", "-m", "local.bytecode", str(tree)]
    subprocess.run(command, check=True, cwd=ROOT, env=_plain(python) | {"PYTHONHASHSEED": "0"})
    return True


def interpreter_of(python: str) -> str | None:
    """A Python of this version on this machine: the one that runs this, or one on the PATH."""
    if python == "{}.{}".format(*sys.version_info[:2]):
        return sys.executable
    for folder in os.get_exec_path():
        found = os.path.join(folder, f"python{python}")
        if os.access(found, os.X_OK):
            asked = [found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            said = subprocess.run(asked, capture_output=True, text=True, env=_plain(python))
            if said.stdout.strip() == python:
                return found
    return None


def _plain(python: str) -> dict[str, str]:
    """An environment in which nothing changes how a Python works; pyenv's stand-ins are told which one is meant."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYENV_VERSION"))}
    return kept | {"PYENV_VERSION": python}


def made_for_others(tree: Path, *, architecture: str, python: str) -> list[str]:
    """What is compiled and does not fit, by the machine in its header and the Python in its name."""
    version = "cpython-" + python.replace(".", "")
    return [
        path.relative_to(tree).as_posix()
        for path in files(tree)
        if (head := _head(path))[:4] == _ELF
        and (head[18:20] != _MACHINES[architecture] or ("cpython-" in path.name and f"{version}-" not in path.name))
    ]


def loadable(compiled: bytes) -> bytes:
    """An ELF file of 64 bits without what only debuggers and linkers read: two thirds of the compiled files as they are packed.

    Whoever loads it goes by its segments, so it may end with the last of them; the table of sections, behind that, is left out.
    `strip` does so for the machine's own processor; the artifact is for another.
    """
    (segments,), (size, count) = struct.unpack_from("<Q", compiled, 32), struct.unpack_from("<HH", compiled, 54)
    end = 0
    for number in range(count):
        at = segments + number * size
        (offset,), (length,) = struct.unpack_from("<Q", compiled, at + 8), struct.unpack_from("<Q", compiled, at + 32)
        end = max(end, offset + length)
    kept = bytearray(compiled[:end])
    struct.pack_into("<Q", kept, 40, 0)  # where the sections are
    struct.pack_into("<HHH", kept, 58, 0, 0, 0)  # how large each is, how many there are, which names them
    return bytes(kept)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(20)


def files(tree: Path) -> Iterator[Path]:
    """What belongs into the artifact, in the one order that it has."""
    for path in sorted(tree.rglob("*"), key=lambda path: path.relative_to(tree).as_posix()):
        if path.is_file() and not _LEFT_OUT.intersection(path.relative_to(tree).parts):
            yield path


def pack(tree: Path, artifact: Path) -> None:
    """A zip of `tree` whose bytes follow from names and contents alone."""
    with zipfile.ZipFile(artifact, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in files(tree):
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes(), compresslevel=9)


if __name__ == "__main__":
    sys.exit(main())
