"""What a function of ours may ask of AWS, read off its code: from its entry point, what is called from there, and so on.

    actions("outbox_worker", {"LANDLORD_WORKER_URL"})   # {"ses:SendEmail", "ses:SendRawEmail", "rds-db:connect"}

A class that is used counts with those of its methods whose names are called anywhere on the way. What depends on a setting
(`... if settings.mail else ...`) counts only where the function has that setting. So more may be found than is ever called,
and nothing less, as long as boto3 is asked by name: `client.send_email(...)`, or with "send_email" as a value beside it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).parents[2]

# Where an action is not called as the operation is: a batch is many of the one thing, and a letter that is sent whole, with
# its own headers, asks for both.
_ACTIONS = {
    ("sqs", "SendMessageBatch"): {"sqs:SendMessage"},
    ("sesv2", "SendEmail"): {"ses:SendEmail", "ses:SendRawEmail"},
}
_PREFIXES = {"sesv2": "ses"}
# Signs in without a password, and asks nobody for it.
_TOKEN = ("db.iam", "token")
# Asks for the secrets that a function is told of by name, so for none where it is told of none.
_SECRETS = ("auth.secrets", "read")

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class _Module:
    """`names` are its own definitions; `imports` lead a name to a module, or to a name in one."""

    name: str
    names: dict[str, _Definition] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)


def actions(entry: str, settings: Collection[str]) -> set[str]:
    """Of `handler.entry` in a function whose environment has `settings`."""
    walk = _Walk(frozenset(settings))
    walk.reach("handler", entry)
    walk.run()
    return walk.found


class _Walk:
    def __init__(self, settings: frozenset[str]) -> None:
        self.found: set[str] = set()
        self._settings = settings
        self._seen: set[tuple[str, str]] = set()
        self._classes: list[tuple[_Module, ast.ClassDef]] = []
        self._called: set[str] = set()
        self._todo: list[tuple[_Module, ast.AST, str | None]] = []

    def reach(self, module: str, name: str) -> None:
        """The definition of this name, wherever it stands in the end."""
        if (module, name) == _TOKEN:
            self.found.add("rds-db:connect")
        if (module, name) == _SECRETS and "LANDLORD_SECRETS" not in self._settings:
            return
        if (module, name) in self._seen or (known := _module(module)) is None:
            return
        self._seen.add((module, name))
        if name in known.names:
            node = known.names[name]
            if isinstance(node, ast.ClassDef):
                self._classes.append((known, node))
                self._todo += [(known, base, None) for base in node.bases]
                self._todo += [(known, part, None) for part in node.body if not isinstance(part, _FUNCTION)]
            else:
                self._todo.append((known, node, None))
        elif name in known.imports:
            self._follow(known.imports[name])

    def run(self) -> None:
        while True:
            while self._todo:
                self._visit(*self._todo.pop())
            if not (
                more := [one for one in self._methods() if (one[0].name, f"{one[2]}.{one[1].name}") not in self._seen]
            ):
                return
            for module, method, owner in more:
                self._seen.add((module.name, f"{owner}.{method.name}"))
                self._todo.append((module, method, owner))

    def _methods(self) -> Iterator[tuple[_Module, ast.FunctionDef | ast.AsyncFunctionDef, str]]:
        """Of the classes that are used, those called by name; what is decorated or special is called by others."""
        for module, node in self._classes:
            for method in node.body:
                if isinstance(method, _FUNCTION) and (
                    method.name in self._called or method.decorator_list or method.name.startswith("__")
                ):
                    yield module, method, node.name

    def _follow(self, imported: tuple[str, str | None]) -> None:
        module, name = imported
        if name is not None:
            self.reach(module, name)

    def _visit(self, module: _Module, node: ast.AST, owner: str | None) -> None:
        local = {**module.imports, **_imports(node)}
        service = _service(module.names.get(owner, node) if owner is not None else node)
        for part in self._live(node):
            if isinstance(part, ast.Name):
                if part.id in module.names:
                    self.reach(module.name, part.id)
                elif part.id in local:
                    self._follow(local[part.id])
            elif isinstance(part, ast.Attribute):
                self._called.add(part.attr)
                if isinstance(part.value, ast.Name) and (found := local.get(part.value.id)) is not None:
                    # the name of a module, or of something in one that may be a module too
                    self.reach(found[0] if found[1] is None else f"{found[0]}.{found[1]}", part.attr)
                if service is not None:
                    self._asks(service, part.attr)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                self._called.add(part.value)
                if service is not None:
                    self._asks(service, part.value)

    def _asks(self, service: str, method: str) -> None:
        operation = _operations(service).get(method)
        if operation is not None:
            prefix = _PREFIXES.get(service, service)
            self.found |= _ACTIONS.get((service, operation), {f"{prefix}:{operation}"})

    def _live(self, node: ast.AST) -> Iterator[ast.AST]:
        """Its parts without annotations, nested docstrings, and what this function's settings rule out."""
        yield node
        if isinstance(node, (ast.If, ast.IfExp)) and (ruled := self._decided(node.test)) is not None:
            branches: Any = node.body if ruled else node.orelse
            parts = [node.test, *(branches if isinstance(branches, list) else [branches])]
        else:
            parts = [
                part
                for name, value in ast.iter_fields(node)
                if name not in ("annotation", "returns", "decorator_list", "type_params")
                for part in (value if isinstance(value, list) else [value])
                if isinstance(part, ast.AST)
            ]
        for part in parts:
            yield from self._live(part)

    def _decided(self, test: ast.expr) -> bool | None:
        """Whether the test holds, where it asks for one setting that this function may not have."""
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.IsNot, ast.NotEq)):
            test = test.left
        if (
            isinstance(test, ast.Attribute)
            and isinstance(test.value, ast.Name)
            and test.value.id in ("settings", "self")
            and test.attr in _fields()
        ):
            return None if f"LANDLORD_{test.attr.upper()}" in self._settings else False
        return None


@cache
def _module(name: str) -> _Module | None:
    """Ours of this name; None for anybody else's."""
    place = ROOT.joinpath(*name.split("."))
    path = next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)
    if path is None:
        return None
    tree = ast.parse(path.read_text())
    module = _Module(name, imports=_imports(tree))
    for node in tree.body:
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            module.names[node.name] = node
        elif isinstance(node, ast.Assign):
            module.names |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            module.names[node.target.id] = node
    return module


def _imports(tree: ast.AST) -> dict[str, tuple[str, str | None]]:
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.split(".")[0]: (alias.name, None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = ROOT.joinpath(*inner.split(".")).with_suffix(".py").exists()
                found[alias.asname or alias.name] = (inner, None) if is_module else (node.module, alias.name)
    return found


def _service(node: ast.AST) -> str | None:
    """The service that this class or function makes a boto3 client of."""
    for part in ast.walk(node):
        if (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr == "client"
            and isinstance(part.func.value, ast.Name)
            and part.func.value.id == "boto3"
        ):
            assert isinstance(part.args[0], ast.Constant), "a client is made of a service that stands there"
            return str(part.args[0].value)
    return None


@cache
def _operations(service: str) -> dict[str, str]:
    """By the client's methods: what AWS calls them."""
    client = boto3.client(service, region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-")
    return dict(client.meta.method_to_api_mapping)


@cache
def _fields() -> frozenset[str]:
    module = _module("settings")
    assert module is not None
    node = module.names["Settings"]
    assert isinstance(node, ast.ClassDef)
    return frozenset(
        part.target.id for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    )
