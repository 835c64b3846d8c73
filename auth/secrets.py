"""Secrets by name, each a JSON object of texts: from the Lambda extension beside us, or from Secrets Manager itself.

The extension keeps what it fetched for minutes and needs no SDK, so the first answer of a sandbox waits for neither.
Where a secret turned out to be out of date, Secrets Manager itself is asked: `fresh`.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from db.clients import ONE_AT_A_TIME

# The extension is a process of the same sandbox.
_HOST = "127.0.0.1"
_PORT = "2773"
_SECONDS = 3


class NoSecret(Exception):
    """A secret cannot be had; the message names it, and says nothing of what is in it."""


def read(names: Sequence[str], environ: Mapping[str, str], *, fresh: bool = False) -> dict[str, str]:
    """What these secrets say together. Blocks. Raises NoSecret."""
    found: dict[str, str] = {}
    for name in names:
        text = None if fresh else _from_extension(name, environ)
        found |= _texts(name, _from_secrets_manager(name, environ) if text is None else text)
    return found


def _from_extension(name: str, environ: Mapping[str, str]) -> str | None:
    """None where there is no extension, or it has not got it."""
    token = environ.get("AWS_SESSION_TOKEN")
    if not token:
        return None
    port = int(environ.get("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT") or _PORT)
    connection = http.client.HTTPConnection(_HOST, port, timeout=_SECONDS)
    try:
        place = f"/secretsmanager/get?secretId={quote(name, safe='')}"
        connection.request("GET", place, headers={"X-Aws-Parameters-Secrets-Token": token})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            return None
        text: str = json.loads(said)["SecretString"]
        return text
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()


def _from_secrets_manager(name: str, environ: Mapping[str, str]) -> str:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
    with ONE_AT_A_TIME:
        client = boto3.client("secretsmanager", endpoint_url=environ.get("AWS_ENDPOINT_URL") or None, config=config)
    try:
        text: str = client.get_secret_value(SecretId=name)["SecretString"]
    except ClientError as error:
        raise NoSecret(f"{name}: {error.response.get('Error', {}).get('Code')}") from error
    except (BotoCoreError, KeyError) as error:
        raise NoSecret(f"{name}: {type(error).__name__}") from error
    finally:
        client.close()
    return text


def _texts(name: str, text: str) -> dict[str, str]:
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        # the error of the parser would quote it
        raise NoSecret(f"{name}: it is no JSON object of texts") from None
    return said
