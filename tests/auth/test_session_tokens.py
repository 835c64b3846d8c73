"""Session tokens: ours verify, and everything else is refused in one and the same way.

Tokens are put together by hand, in tests/auth/tokens.py. The log's reason says that each bad one was refused for what is
bad in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auth import sessions
from auth.caller import Caller, CallerKind, SessionToken
from auth.sessions import Claims, SigningKeys, issue, verify
from db.errors import Unauthenticated
from tests.auth.tokens import DAY, HEADER, STRANGERS, Maker, part, parts

NOW = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)
T = int(NOW.timestamp())
SECRET, OLDER = b"s" * 32, b"o" * 32
KEYS = SigningKeys({"k2": SECRET, "k1": OLDER}, current="k2", issuer="https://api.landlord.test", audience="landlord")

KEY_ID = UUID("01932b6e-0000-7000-8000-000000000001")
CUSTOMER = UUID("01932b6e-0000-7000-8000-000000000002")
JTI = UUID("01932b6e-0000-4000-8000-000000000003")
TENANT = Caller(CallerKind.TENANT, CUSTOMER, KEY_ID, "ci bot \u00fc", frozenset({"read", "tickets:write"}), 7)
OPERATOR = Caller(CallerKind.OPERATOR, None, KEY_ID, "staff", frozenset({"operator"}), 0)

PAYLOAD: dict[str, Any] = {
    "iss": "https://api.landlord.test",
    "aud": "landlord",
    "sub": str(KEY_ID),
    "name": "ci bot \u00fc",
    "iat": T,
    "nbf": T,
    "exp": T + DAY,
    "jti": str(JTI),
    "customer": str(CUSTOMER),
    "scopes": ["read", "tickets:write"],
    "epoch": 7,
}
GOOD = Claims(
    key_id=KEY_ID,
    customer_id=CUSTOMER,
    name="ci bot \u00fc",
    scopes=frozenset({"read", "tickets:write"}),
    epoch=7,
    jti=JTI,
    issued_at=datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC),
    expires_at=datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC),
)


MAKER = Maker(PAYLOAD, SECRET, OLDER)
GOOD_TOKEN, BAD = MAKER.good, MAKER.bad()
token, headed, claiming = MAKER.token, MAKER.headed, MAKER.claiming


def refusal(text: str, keys: SigningKeys = KEYS, now: datetime = NOW) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refused:
        verify(keys, text, now)
    return refused.value


def test_a_token_of_ours_says_who_asks() -> None:
    assert verify(KEYS, GOOD_TOKEN, NOW) == GOOD


def test_an_operators_token_has_no_customer() -> None:
    claims = verify(KEYS, claiming(customer=None, epoch=0), NOW)
    assert claims.customer_id is None
    assert claims.caller().kind is CallerKind.OPERATOR


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_for_what_is_bad_in_it_and_the_caller_is_told_nothing_of_it(name: str) -> None:
    text, reason = BAD[name]
    refused = refusal(text)
    assert isinstance(refused, Unauthenticated)
    assert str(refused) == str(Unauthenticated("any"))
    assert refused.reason == f"session token: {reason}"


def test_the_table_covers_every_claim_and_every_header_field() -> None:
    for claim in MAKER.required:
        assert f"{claim} missing" in BAD
    for field in HEADER:
        assert f"{field} missing" in BAD


@given(st.text(max_size=300))
@example("." * 8192)
@example("..")
@example("Bearer " + GOOD_TOKEN)
def test_no_text_raises_anything_but_the_refusal(text: str) -> None:
    refusal(text)


@given(st.integers(0, len(GOOD_TOKEN) - 1), st.characters())
def test_any_one_changed_character_of_a_good_token_is_refused(place: int, character: str) -> None:
    if GOOD_TOKEN[place] != character:
        refusal(GOOD_TOKEN[:place] + character + GOOD_TOKEN[place + 1 :])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted(PAYLOAD)), json_values)
def test_no_well_signed_claim_raises_anything_but_the_refusal(claim: str, value: object) -> None:
    with contextlib.suppress(Unauthenticated):
        verify(KEYS, claiming(**{claim: value}), NOW)


@given(st.sampled_from([*HEADER, "crit", "b64", "x"]), json_values)
def test_no_header_raises_anything_but_the_refusal(field: str, value: object) -> None:
    with contextlib.suppress(Unauthenticated):
        verify(KEYS, headed(**{field: value}), NOW)


def test_clocks_may_differ_by_five_seconds() -> None:
    late = claiming(iat=T - 60, nbf=T - 60, exp=T - 4)
    assert verify(KEYS, late, NOW).expires_at == datetime(2026, 11, 22, 11, 59, 56, tzinfo=UTC)
    assert refusal(late, now=NOW + timedelta(seconds=1)).reason == "session token: expired"
    early = claiming(iat=T + 5, nbf=T + 5, exp=T + 60)
    assert verify(KEYS, early, NOW).issued_at == datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
    assert refusal(early, now=NOW - timedelta(seconds=1)).reason == "session token: not yet valid"


def test_only_the_instant_given_counts_not_the_machines_clock() -> None:
    for year in (1999, 2199):
        then = datetime(year, 1, 1, tzinfo=UTC)
        text, claims = issue(KEYS, TENANT, key_expires_at=None, now=then)
        assert verify(KEYS, text, then) == claims
        assert refusal(text).reason == ("session token: expired" if year == 1999 else "session token: not yet valid")


def test_the_token_issued_has_these_fields_and_no_others() -> None:
    text, claims = issue(KEYS, TENANT, key_expires_at=None, now=NOW)
    header, payload = parts(text)
    assert header == HEADER
    assert payload == PAYLOAD | {"jti": str(claims.jti)}
    assert claims.expires_at == NOW.replace(microsecond=0) + timedelta(days=1)
    assert verify(KEYS, text, NOW) == claims
    expected = hmac.new(SECRET, text.rsplit(".", 1)[0].encode(), hashlib.sha256).digest()
    assert text.rsplit(".", 1)[1] == part(expected)


def test_the_caller_of_a_token_is_the_one_it_was_issued_to() -> None:
    for caller in (TENANT, OPERATOR):
        text, claims = issue(KEYS, caller, key_expires_at=None, now=NOW)
        again = verify(KEYS, text, NOW).caller()
        assert again.session == SessionToken(claims.jti, claims.expires_at)
        assert (again.kind, again.customer_id, again.key_id, again.name, again.scopes, again.epoch) == (
            caller.kind,
            caller.customer_id,
            caller.key_id,
            caller.name,
            caller.scopes,
            caller.epoch,
        )


def test_every_session_has_an_id_of_its_own() -> None:
    ids = {issue(KEYS, TENANT, key_expires_at=None, now=NOW)[1].jti for _ in range(100)}
    assert len(ids) == 100


@pytest.mark.parametrize(
    ("ends", "expires"),
    [
        (NOW + timedelta(days=2), "2026-11-23T12:00:00+00:00"),
        (NOW + timedelta(hours=1), "2026-11-22T13:00:00+00:00"),
        (NOW + timedelta(seconds=1.7), "2026-11-22T12:00:01+00:00"),
    ],
)
def test_a_session_ends_with_its_key(ends: datetime, expires: str) -> None:
    text, claims = issue(KEYS, TENANT, key_expires_at=ends, now=NOW)
    assert claims.expires_at.isoformat() == expires
    assert parts(text)[1]["exp"] == int(claims.expires_at.timestamp())


@pytest.mark.parametrize("left", [timedelta(seconds=0.5), timedelta(0), timedelta(days=-1)])
def test_a_key_that_has_ended_opens_no_session(left: timedelta) -> None:
    with pytest.raises(Unauthenticated) as refused:
        issue(KEYS, TENANT, key_expires_at=NOW + left, now=NOW)
    assert refused.value.reason == "the key has ended"


def test_a_session_may_be_shorter_than_a_day_and_never_longer() -> None:
    _, claims = issue(KEYS, TENANT, key_expires_at=None, now=NOW, life=timedelta(hours=1))
    assert claims.expires_at - claims.issued_at == timedelta(hours=1)
    for life in (timedelta(days=1, microseconds=1), timedelta(0), timedelta(seconds=-1)):
        with pytest.raises(ValueError, match="24 hours at most"):
            issue(KEYS, TENANT, key_expires_at=None, now=NOW, life=life)


def test_a_key_is_exchanged_without_ending_the_sessions_it_signed() -> None:
    text, claims = issue(
        SigningKeys({"k1": OLDER}, "k1", KEYS.issuer, KEYS.audience), TENANT, key_expires_at=None, now=NOW
    )
    assert verify(KEYS, text, NOW) == claims
    retired = SigningKeys({"k2": SECRET}, "k2", KEYS.issuer, KEYS.audience)
    assert refusal(text, retired).reason == "session token: kid"


def test_a_weak_or_missing_signing_key_is_no_set_of_keys() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        SigningKeys({"k2": SECRET, "k1": b"s" * 31}, "k2", "i", "a")
    with pytest.raises(ValueError, match="not among the keys"):
        SigningKeys({"k1": SECRET}, "k2", "i", "a")


def test_a_key_put_into_the_callers_mapping_later_verifies_nothing() -> None:
    mapping = {"k2": SECRET}
    keys = SigningKeys(mapping, "k2", KEYS.issuer, KEYS.audience)
    mapping["k1"] = OLDER
    assert refusal(token(HEADER | {"kid": "k1"}, PAYLOAD, OLDER), keys).reason == "session token: kid"


def test_the_keys_are_not_in_their_text_form() -> None:
    assert "sss" not in repr(KEYS)
    assert "k2" in repr(KEYS)


def test_the_library_reads_what_we_issue() -> None:
    text, _ = issue(KEYS, TENANT, key_expires_at=None, now=NOW)
    read = jwt.decode(
        text,
        SECRET,
        algorithms=["HS256"],
        audience="landlord",
        options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
    )
    assert read["name"] == "ci bot \u00fc"


def test_everything_works_without_cryptography_and_boto3() -> None:
    program = """
