"""Standard Webhooks 1.0: the secret of an endpoint, and the headers that prove with it whose a message is.

No secret is stored. It is an HMAC of a salt under a key of ours: the database holds the salt and the key's name, the API
and the sender hold the key, and neither is worth anything without the other. So a secret is shown when its endpoint is
entered, and can be shown to nobody later. A key stays as long as an endpoint that was entered under it.
Source: https://github.com/standard-webhooks/standard-webhooks, "Webhook Metadata" and "Signature scheme".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime

_PREFIX = "whsec_"
_PURPOSE = b"landlord webhook secret\0"


class UnknownKey(Exception):
    """An endpoint's secret was made under a key that this process does not have; the message names the key."""


def new_salt(keys: Mapping[str, bytes]) -> bytes:
    """What is stored of a new secret: the name of the first key, a colon, and 256 random bits."""
    return f"{next(iter(keys))}:".encode() + secrets.token_bytes(32)


def secret_of(keys: Mapping[str, bytes], salt: bytes) -> bytes:
    """The 32 bytes that sign. Raises UnknownKey."""
    kid = salt.partition(b":")[0].decode(errors="replace")
    if kid not in keys:
        raise UnknownKey(kid)
    return hmac.digest(keys[kid], _PURPOSE + salt, hashlib.sha256)


def shown(secret: bytes) -> str:
    """As customers enter it into the libraries of the specification."""
    return _PREFIX + base64.b64encode(secret).decode()


def headers(id: str, body: bytes, secrets: Sequence[bytes], *, at: datetime) -> dict[str, str]:
    """Signed at this instant, once with each secret: while one takes another's place, a receiver may know either."""
    timestamp = str(int(at.timestamp()))
    signed = f"{id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets]
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
