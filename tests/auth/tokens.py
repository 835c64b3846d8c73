"""Session tokens put together by hand, so that what signs them is not what is tested, and a table of bad ones.

Each bad one differs in one thing from a good one. `Maker.bad` also says the reason that the log has for it.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from typing import Any, Final

DAY: Final = 86_400
STRANGERS: Final = b"x" * 32
HEADER: Final[dict[str, Any]] = {"alg": "HS256", "kid": "k2", "typ": "landlord-session+jwt"}


@dataclass(frozen=True)
class Maker:
    """Signs as `k2` does, whose secret is `secret`; `k1`, whose is `older`, is still verified. `payload` is a good one's."""

    payload: dict[str, Any]
    secret: bytes = b"s" * 32
    older: bytes = b"o" * 32

    def sealed(self, header: bytes, payload: bytes, secret: bytes | None = None, digest: str = "sha256") -> str:
        text = f"{part(header)}.{part(payload)}"
        return f"{text}.{part(hmac.digest(self.secret if secret is None else secret, text.encode(), digest))}"

    def token(self, header: dict[str, Any], payload: Any, secret: bytes | None = None, digest: str = "sha256") -> str:
        return self.sealed(json.dumps(header).encode(), json.dumps(payload).encode(), secret, digest)

    def headed(self, **changes: Any) -> str:
        return self.token(HEADER | changes, self.payload)

    def claiming(self, **changes: Any) -> str:
        return self.token(HEADER, self.payload | changes)

    def raw(self, claim: str, json_text: str) -> str:
        """A good token but for one claim, whose JSON is given as text."""
        text = json.dumps(self.payload | {claim: "HERE"}).replace('"HERE"', json_text)
        return self.sealed(json.dumps(HEADER).encode(), text.encode())

    @property
    def good(self) -> str:
        return self.token(HEADER, self.payload)

    @property
    def required(self) -> list[str]:
        """The customer may be null, and is in the table."""
        return sorted(set(self.payload) - {"customer"})

    def bad(self) -> dict[str, tuple[str, str]]:
        """By what is bad in it: the token, and the reason of its refusal."""
        good, t = self.good, self.payload["iat"]
        head, body, seal = good.split(".")
        bad: dict[str, tuple[str, str]] = {
            # the form
            "empty": ("", "form"),
            "one part": ("abc", "form"),
            "two parts": (f"{head}.{body}", "form"),
            "four parts": (f"{good}.{seal}", "form"),
            "five parts, as an encrypted one": (f"{head}..{body}.{body}.{seal}", "form"),
            "no seal": (f"{head}.{body}.", "form"),
            "seal cut short": (good[:-3], "InvalidSignatureError"),
            "padded": (good + "=", "form"),
            "a space behind it": (good + " ", "form"),
            "not ASCII": (good[:-1] + "\u00e9", "form"),
            "a lone surrogate": ("\ud800", "form"),
            "a line break behind it": (good + "\n", "form"),
            "huge, well signed": (self.claiming(name="n" * 7000), "form"),
            "nested too deep, well signed": (self.raw("customer", "[" * 2500 + "]" * 2500), "DecodeError"),
            "header no JSON": (self.sealed(b"{", json.dumps(self.payload).encode()), "DecodeError"),
            "header a list": (self.sealed(b"[]", json.dumps(self.payload).encode()), "DecodeError"),
            "header not UTF-8": (self.sealed(b"\xff\xfe\xfd", json.dumps(self.payload).encode()), "DecodeError"),
            "payload no JSON": (self.sealed(json.dumps(HEADER).encode(), b"{'a': 1}"), "DecodeError"),
            "payload a list": (self.token(HEADER, [self.payload]), "DecodeError"),
            "payload null": (self.token(HEADER, None), "DecodeError"),
            "nested: a token as payload": (self.sealed(json.dumps(HEADER).encode(), good.encode()), "DecodeError"),
            "nested: a token as JSON string": (self.token(HEADER, good), "DecodeError"),
            "nested, and says so": (self.token(HEADER | {"cty": "JWT"}, good), "header"),
            # who signed it, and how
            "payload exchanged": (
                f"{head}.{self.claiming(customer=None).split('.')[1]}.{seal}",
                "InvalidSignatureError",
            ),
            "signed by a stranger": (self.token(HEADER, self.payload, STRANGERS), "InvalidSignatureError"),
            "signed with another kid's key": (self.token(HEADER, self.payload, self.older), "InvalidSignatureError"),
            "signed with an empty key": (self.token(HEADER, self.payload, b""), "InvalidSignatureError"),
            "alg none, unsigned": (self.headed(alg="none").rsplit(".", 1)[0] + ".", "form"),
            "alg none, signed": (self.headed(alg="none"), "InvalidAlgorithmError"),
            "alg None": (self.headed(alg="None"), "InvalidAlgorithmError"),
            "alg in small letters": (self.headed(alg="hs256"), "InvalidAlgorithmError"),
            "alg empty": (self.headed(alg=""), "InvalidAlgorithmError"),
            "alg null": (self.headed(alg=None), "InvalidAlgorithmError"),
            "alg a list": (self.headed(alg=["HS256"]), "InvalidAlgorithmError"),
            "alg missing": (self.token(without(HEADER, "alg"), self.payload), "header"),
            "alg HS384, rightly signed": (
                self.token(HEADER | {"alg": "HS384"}, self.payload, digest="sha384"),
                "InvalidAlgorithmError",
            ),
            "alg HS512, rightly signed": (
                self.token(HEADER | {"alg": "HS512"}, self.payload, digest="sha512"),
                "InvalidAlgorithmError",
            ),
            "alg RS256": (self.headed(alg="RS256"), "InvalidAlgorithmError"),
            "alg ES256": (self.headed(alg="ES256"), "InvalidAlgorithmError"),
            "signed with SHA-512 under HS256": (
                self.token(HEADER, self.payload, digest="sha512"),
                "InvalidSignatureError",
            ),
            "kid unknown": (self.headed(kid="k3"), "kid"),
            "kid missing": (self.token(without(HEADER, "kid"), self.payload), "header"),
            "kid null": (self.headed(kid=None), "InvalidTokenError"),
            "kid a number": (self.headed(kid=2), "InvalidTokenError"),
            "kid a list": (self.headed(kid=["k2"]), "InvalidTokenError"),
            "kid a path": (self.headed(kid="../../dev/null"), "kid"),
            "typ JWT": (self.headed(typ="JWT"), "header"),
            "typ another of ours": (self.headed(typ="landlord-edge+jwt"), "header"),
            "typ in capitals": (self.headed(typ="LANDLORD-SESSION+JWT"), "header"),
            "typ missing": (self.token(without(HEADER, "typ"), self.payload), "header"),
            "typ null": (self.headed(typ=None), "header"),
            "crit, unknown": (self.headed(crit=["exp"]), "InvalidTokenError"),
            "crit, empty": (self.headed(crit=[]), "InvalidTokenError"),
            "crit, no list": (self.headed(crit="b64"), "InvalidTokenError"),
            "crit, known": (self.headed(crit=["b64"], b64=True), "header"),
            "payload detached": (
                f"{part(json.dumps(HEADER | {'crit': ['b64'], 'b64': False}).encode())}..{seal}",
                "form",
            ),
            "payload said to be detached": (self.headed(crit=["b64"], b64=False), "DecodeError"),
            "brings its own key": (self.headed(jwk={"kty": "oct", "k": part(STRANGERS)}), "header"),
            "names where its key is": (self.headed(jku="https://example.com/keys"), "header"),
            # for whom
            "other issuer": (self.claiming(iss="https://api.example.com"), "InvalidIssuerError"),
            "issuer a list": (self.claiming(iss=["https://api.landlord.test"]), "InvalidIssuerError"),
            "other audience": (self.claiming(aud="landlord-edge"), "InvalidAudienceError"),
            "audience one of two": (self.claiming(aud=["landlord", "other"]), "InvalidAudienceError"),
            "audience a list of one": (self.claiming(aud=["landlord"]), "InvalidAudienceError"),
            "audience an object": (self.claiming(aud={"landlord": 1}), "InvalidAudienceError"),
            # when
            "expired": (self.claiming(iat=t - DAY - 5, nbf=t - DAY - 5, exp=t - 5), "expired"),
            "expired long ago": (self.claiming(iat=0, nbf=0, exp=3600), "expired"),
            "issued in the future": (self.claiming(iat=t + 6, nbf=t, exp=t + 60), "not yet valid"),
            "not yet valid": (self.claiming(nbf=t + 6), "not yet valid"),
            "good for a second more than a day": (self.claiming(exp=t + DAY + 1), "lifetime"),
            "good for ten years": (self.claiming(exp=t + 3650 * DAY), "lifetime"),
            "good for ten years, issued long ago": (self.claiming(iat=t - 3650 * DAY, nbf=t - 3650 * DAY), "lifetime"),
            "ends as it begins": (self.claiming(exp=t), "lifetime"),
            "ends before it begins": (self.claiming(exp=t - 1), "lifetime"),
            "exp beyond a bigint": (self.claiming(exp=10**400), "exp"),
            "exp of 5,000 digits": (self.raw("exp", "9" * 5000), "DecodeError"),
            "exp a string": (self.claiming(exp=str(t + 60)), "exp"),
            "exp a float": (self.claiming(exp=t + 60.0), "exp"),
            "exp infinite": (self.raw("exp", "Infinity"), "exp"),
            "exp no number": (self.raw("exp", "NaN"), "exp"),
            "exp true": (self.claiming(iat=0, nbf=0, exp=True), "exp"),
            "exp a list": (self.claiming(exp=[t + 60]), "exp"),
            "iat a string": (self.claiming(iat=str(t)), "iat"),
            "iat a float": (self.claiming(iat=float(t)), "iat"),
            "iat false": (self.claiming(iat=False), "iat"),
            "iat negative": (self.claiming(iat=-1), "iat"),
            "nbf a string": (self.claiming(nbf=str(t)), "nbf"),
            "nbf a float": (self.claiming(nbf=float(t)), "nbf"),
            "nbf true": (self.claiming(nbf=True), "nbf"),
            # what else it says
            "sub a number": (self.claiming(sub=1), "InvalidSubjectError"),
            "sub no UUID": (self.claiming(sub="key_01jd8x"), "sub"),
            "sub in braces": (self.claiming(sub=f"{{{self.payload['sub']}}}"), "sub"),
            "sub in capitals": (self.claiming(sub=self.payload["sub"].upper()), "sub"),
            "jti a number": (self.claiming(jti=7), "InvalidJTIError"),
            "jti no UUID": (self.claiming(jti="7"), "jti"),
            "customer missing": (self.token(HEADER, without(self.payload, "customer")), "customer"),
            "customer empty": (self.claiming(customer=""), "customer"),
            "customer false": (self.claiming(customer=False), "customer"),
            "customer a list": (self.claiming(customer=[self.payload["customer"]]), "customer"),
            "name a number": (self.claiming(name=1), "name"),
            "scopes a string": (self.claiming(scopes="read write"), "scopes"),
            "scopes an object": (self.claiming(scopes={"read": True}), "scopes"),
            "scopes empty": (self.claiming(scopes=[]), "scopes"),
            "scopes of numbers": (self.claiming(scopes=["read", 1]), "scopes"),
            "scopes of lists": (self.claiming(scopes=[["read"]]), "scopes"),
            "epoch a string": (self.claiming(epoch="7"), "epoch"),
            "epoch a float": (self.claiming(epoch=7.0), "epoch"),
            "epoch true": (self.claiming(epoch=True), "epoch"),
            "epoch negative": (self.claiming(epoch=-1), "epoch"),
            "epoch beyond a bigint": (self.claiming(epoch=2**63), "epoch"),
        }
        missing = "MissingRequiredClaimError"
        bad |= {
            f"{claim} missing": (self.token(HEADER, without(self.payload, claim)), missing) for claim in self.required
        }
        bad |= {f"{claim} null": (self.claiming(**{claim: None}), missing) for claim in self.required}
        return bad


def part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def parts(token: str) -> list[Any]:
    return [json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4))) for piece in token.split(".")[:2]]


def without(mapping: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}
