"""An address that is not everybody's is no customer's server, whatever form it comes in."""

from __future__ import annotations

import pytest

from billing.addresses import is_public

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0",
    "169.253.255.255", "192.167.255.255", "223.255.255.255", "2600:1f18::1", "2a00:1450:4001::200e", "2001:4860:4860::8888",
]  # fmt: skip
NOT_PUBLIC = [
    # this host, loopback, private, link-local with the metadata of EC2 and ECS, carrier-grade NAT
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "10.20.0.2", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "169.254.169.254", "169.254.170.2", "169.254.0.1", "100.64.0.1", "100.127.255.255",
    # protocols, documentation, benchmarks, 6to4's relay, multicast, reserved, broadcast
    "192.0.0.8", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
    # the same of IPv6, and EC2's metadata there
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "100::1", "2001:db8::1", "3fff::1",
    "2001::1", "2001:10::1", "2001:20::1", "5f00::1",
    # IPv4 in IPv6: mapped, compatible, translated (NAT64, also the local kind), 6to4, Teredo
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a9fe:a9fe", "::127.0.0.1", "::8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::a9fe:a9fe", "2002:7f00:1::1", "2002:a9fe:a9fe::", "2001:0:808:808::1",
    # none at all
    "", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "1.1.1.1/32", "[::1]", " 8.8.8.8", "8.8.8.8:443",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_every_other_is_not(address: str) -> None:
    assert not is_public(address)