import sys
sys.modules.update({"cryptography": None, "boto3": None, "botocore": None})
from datetime import UTC, datetime
from uuid import UUID
import auth.cache, auth.caller, auth.contexts, auth.keys, auth.scopes, auth.sessions as sessions
keys = sessions.SigningKeys({"k1": b"s" * 32}, "k1", "i", "a")
caller = auth.caller.Caller(auth.caller.CallerKind.OPERATOR, None, UUID(int=1), "x", frozenset({"read"}), 0)
now = datetime(2026, 11, 22, tzinfo=UTC)
text, claims = sessions.issue(keys, caller, key_expires_at=None, now=now)
print(sessions.verify(keys, text, now) == claims)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("True\n", "")


def test_a_signature_is_checked_once_and_the_times_at_every_request() -> None:
    keys = SigningKeys({"k2": SECRET}, "k2", KEYS.issuer, KEYS.audience)
    with patch.object(sessions._JWT, "decode", wraps=sessions._JWT.decode) as decode:
        assert verify(keys, GOOD_TOKEN, NOW) == verify(keys, GOOD_TOKEN, NOW) == GOOD
        assert decode.call_count == 1
        assert refusal(GOOD_TOKEN, keys, NOW + timedelta(days=2)).reason == "session token: expired"
        assert refusal(GOOD_TOKEN, keys, NOW - timedelta(minutes=1)).reason == "session token: not yet valid"


def test_what_one_key_signed_is_asked_of_each_set_of_keys() -> None:
    assert verify(KEYS, GOOD_TOKEN, NOW) == GOOD
    others = SigningKeys({"k2": STRANGERS}, "k2", KEYS.issuer, KEYS.audience)
    assert refusal(GOOD_TOKEN, others).reason == "session token: InvalidSignatureError"


def test_nothing_that_was_refused_is_kept() -> None:
    keys = SigningKeys({"k2": SECRET}, "k2", KEYS.issuer, KEYS.audience)
    before = sessions._signed.cache_info().currsize
    refusal("a.b.c", keys)
    assert sessions._signed.cache_info().currsize == before
