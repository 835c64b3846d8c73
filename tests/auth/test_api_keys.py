"""API keys: garbage is dropped without a hash, an unknown key costs what a wrong one costs."""

from __future__ import annotations

import re
import secrets
import string
import threading
import zlib

import bcrypt
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from auth import keys
from auth.keys import NewKey, ParsedKey, mint, parse, verify

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


def number(text: str) -> int:
    value = 0
    for character in text:
        value = value * 62 + BASE62.index(character)
    return value


def with_checksum(body: str) -> str:
    rest, tail = zlib.crc32(body.encode()), ""
    for _ in range(6):
        tail = BASE62[rest % 62] + tail
        rest //= 62
    return body + tail


# fixed ones, so that the format cannot change unnoticed
KEY = "lz_test_0123456789AB_" + "0" * 43 + "3wwTvY"
OTHER = with_checksum("lz_live_ZYXWVUzyxwvu_" + "k" * 43)


@pytest.fixture(scope="module")
def new() -> NewKey:
    return mint("live")


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The head of every hash that bcrypt is run against: version and cost."""
    heads: list[str] = []
    real = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        heads.append(hashed[:7].decode())
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return heads


def test_a_key_has_the_published_form(new: NewKey) -> None:
    assert re.fullmatch(r"lz_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", new.secret)
    assert len(new.secret.encode()) == 70  # bcrypt takes 72
    assert new.secret.startswith(new.prefix + "_")
    assert len(new.prefix) == 20
    assert with_checksum(new.secret[:-6]) == new.secret
    assert new.hash.startswith("$2b$10$")
    assert parse(new.secret) == ParsedKey(new.prefix)


def test_the_form_of_old_keys_is_still_read() -> None:
    assert parse(KEY) == ParsedKey("lz_test_0123456789AB")
    assert parse(OTHER) == ParsedKey("lz_live_ZYXWVUzyxwvu")


@pytest.mark.parametrize("drawn", [b"\x00" * 32, b"\x00" * 31 + b"\x3d", b"\xff" * 32])
def test_all_256_random_bits_are_in_the_key(drawn: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_bytes", lambda size: drawn[:size])
    assert number(mint("test").secret[21:64]) == int.from_bytes(drawn, "big")


def test_the_secret_is_not_in_the_text_form_of_what_holds_it(new: NewKey) -> None:
    assert new.secret not in repr(new)
    assert new.hash not in repr(new)


@given(
    public=st.text(BASE62, min_size=12, max_size=12),
    body=st.text(BASE62, min_size=43, max_size=43),
    place=st.integers(0, 69),
    character=st.one_of(st.sampled_from(BASE62 + "_-"), st.characters()),
)
def test_any_one_changed_character_is_refused(public: str, body: str, place: int, character: str) -> None:
    key = with_checksum(f"lz_live_{public}_{body}")
    assert parse(key) == ParsedKey(f"lz_live_{public}")
    assume(key[place] != character)
    assert parse(key[:place] + character + key[place + 1 :]) is None


def test_every_one_of_the_changes_to_a_key_within_its_alphabet_is_refused() -> None:
    for place, there in enumerate(KEY):
        for character in BASE62 + "_":
            if character != there:
                assert parse(KEY[:place] + character + KEY[place + 1 :]) is None, (place, character)


@given(st.text(max_size=200))
@example("")
@example("\ud800" * 70)
@example("\x00" * 70)
@example(KEY + "\n")
@example(KEY[:-1])
@example(KEY + "0")
@example(" " + KEY)
@example(KEY.upper())
@example(KEY.replace("test", "live"))
@example(KEY.replace("0123", "\uff10\uff11\uff12\uff13"))  # full-width digits
@example("lz_test_" + "a" * 100_000)
@example(with_checksum("lz_prod_0123456789AB_" + "0" * 43))
@example(with_checksum("lz_test_0123456789A__" + "0" * 43))
@example(with_checksum("lz_test_0123456789AB_" + "0" * 42))
@example(with_checksum("lz_test_0123456789AB_" + "0" * 44))
def test_garbage_is_no_key_and_raises_nothing(text: str) -> None:
    assert parse(text) is None


async def test_a_key_verifies_against_its_own_hash_alone(new: NewKey, costs: list[str]) -> None:
    assert await verify(new.secret, new.hash) is True
    assert await verify(OTHER, new.hash) is False
    assert costs == ["$2b$10$", "$2b$10$"]


async def test_an_unknown_prefix_costs_one_bcrypt_of_the_same_cost(new: NewKey, costs: list[str]) -> None:
    assert await verify(OTHER, new.hash) is False
    wrong = costs.copy()
    costs.clear()
    assert await verify(OTHER, None) is False
    assert costs == wrong == ["$2b$10$"]


@pytest.mark.parametrize(
    "stored",
    ["", "x", "$2b$10$short", "$2b$31$" + "a" * 53, "$2b$04$" + "a" * 53, "$2b$10$" + "a" * 53 + "\n", "\ud800"],
)
async def test_a_stored_hash_of_another_form_is_an_unknown_key(stored: str, costs: list[str]) -> None:
    assert await verify(OTHER, stored) is False
    assert costs == ["$2b$10$"]


async def test_an_unknown_key_is_refused_even_if_it_were_the_dummys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bcrypt, "checkpw", lambda password, hashed: True)
    assert await verify(OTHER, None) is False


@pytest.mark.parametrize("text", ["", "x", "a" * 73, "a" * 100_000, "\ud800", KEY[:-1] + "0", KEY + "\x00"])
async def test_garbage_costs_no_hash(text: str, new: NewKey, costs: list[str]) -> None:
    assert await verify(text, new.hash) is False
    assert await verify(text, None) is False
    assert costs == []


async def test_hashing_leaves_the_event_loops_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def noted(password: bytes, hashed: bytes) -> bool:
        threads.append(threading.get_ident())
        return False

    monkeypatch.setattr(bcrypt, "checkpw", noted)
    await verify(OTHER, None)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_the_cost_is_ten() -> None:
    assert keys.COST == 10
