"""`--pooler`: the same tests with a pooler of transactions between the application and its database.

The three logins of the application come through PgBouncer, and nothing is prepared by name. A relay listens in: what
would pin a session of RDS Proxy fails the run, but for the tests that say themselves what no application would.
Migrations, and the superuser who arranges and looks, connect directly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from local import database, postgres
from tests.pooler import bouncer
from tests.pooler.relay import Finding, Heard, relay

Environment = Mapping[str, str]
Way = Callable[[Environment], dict[str, str]]

_LOGINS = ("tenant", "operator", "worker")
_heard = pytest.StashKey[list[Heard]]()
_off_script = pytest.StashKey[set[str]]()
_reports = pytest.StashKey[list[dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pooler", action="store_true", help="put PgBouncer between the application and its database")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "direct(why): needs a connection of its own, so it is left out with --pooler")
    config.addinivalue_line("markers", "off_script(why): says what the application never would; the relay lets it pass")
    if config.getoption("--pooler") and bouncer.program() is None:
        raise pytest.UsageError("--pooler needs PgBouncer: install Debian's package `pgbouncer`.")
    config.stash[_heard] = []
    config.stash[_off_script] = set()
    config.stash[_reports] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--pooler"):
        return
    for item in items:
        if direct := item.get_closest_marker("direct"):
            item.add_marker(pytest.mark.skip(f"direct: {direct.args[0]}"))
        if item.get_closest_marker("off_script"):
            config.stash[_off_script].add(item.nodeid)


@pytest.fixture(scope="session")
def way(
    request: pytest.FixtureRequest, cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Way]:
    """How the application comes to its database: makes its environment of one that leads straight there."""
    if not request.config.getoption("--pooler"):
        yield dict
        return
    passwords = database.secrets_of(cluster.home)
    logins = {f"landlord_{login}": passwords[login] for login in _LOGINS}
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("pooler") / "home"
        pooler = stack.enter_context(bouncer.start(folder, server=cluster.port, passwords=logins))
        heard = stack.enter_context(relay(pooler))
        request.config.stash[_heard].append(heard)

        def through(environment: Environment) -> dict[str, str]:
            urls = {f"LANDLORD_{login.upper()}_URL" for login in _LOGINS}
            led = {name: _at(url, heard.port) for name, url in environment.items() if name in urls}
            return {**environment, **led, "LANDLORD_POOLED": "true"}

        yield through


def _at(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{parts.hostname}:{port}").geturl()


# ---------------------------------------------------------------- the report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Each worker says what its relay has heard; whoever leads puts it together, and fails the run if need be."""
    config = session.config
    config.stash[_reports] += [_report(heard, config.stash[_off_script]) for heard in config.stash[_heard]]
    if hasattr(config, "workeroutput"):
        config.workeroutput["pooler"] = config.stash[_reports]
    elif any(report["pins"] for report in config.stash[_reports]):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_reports] += getattr(node, "workeroutput", {}).get("pooler", [])


def _report(heard: Heard, off_script: set[str]) -> dict[str, Any]:
    """In what a worker can send."""
    pins = [finding for finding in heard.findings if finding.test not in off_script]
    return {
        "counts": dict(heard.counts),
        "pins": [_line(finding) for finding in pins],
        "off script": len(heard.findings) - len(pins),
    }


def _line(finding: Finding) -> str:
    text = " ".join(finding.text.split())
    return f"{finding.pin}: {finding.user} in {finding.test or 'no test'}: {text[:120]}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    reports = config.stash[_reports]
    if not reports:
        return
    counts: Counter[str] = Counter()
    pins: Counter[str] = Counter()
    for report in reports:
        counts.update(report["counts"])
        pins.update(report["pins"])
    terminalreporter.section("what the relay heard")
    for name, count in sorted(counts.items()):
        terminalreporter.line(f"{count:>9,} {name}")
    terminalreporter.line(
        f"{sum(report['off script'] for report in reports):>9,} said off script, by tests that are meant to"
    )
    terminalreporter.line(f"{pins.total():>9,} said that would pin a session")
    for line, count in pins.most_common(100):
        terminalreporter.line(f"{count:>9,} x {line}", red=True)
