"""Signatures are those of the Standard Webhooks specification, and a secret needs both a key of ours and its salt."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from billing import signatures
from billing.signatures import UnknownKey

AT = datetime.fromtimestamp(1614265330, UTC)
KEYS = {"b": b"k" * 32, "a": b"j" * 32}


def test_the_example_of_the_specification_is_signed_as_it_says() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signatures.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', [secret], at=AT)
    assert made == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert signatures.shown(secret) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_of_several_secrets_each_signs_in_their_order() -> None:
    one, other = (
        signatures.headers("msg_1", b"{}", [secret], at=AT)["webhook-signature"] for secret in (b"x" * 32, b"y" * 32)
    )
    both = signatures.headers("msg_1", b"{}", [b"x" * 32, b"y" * 32], at=AT)
    assert one != other
    assert both["webhook-signature"] == f"{one} {other}"


def test_every_secret_is_another_and_the_same_again_from_its_salt() -> None:
    first, second = signatures.new_salt(KEYS), signatures.new_salt(KEYS)
    made = {signatures.secret_of(KEYS, salt) for salt in (first, second, first)}
    assert len(made) == 2
    assert {len(secret) for secret in made} == {32}


def test_a_new_secret_is_made_under_the_first_key_and_an_old_one_under_its_own() -> None:
    salt = signatures.new_salt(KEYS)
    assert salt.startswith(b"b:")
    assert signatures.secret_of({"a": KEYS["a"], "b": KEYS["b"]}, salt) == signatures.secret_of(KEYS, salt)
    assert signatures.secret_of({"b": KEYS["a"]}, salt) != signatures.secret_of(KEYS, salt)


def test_without_its_key_there_is_no_secret() -> None:
    with pytest.raises(UnknownKey, match=r"^b$"):
        signatures.secret_of({"a": KEYS["a"]}, signatures.new_salt(KEYS))
