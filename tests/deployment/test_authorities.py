"""Whom functions believe that a server is the database: Amazon's own roots, and nobody else."""

from __future__ import annotations

import hashlib
import re
import ssl
from pathlib import Path
from typing import Any

import botocore
import pytest

from local import package

ROOT = Path(__file__).parents[2]
# As others publish it, too: "Amazon RDS eu-central-1 Root CA RSA2048 G1".
FRANKFURT = "3d8b08a7390c9b10d190a6b349d703ae00bae46583643319c7faccf3e5dc4a8b"


def certificates(pem: str) -> set[str]:
    """By their fingerprints."""
    found = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    return {hashlib.sha256(ssl.PEM_cert_to_DER_cert(one)).hexdigest() for one in found}


def named(pem: str) -> list[dict[str, Any]]:
    """What each says of itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return [dict(one) for one in context.get_ca_certs()]


@pytest.fixture(scope="module")
def proxy() -> str:
    return package.authorities("proxy").decode()


@pytest.fixture(scope="module")
def cluster() -> str:
    return package.authorities("cluster").decode()


def test_the_proxys_are_amazons_public_roots_which_botocore_trusts_as_well(proxy: str) -> None:
    trusted = (Path(botocore.__file__).parent / "cacert.pem").read_text()
    assert certificates(proxy) <= certificates(trusted)
    assert len(certificates(proxy)) == len(named(proxy)) == 5


def test_the_clusters_are_rds_own_roots_three_a_region(cluster: str) -> None:
    found = named(cluster)
    assert len(found) == len(certificates(cluster))
    regions: dict[str, set[str]] = {}
    for one in found:
        subject = dict(pair for (pair,) in one["subject"])
        assert one["subject"] == one["issuer"]
        assert subject["organizationalUnitName"] == "Amazon RDS"
        name = re.fullmatch(r"Amazon RDS ([a-z-]+-\d) Root CA (RSA2048|RSA4096|ECC384) G1", subject["commonName"])
        assert name is not None, subject["commonName"]
        regions.setdefault(name[1], set()).add(name[2])
    assert len(regions) > 25
    assert set(map(frozenset, regions.values())) == {frozenset({"RSA2048", "RSA4096", "ECC384"})}
    [region] = re.findall(r"region: \$\{opt:region, '([a-z0-9-]+)'\}", (ROOT / "serverless.yml").read_text())
    assert region in regions
    assert FRANKFURT in certificates(cluster)


def test_neither_vouches_for_the_other(proxy: str, cluster: str) -> None:
    assert certificates(proxy).isdisjoint(certificates(cluster))
