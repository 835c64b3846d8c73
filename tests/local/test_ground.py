"""The ground under everything: our top-level names are ours alone, every one is listed, and locks name no address."""

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_CODE = {"tests", "bench"}


def names() -> set[str]:
    """Everything of ours that can be imported by a name without a dot."""
    packages = {path.parent.name for path in ROOT.glob("[a-z]*/__init__.py")}
    return packages | {path.stem for path in ROOT.glob("*.py")}


def test_no_installed_distribution_brings_one_of_our_names() -> None:
    brought = packages_distributions()
    assert {name: brought[name] for name in names() | NOT_CODE if set(brought.get(name, [])) - {"landlord"}} == {}


def test_every_package_and_module_is_listed_for_installing() -> None:
    listed = PROJECT["tool"]["setuptools"]
    assert {*listed["packages"], *listed["py-modules"]} == names() - NOT_CODE


def test_every_package_stands_under_the_import_contracts() -> None:
    modules = set(PROJECT["tool"]["setuptools"]["py-modules"])
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == names() - NOT_CODE - modules


@pytest.mark.parametrize(
    ("lock", "address"),
    [
        ("requirements.txt", "://"),
        ("requirements-worker.txt", "://"),
        ("requirements-dev.txt", "://"),
        ("requirements-aws.txt", "://"),
        ("package-lock.json", '"resolved":'),
    ],
)
def test_a_lock_names_no_address_to_fetch_from(lock: str, address: str) -> None:
    assert [line for line in (ROOT / lock).read_text().splitlines() if address in line] == []


def test_what_is_deployed_has_the_same_versions_here() -> None:
    names = ("requirements.txt", "requirements-worker.txt", "requirements-dev.txt")
    deployed, worker, here = (pins(ROOT / name) for name in names)
    assert len(deployed) > 20
    assert deployed < worker < here


def pins(lock: Path) -> set[str]:
    return {line.split()[0] for line in lock.read_text().splitlines() if "==" in line and line[0].isalpha()}
