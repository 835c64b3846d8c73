"""The artifact: its bytes follow from names and contents alone, and an installer's traces stay out of it."""

import os
import subprocess
import sys
import zipfile
from importlib.util import MAGIC_NUMBER, find_spec
from pathlib import Path

import pytest

from local import package

NAMES = ["app.py", "db/__init__.py", "db/invoices.py", "db-notes.py", "orjson/orjson.so"]


def tree(folder: Path, names: list[str], *, at: int = 0) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name * 100)
        path.chmod(0o600 if at else 0o755)
        os.utime(path, (at, at))
    return folder


def project(folder: Path) -> Path:
    ours = ["app.py", "db/__init__.py", "local/run.py", "sql/migrations/0001_roles.sql", "graphiql/dist/index.html"]
    tree(folder, [*ours, "graphiql/dist/.built", "notes.txt"])
    listed = '[tool.setuptools]\npackages = ["db", "local"]\npy-modules = ["app"]\n'
    (folder / "pyproject.toml").write_text(listed)
    return folder


def test_dates_modes_and_the_order_of_writing_do_not_change_its_bytes(tmp_path: Path) -> None:
    package.pack(tree(tmp_path / "one", NAMES, at=1_000_000_000), tmp_path / "one.zip")
    package.pack(tree(tmp_path / "two", NAMES[::-1], at=0), tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_a_changed_letter_does_change_them(tmp_path: Path) -> None:
    package.pack(tree(tmp_path / "one", NAMES), tmp_path / "one.zip")
    (tree(tmp_path / "two", NAMES) / "app.py").write_text("other")
    package.pack(tmp_path / "two", tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() != (tmp_path / "two.zip").read_bytes()


def test_what_an_installer_leaves_behind_stays_out(tmp_path: Path) -> None:
    left = [".lock", "bin/uvicorn", "x.dist-info/RECORD", "x.dist-info/INSTALLER"]
    package.pack(tree(tmp_path / "tree", [*NAMES, "x.dist-info/METADATA", *left]), tmp_path / "packed.zip")
    with zipfile.ZipFile(tmp_path / "packed.zip") as packed:
        assert packed.namelist() == [
            "app.py",
            "db-notes.py",
            "db/__init__.py",
            "db/invoices.py",
            "orjson/orjson.so",
            "x.dist-info/METADATA",
        ]


def test_ours_are_the_names_that_pyproject_lists_and_what_they_read(tmp_path: Path) -> None:
    package.copy_ours(tmp_path / "tree", root=project(tmp_path / "root"))
    copied = [path.relative_to(tmp_path / "tree").as_posix() for path in package.files(tmp_path / "tree")]
    assert copied == ["app.py", "db/__init__.py", "graphiql/dist/index.html", "sql/migrations/0001_roles.sql"]


def test_a_package_that_brings_one_of_our_names_is_named(tmp_path: Path) -> None:
    foreign = tree(tmp_path / "tree", ["db/__init__.py"])
    with pytest.raises(FileExistsError, match=r"^db/__init__\.py is ours, and an installed package brings one too$"):
        package.copy_ours(foreign, root=project(tmp_path / "root"))


def test_botocore_keeps_what_it_knows_of_the_services_that_our_code_asks_and_of_no_other(tmp_path: Path) -> None:
    source = project(tmp_path / "root") / "db" / "mail.py"
    source.write_text('import boto3\n\nclient = boto3.client(\n    "sesv2", endpoint_url=None\n)\n')
    assert package.used_services(root=tmp_path / "root") == {"sesv2"}
    names = ["botocore/data/endpoints.json", "botocore/data/ec2/2016-11-15/service-2.json.gz"]
    names += ["botocore/data/sesv2/2019-09-27/service-2.json.gz", "boto3/data/ec2/resources-1.json", "boto3/session.py"]
    package.forget_services(tree(tmp_path / "tree", names), {"sesv2"})
    left = [path.relative_to(tmp_path / "tree").as_posix() for path in package.files(tmp_path / "tree")]
    assert left == [
        "boto3/session.py",
        "botocore/data/endpoints.json",
        "botocore/data/sesv2/2019-09-27/service-2.json.gz",
    ]


def test_the_services_of_our_own_code_are_found() -> None:
    assert {"dynamodb", "secretsmanager", "sesv2", "sqs"} <= package.used_services()


def test_what_is_compiled_for_another_processor_or_python_is_named(tmp_path: Path) -> None:
    arm, intel = b"\x7fELF" + b"\x02" * 14 + b"\xb7\x00", b"\x7fELF" + b"\x02" * 14 + b"\x3e\x00"
    compiled = {
        "a/fits.cpython-313-aarch64-linux-gnu.so": arm,
        "a/any.abi3.so": arm,
        "a/older.cpython-311-aarch64-linux-gnu.so": arm,
        "a/intel.abi3.so": intel,
        "libs/libx-1.so.2": intel,
        "a/notes.so": b"text",
    }
    for name, head in compiled.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(head)
    assert package.made_for_others(tmp_path, architecture="arm64", python="3.13") == [
        "a/intel.abi3.so",
        "a/older.cpython-311-aarch64-linux-gnu.so",
        "libs/libx-1.so.2",
    ]


def test_what_is_compiled_was_compiled_here_for_the_version_that_is_asked_for(tmp_path: Path) -> None:
    names = ["apart/invoices.py", "apart/__pycache__/invoices.cpython-27.pyc"]
    source = tree(tmp_path, names) / names[0]
    source.write_text("month = 1\n")
    assert package.compile_all(tmp_path, python="{}.{}".format(*sys.version_info[:2]))
    [compiled] = tmp_path.rglob("*.pyc")
    assert compiled.name == f"invoices.{sys.implementation.cache_tag}.pyc"
    assert compiled.read_bytes().startswith(MAGIC_NUMBER + b"\1\0\0\0")
    # a date or a text that does not fit is not looked at
    source.write_text("month = 2\n")
    asked = [sys.executable, "-c", "import apart.invoices as it; print(it.month, it.__cached__)"]
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True, env={}).stdout.split()
    assert told == ["1", str(compiled)]


def test_where_there_is_no_such_python_nothing_is_compiled(tmp_path: Path) -> None:
    assert package.interpreter_of("2.8") is None
    assert not package.compile_all(tree(tmp_path, ["app.py", "__pycache__/app.pyc"]), python="2.8")
    assert [path.name for path in package.files(tmp_path)] == ["app.py"]


def test_a_compiled_file_is_loaded_without_what_only_debuggers_read(tmp_path: Path) -> None:
    spec = find_spec("asyncpg.protocol.record")
    assert spec is not None
    assert spec.origin is not None
    whole = Path(spec.origin).read_bytes()
    left = package.loadable(whole)
    assert len(left) < len(whole) / 2
    assert package.loadable(left) == left
    (tmp_path / Path(spec.origin).name).write_bytes(left)
    asked = [sys.executable, "-S", "-c", "import record; print(record.Record.__name__)"]
    told = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True, env={})
    assert told.stdout == "Record\n"
