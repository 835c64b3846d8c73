"""IDs as the API names them, for what is written down without a request: a prefix and 26 characters of base 32."""

from __future__ import annotations

from uuid import UUID

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [high + low for high in ALPHABET for low in ALPHABET]


def typeid(prefix: str, id: UUID) -> str:
    # by pairs of characters: lists of a thousand IDs are common, and this is a third of the time
    number = id.int
    return prefix + "_" + "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])
