"""No secret gets into a log: the audit that looks through every line of the tests finds each kind of them."""

from __future__ import annotations

import logging

import pytest

from app import utc_now
from auth import contexts, keys, sessions
from auth.contexts import ContextKey
from auth.sessions import SigningKeys
from tests.landlord import Landlord, Tenant
from tests.logs import AUDIT, Audit


def secrets_of_each_kind() -> dict[str, str]:
    signing = SigningKeys({"k1": b"1" * 32}, "k1", "issuer", "audience")
    token = sessions._JWT.encode({"sub": "x"}, signing.secrets["k1"], algorithm="HS256")
    context = contexts.sign(ContextKey("k1", b"1" * 32), "lookup", "lz_test_0123456789AB", utc_now())
    return {
        "an API key": keys.mint("test").secret,
        "a token": token,
        "an e-mail address": "billing+eu@acme.example.com",
        "a password in an address": "postgresql://landlord_tenant:s3cret@127.0.0.1:5432/landlord",
        "a webhook's secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "a signed context": context,
    }


@pytest.mark.parametrize("kind", list(secrets_of_each_kind()))
def test_a_secret_in_a_line_or_in_its_traceback_is_found(kind: str) -> None:
    secret, audit = secrets_of_each_kind()[kind], Audit()
    log = logging.Logger("landlord.test")
    log.addHandler(audit)
    log.info('{"said": "%s"}', secret)
    try:
        raise ValueError(f"cannot read {secret}")
    except ValueError:
        log.exception("it failed")
    assert [what for what, _ in audit.found if what == kind] == [kind, kind]


def test_a_secret_of_any_other_shape_is_found_where_it_was_made_here() -> None:
    audit = Audit()
    make = audit.knows(lambda: "AbCdEfGhIjKlMnOpQrStUvWxYz012345", lambda made: made)
    line = f"password={make()!r}"
    audit.read(line)
    assert audit.found == [("a secret that was made here", line)]


def test_a_usual_line_is_no_find() -> None:
    audit = Audit()
    audit.read(
        '{"request":"c6af9ac6-7b61","document":"' + "0a" * 32 + '","customer":"01912f3c-0000-7000-8000-000000000000"}'
    )
    audit.read("no such key: lz_test_0123456789AB")
    assert audit.found == []


async def test_what_the_application_logs_and_the_keys_that_it_makes_come_to_the_audit(
    landlord: Landlord, acme: Tenant
) -> None:
    lines, known = AUDIT.lines, len(AUDIT.secrets)
    made = await acme.api('mutation { createApiKey(input: {name: "x", scopes: ["read"]}) { secret } }')
    assert made["createApiKey"]["secret"] in AUDIT.secrets
    assert len(AUDIT.secrets) > known
    assert AUDIT.lines > lines
    assert acme.key in AUDIT.secrets
    assert acme.token in AUDIT.secrets
