"""The credentials in an `Authorization` header."""

from __future__ import annotations

from typing import Final

from db.errors import Unauthenticated

KEY: Final = "lz_"  # what every API key begins with, and no session token does


def credentials(authorization: str) -> str:
    """An API key or a session token, by the look of it. Raises Unauthenticated where the header is no bearer's."""
    scheme, _, found = authorization.partition(" ")
    found = found.strip()
    if scheme.lower() != "bearer" or not found:
        raise Unauthenticated("the Authorization header is not `Bearer` and a token")
    return found
