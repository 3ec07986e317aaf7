"""Which addresses are on the public internet, by a list of what is not.

`ipaddress.is_global` does not suffice: in Python 3.11 it takes NAT64 and 6to4 forms of 127.0.0.1, multicast and the
metadata services of two clouds for public.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# IANA's special-purpose registry (iana.org/assignments/iana-ipv4-special-registry), multicast, and one cloud's own.
NOT_PUBLIC_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform service, in a block that is public otherwise
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
# All unicast addresses given out so far are in here; loopback, local, mapped and NAT64 addresses are not.
UNICAST_V6 = IPv6Network("2000::/3")
NOT_PUBLIC_V6 = [
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
]
ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214: before an IPv4 address that packets are forwarded to


def is_public(address: Address) -> bool:
    """Whether anybody's public server may be there. Everything that is not known to be public is not."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in NOT_PUBLIC_V4)
    if address.scope_id or address not in UNICAST_V6 or any(address in network for network in NOT_PUBLIC_V6):
        return False
    number = int(address)
    if (number >> 32) & 0xFFFFFFFF in ISATAP:
        return is_public(IPv4Address(number & 0xFFFFFFFF))
    return address.is_global
