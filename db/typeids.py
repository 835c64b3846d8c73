"""IDs as the API names them, for what is written down without a request: a prefix and 26 characters of base 32."""

from __future__ import annotations

from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def typeid(prefix: str, id: UUID) -> str:
    return prefix + "_" + "".join(_ALPHABET[id.int >> shift & 31] for shift in range(125, -1, -5))
