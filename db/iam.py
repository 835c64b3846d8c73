"""A login without a password: the token by which a function's role says that it may connect.

It is a URL signed for fifteen minutes (AWS Signature Version 4, in the query), asked of nobody. botocore makes the same one, and
imports for longer than a cold start may take.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

SECONDS: Final = 900

_NOTHING = hashlib.sha256(b"").hexdigest()


def login_of(url: str) -> tuple[str, int, str]:
    """Host, port and login of a database's URL."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 5432, parts.username or ""


def token(host: str, port: int, login: str, *, environ: Mapping[str, str], now: datetime) -> str:
    """The password of `login` for the next fifteen minutes. `environ` has what Lambda gives: region and credentials.

    Raises KeyError where that is not there.
    """
    day, instant = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{day}/{environ['AWS_REGION']}/rds-db/aws4_request"
    asked = {
        "Action": "connect",
        "DBUser": login,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{environ['AWS_ACCESS_KEY_ID']}/{scope}",
        "X-Amz-Date": instant,
        "X-Amz-Expires": str(SECONDS),
        "X-Amz-SignedHeaders": "host",
    }
    if session := environ.get("AWS_SESSION_TOKEN"):
        asked["X-Amz-Security-Token"] = session
    query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(asked.items()))
    request = f"GET\n/\n{query}\nhost:{host}:{port}\n\nhost\n{_NOTHING}"
    signed = f"AWS4-HMAC-SHA256\n{instant}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return f"{host}:{port}/?{query}&X-Amz-Signature={hmac.digest(key, signed.encode(), 'sha256').hex()}"
