"""Which addresses of the internet are anybody's: a message of ours for a stranger goes to no other.

Written out, since Python's own `is_global` answers otherwise in another release. Source: the registries of special-purpose
addresses at IANA, for IPv4 and IPv6.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

# This host, private, carrier-grade NAT, loopback, link-local with the metadata of the cloud, private, protocols,
# documentation, AMT, 6to4's relay, private, benchmarks, documentation twice; then multicast, reserved and broadcast.
_NOT_IPV4: Final = tuple(
    map(
        ip_network,
        ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
         "192.0.2.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
         "203.0.113.0/24", "224.0.0.0/3"),
    )
)  # fmt: skip
# All that is given out of IPv6. What leads into IPv4 is none of it (::/96, ::ffff:0:0/96, 64:ff9b::/96 and its local kind), nor
# what is the link's, the site's or everybody's. Within it: protocols with Teredo, documentation twice, 6to4.
_IPV6: Final = ip_network("2000::/3")
_NOT_IPV6: Final = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16")))


def is_public(text: str) -> bool:
    """False for what is no address, and for one with a scope."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_IPV4)
    given_out = address.scope_id is None and address in _IPV6
    return given_out and not any(address in network for network in _NOT_IPV6)
