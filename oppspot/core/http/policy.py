"""Where calls may lead: an object, so that whoever makes a client says it."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oppspot.core.http.addresses import Address, is_public


def system_addresses(host: str) -> list[str]:
    """The addresses of `host` in the system's order of preference. Raises `OSError`."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


@dataclass(frozen=True)
class AddressPolicy:
    """The default is for URLs that users or data supplied."""

    allows: Callable[[Address], bool] = is_public  # asked of every address a name has, and of the peer once connected
    ports: frozenset[int] | None = frozenset({80, 443})  # None: any
    local_names: bool = False  # names without a dot, or of a local domain
    addresses_of: Callable[[str], Sequence[str]] = system_addresses  # asked once for each connection


PUBLIC = AddressPolicy()
ANYWHERE = AddressPolicy(allows=lambda address: True, ports=None, local_names=True)  # for hosts of our own choice
