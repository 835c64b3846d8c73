"""API keys: `lz_<live|test>_<12 public characters>_<43 secret ones><6 of checksum>`, base62, 70 bytes in all.

The checksum drops garbage before anything is asked or hashed, the public part finds the row, bcrypt verifies the rest.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import zlib
from dataclasses import dataclass, field
from typing import Final, Literal

Environment = Literal["live", "test"]

COST: Final = 10  # 2^10 rounds: 60 ms

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY: Final = re.compile(r"(lz_(?:live|test)_[0-9A-Za-z]{12})_[0-9A-Za-z]{49}")
_SECRET_PART: Final = re.compile(r"(lz_(?:live|test)_[0-9A-Za-z]{12})_\w*")  # of a key, or of what is left of one
_CHECKSUM: Final = 6  # 62^6 > 2^32
# of this cost alone, as the dummy is; when it is raised, let the old one through here while keys have it
_HASH: Final = re.compile(rf"\$2b\${COST:02}\$[./0-9A-Za-z]{{53}}")
# of random bytes that nobody kept
_DUMMY: Final = "$2b$10$jmjfGPqV6sR7nEyxgbIESe/bzRWTQS.utzEaqQb/2hjriiV3z4VFy"


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is the whole key, to be shown once; `prefix` and `hash` are what is stored."""

    secret: str = field(repr=False)
    prefix: str
    hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """`prefix` is the public part, as stored: `lz_live_` and 12 characters."""

    prefix: str


def mint(environment: Environment) -> NewKey:
    """A new key of 256 random bits. Takes as long as a bcrypt does: in a server, call it in a thread."""
    public = "".join(secrets.choice(_ALPHABET) for _ in range(12))
    prefix = f"lz_{environment}_{public}"
    body = f"{prefix}_{_base62(int.from_bytes(secrets.token_bytes(32)), 43)}"
    secret = body + _checksum(body)
    return NewKey(secret, prefix, hash_of(secret))


def hash_of(secret: str) -> str:
    """What is stored of a key."""
    import bcrypt  # here and below: whoever comes with a session needs none

    return bcrypt.hashpw(secret.encode(), bcrypt.gensalt(COST)).decode()


def without_secrets(text: str) -> str:
    """Of each key in `text`, whole or cut short, the public part alone."""
    return _SECRET_PART.sub(r"\1", text)


def parse(text: str) -> ParsedKey | None:
    """None for whatever cannot be a key; costs no hash. Any one changed character is found by the checksum."""
    match = _KEY.fullmatch(text)
    if match is None or _checksum(text[:-_CHECKSUM]) != text[-_CHECKSUM:]:
        return None
    return ParsedKey(match[1])


async def verify(secret: str, hash: str | None) -> bool:
    """Whether this is the key of the stored `hash`; None stands for an unknown prefix, and costs as much.

    Time must not tell which prefixes exist. What is no key at all is False without a hash: see `parse`.
    """
    if parse(secret) is None:  # also keeps longer ones from bcrypt, which raises above 72 bytes
        return False
    import bcrypt

    known = hash is not None and _HASH.fullmatch(hash) is not None
    stored = hash if hash is not None and known else _DUMMY
    matches = await asyncio.to_thread(bcrypt.checkpw, secret.encode(), stored.encode())
    return matches and known


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM)


def _base62(number: int, width: int) -> str:
    """Most significant digit first, padded with zeros to `width`."""
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
