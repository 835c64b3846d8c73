"""Contexts: what the API signs so that the database believes whom a transaction, a lookup or a refusal is for.

`kid.purpose.subject.expiry.nonce.mac`: checked by `app.verified`, which refuses anything else.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

Purpose = Literal["tenant", "operator", "lookup", "refusal"]

LIFE: Final = timedelta(seconds=30)
NOBODY: Final = "-"  # the subject of a refusal where no key's prefix was given

_KID: Final = re.compile(r"[a-z0-9]{1,16}")
_SUBJECT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ContextKey:
    """Installed in the database under the same kid: `app.install_key`. 32 to 64 bytes."""

    kid: str
    secret: bytes = field(repr=False)
    # with the secret in it: to go on from a copy takes half as long as to begin
    mac: hmac.HMAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not _KID.fullmatch(self.kid):
            raise ValueError("a kid has 1 to 16 small letters and digits")
        if not 32 <= len(self.secret) <= 64:  # HMAC would hash a longer one; the database stores padded blocks
            raise ValueError("a context key has 32 to 64 bytes")
        object.__setattr__(self, "mac", hmac.new(self.secret, digestmod="sha256"))


def sign(key: ContextKey, purpose: Purpose, subject: str, now: datetime, life: timedelta = LIFE) -> str:
    """`subject` is the customer's id, the operator's key id, or a key's prefix; `NOBODY` for a refusal without one.

    Raises ValueError for a subject that could be read as more than one field.
    """
    if not _SUBJECT.fullmatch(subject):
        raise ValueError("a context's subject is an id or a key's prefix")
    expiry = int((now + life).timestamp())
    message = f"{key.kid}.{purpose}.{subject}.{expiry}.{secrets.token_urlsafe(18)}"
    mac = key.mac.copy()
    mac.update(message.encode())
    return f"{message}.{mac.hexdigest()}"
