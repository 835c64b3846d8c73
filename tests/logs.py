"""Every line that the tests make Landlord log is looked through for secrets: known ones, and whatever looks like one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

# What no line may hold, whoever made it: an API key, a session's token, an address, a login's password, a webhook's secret.
_SHAPES = {
    "an API key": re.compile(r"lz_(?:live|test)_[0-9A-Za-z]{12}_[0-9A-Za-z]{20,}"),
    "a token": re.compile(r"eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"),
    "an e-mail address": re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    "a password in an address": re.compile(r"\w+://[^\s/@:]+:[^\s/@]+@"),
    "a webhook's secret": re.compile(r"whsec_\w+"),
    "a signed context": re.compile(r"\.(?:tenant|operator|lookup|refusal)\.[\w-]+\.[0-9]{10}\.[\w-]+\.[0-9a-f]{64}"),
}
_WORD = re.compile(r"[\w.+/=-]{20,}")


class Audit(logging.Handler):
    """`found` is what should not have been logged: what it is, and the line, for the test that it came of to fail."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.secrets: set[str] = set()
        self.lines = 0
        self.found: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.read(self.format(record))

    def read(self, text: str) -> None:
        """A line, with the traceback that belongs to it, or all that a process has written."""
        self.lines += 1
        self.found += [(what, text) for what, shape in _SHAPES.items() if shape.search(text)]
        if not self.secrets.isdisjoint(_WORD.findall(text)):
            self.found.append(("a secret that was made here", text))

    def knows(self, make: Callable[..., Any], secret: Callable[[Any], str]) -> Callable[..., Any]:
        """`make`, whose secrets are then looked for."""

        def made(*args: Any, **kwargs: Any) -> Any:
            answer = make(*args, **kwargs)
            self.secrets.add(secret(answer))
            return answer

        return made


AUDIT = Audit()
