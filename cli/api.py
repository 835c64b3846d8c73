"""The API as the command asks it: with an operator's key, and with a sentence for everything that comes in between."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

if TYPE_CHECKING:
    import httpx

_HERE = "http://127.0.0.1:8000"
_HOME = Path(__file__).parent.parent / ".local"
_SECONDS = 60
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

# What a program may try again without anybody's help.
_PASSING = ("UNAVAILABLE", "TIMEOUT", "RATE_LIMITED")


class Refused(click.ClickException):
    """What the API said no to, and why, in its own sentence."""


class NotAnswered(click.ClickException):
    """Nobody answered, or not now: the same may work in a moment."""


@dataclass(frozen=True)
class Api:
    """`key_from` is where the key comes from, in words; the key itself is in `http`, and is never written."""

    http: httpx.Client
    url: str
    key_from: str

    def ask(self, document: str, **variables: Any) -> dict[str, Any]:
        """The answer's data. Raises Refused or NotAnswered."""
        import httpx

        try:
            answer = self.http.post("/graphql", json={"query": document, "variables": variables})
        except httpx.TimeoutException:
            raise NotAnswered(f"{self.url} did not answer within {_SECONDS} seconds.") from None
        except httpx.TransportError:
            raise NotAnswered(
                f"Nothing answers at {self.url}: start Landlord there (`make run`), or say with LANDLORD_URL where it is."
            ) from None
        try:
            said = answer.json()
            data, errors = said.get("data"), said.get("errors", [])
        except (ValueError, AttributeError):
            raise Refused(
                f"What answers at {self.url} is no Landlord (HTTP status {answer.status_code}): is LANDLORD_URL right?"
            ) from None
        if errors:
            raise self._refusal(errors)
        found: dict[str, Any] = data
        return found

    def change(self, document: str, **variables: Any) -> dict[str, Any]:
        """The payload of the document's one mutation. Raises Refused with what it was refused by."""
        [payload] = self.ask(document, **variables).values()
        if payload["errors"]:
            raise Refused(" ".join(error["message"] for error in payload["errors"]))
        found: dict[str, Any] = payload
        return found

    def _refusal(self, errors: list[dict[str, Any]]) -> Refused | NotAnswered:
        known = [error.get("extensions", {}) for error in errors]
        codes = [extensions.get("code") for extensions in known]
        if "UNAUTHENTICATED" in codes:
            return Refused(f"The key in {self.key_from} is refused at {self.url}: set LANDLORD_KEY to one that works.")
        text = " ".join(error["message"] for error in errors)
        if any(code in _PASSING for code in codes):
            return NotAnswered(text)
        if "INTERNAL" in codes:
            text += f" It is logged there as request {known[codes.index('INTERNAL')].get('requestId')}."
        return Refused(text)


@contextmanager
def connected(environ: Mapping[str, str] = os.environ) -> Iterator[Api]:
    """The API at LANDLORD_URL with the key in LANDLORD_KEY; for one on this machine also with that of `make run`.

    Raises UsageError where neither is there or the address is none.
    """
    import httpx

    url = (environ.get("LANDLORD_URL") or _HERE).rstrip("/")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https") or parts.username is not None:
        raise click.UsageError(f"LANDLORD_URL is no address of an API; {_HERE} is one.")
    here = host in _LOOPBACK
    if parts.scheme == "http" and not here:
        raise click.UsageError("LANDLORD_URL is http:// and on another machine: the key goes there by https:// alone.")
    key, key_from = _key(environ, here=here)
    headers = {"authorization": f"Bearer {key}", "user-agent": "landlord"}
    # another machine's proxy has no business with what stays on this one
    with httpx.Client(base_url=url, headers=headers, timeout=_SECONDS, trust_env=not here) as http:
        yield Api(http, url, key_from)


def _key(environ: Mapping[str, str], *, here: bool) -> tuple[str, str]:
    """The key, and where it is from."""
    key = environ.get("LANDLORD_KEY", "").strip()
    if key:
        if not key.isascii() or not key.isprintable():
            raise click.UsageError("LANDLORD_KEY is no API key: one has letters, digits and `_`.")
        return key, "LANDLORD_KEY"
    if not here:
        raise click.UsageError("Set LANDLORD_KEY to an operator's API key.")
    path = Path(environ.get("LANDLORD_HOME") or _HOME) / "demo-keys.json"
    try:
        return json.loads(path.read_text())["operator"], str(path)
    except FileNotFoundError:
        raise click.UsageError(
            f"Set LANDLORD_KEY to an operator's API key; there is none in {path} either, where `make run` writes one."
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise click.UsageError(f"{path} cannot be read: set LANDLORD_KEY to an operator's API key.") from None
