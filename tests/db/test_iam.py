"""The token of a login without a password is the one that botocore makes, whatever the credentials are."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch

import botocore.auth
import botocore.session
import pytest

from db import iam

NOW = datetime(2026, 11, 1, 2, 3, 4, tzinfo=UTC)
HOST = "landlord-prod.proxy-abc.eu-central-1.rds.amazonaws.com"


@pytest.mark.parametrize("session", [None, "IQoJb3Jp//Z2luX2+Vj=="])
def test_it_is_the_one_that_botocore_makes(session: str | None) -> None:
    environ = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s/e+cret"}
    asked = botocore.session.Session()
    asked.set_credentials("AKID", "s/e+cret", session)
    client = asked.create_client("rds", "eu-central-1")
    with patch.object(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None)):
        theirs = client.generate_db_auth_token(HOST, 5432, "landlord_tenant")
    ours = iam.token(
        HOST, 5432, "landlord_tenant", environ=environ | ({"AWS_SESSION_TOKEN": session} if session else {}), now=NOW
    )
    assert _parts(ours) == _parts(theirs)


def _parts(token: str) -> tuple[str, list[str]]:
    place, _, query = token.partition("?")
    return place, sorted(query.split("&"))


def test_the_login_is_read_off_the_address() -> None:
    assert iam.login_of(f"postgresql://landlord_worker@{HOST}:6432/landlord?sslmode=require") == (
        HOST,
        6432,
        "landlord_worker",
    )
