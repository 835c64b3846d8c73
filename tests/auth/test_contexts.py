"""Signed contexts: the text that `app.verified` in the database takes, and nothing that it could read otherwise."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest

from auth.contexts import NOBODY, ContextKey, Purpose, sign

NOW = datetime(2026, 11, 22, 12, 0, 0, 900_000, tzinfo=UTC)
KEY = ContextKey("e1", bytes(range(40)))
CUSTOMER = "01932b6e-0000-7000-8000-000000000002"


def mac(secret: bytes, message: str) -> str:
    """HMAC from its two padded blocks, as the database has it."""
    block = secret.ljust(64, b"\x00")
    inner, outer = bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)
    return hashlib.sha256(outer + hashlib.sha256(inner + message.encode()).digest()).hexdigest()


@pytest.mark.parametrize(
    ("purpose", "subject"),
    [("tenant", CUSTOMER), ("operator", CUSTOMER), ("lookup", "lz_live_0123456789AB"), ("refusal", NOBODY)],
)
def test_a_context_has_six_fields_and_the_databases_mac(purpose: Purpose, subject: str) -> None:
    text = sign(KEY, purpose, subject, NOW)
    kid, of, whom, expiry, nonce, seal = text.split(".")
    assert (kid, of, whom) == ("e1", purpose, subject)
    assert expiry == "1795348830"  # 2026-11-22 12:00:30 UTC
    assert re.fullmatch("[A-Za-z0-9_-]{24}", nonce)
    assert seal == mac(KEY.secret, text.rsplit(".", 1)[0])
    assert len(text) <= 256


def test_a_context_lives_as_long_as_asked() -> None:
    assert sign(KEY, "tenant", CUSTOMER, NOW, timedelta(seconds=5)).split(".")[3] == "1795348805"


def test_no_two_contexts_are_alike() -> None:
    assert len({sign(KEY, "tenant", CUSTOMER, NOW) for _ in range(100)}) == 100


def test_another_key_gives_another_mac() -> None:
    text = sign(ContextKey("e1", b"z" * 32), "tenant", CUSTOMER, NOW)
    message, seal = text.rsplit(".", 1)
    assert seal == mac(b"z" * 32, message)
    assert seal != mac(KEY.secret, message)


@pytest.mark.parametrize("subject", ["", "a.b", "a b", "a\n", "\u00e9", "a" * 65, "'", "../x"])
def test_a_subject_that_could_be_read_as_another_is_not_signed(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        sign(KEY, "lookup", subject, NOW)


@pytest.mark.parametrize("kid", ["", "E1", "e.1", "e1\n", "a" * 17])
def test_a_kid_is_what_the_database_takes(kid: str) -> None:
    with pytest.raises(ValueError, match="kid"):
        ContextKey(kid, b"s" * 32)


@pytest.mark.parametrize("length", [0, 31, 65])
def test_a_secret_has_32_to_64_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 to 64 bytes"):
        ContextKey("e1", b"s" * length)


def test_the_secret_is_not_in_the_keys_text_form() -> None:
    assert repr(ContextKey("e1", b"s" * 32)) == "ContextKey(kid='e1')"
