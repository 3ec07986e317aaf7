"""Reading a URL strictly. Parsers disagree about odd URLs, so that odd URLs are refused; one parser reads the rest."""

import re
from ipaddress import IPv4Address, IPv6Address

import httpx2

from oppspot.core.http.errors import ForbiddenAddress
from oppspot.core.http.policy import AddressPolicy

MAX_URL = 8_000  # characters
MAX_HOST = 253
PORTS = {"http": 80, "https": 443}
# No user, nothing escaped. What else the host is made of is looked at after IDNA.
AUTHORITY = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]@:%\s]+)(?::[0-9]{1,5})?", re.ASCII)
LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
LOCAL_DOMAINS = ("localhost", "local", "internal", "home.arpa")


def vetted_url(text: str, policy: AddressPolicy, *, base: httpx2.URL | None = None) -> httpx2.URL:
    """`text`, relative to `base` if it is, without fragment. Raises `ForbiddenAddress`; resolves no names."""
    if len(text) > MAX_URL:
        raise ForbiddenAddress(f"The URL has more than {MAX_URL:,} characters.")
    if "\\" in text or not all(character.isprintable() for character in text):
        raise ForbiddenAddress("The URL contains a backslash, a control character or an invisible one.")
    try:
        url = httpx2.URL(text)
        absolute = url if base is None else base.join(url)
    except (httpx2.InvalidURL, ValueError):  # the parser's messages quote what they were given
        raise ForbiddenAddress("The URL cannot be read.") from None
    if absolute.scheme not in PORTS:
        raise ForbiddenAddress("The URL does not begin with http:// or https://.")
    if base is None or url.scheme or url.netloc:  # "http:name" is a relative path to some
        _check_authority(text)
    _check_host(host_of(absolute), policy)
    if policy.ports is not None and port_of(absolute) not in policy.ports:
        raise ForbiddenAddress(f"Port {port_of(absolute)} of {host_of(absolute)} may not be called.")
    return absolute.copy_with(fragment=None)


def port_of(url: httpx2.URL) -> int:
    return PORTS[url.scheme] if url.port is None else url.port


def host_of(url: httpx2.URL) -> str:
    """As it is resolved; `url.host` would translate it back from IDNA, and fail for some."""
    return url.raw_host.decode("ascii")


def origin_of(url: httpx2.URL) -> tuple[str, bytes, int]:
    """Whom credentials are for."""
    return url.scheme, url.raw_host, port_of(url)


def _check_authority(text: str) -> None:
    authority = re.split(r"[/?#]", text.partition("//")[2], maxsplit=1)[0]
    if not AUTHORITY.fullmatch(authority):
        raise ForbiddenAddress("The URL does not name a host, or not only a host and a port.")


def _check_host(host: str, policy: AddressPolicy) -> None:
    address = literal(host)
    if address is not None:
        if not policy.allows(address):
            raise ForbiddenAddress(f"{host} is not a public address.")
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > MAX_HOST or not all(map(LABEL.fullmatch, labels)):
        raise ForbiddenAddress("The URL's host is not a valid name.")
    if labels[-1][0].isdigit():  # 127.1, 0x7f000001, 2130706433: addresses to some systems
        raise ForbiddenAddress("The URL's host is neither a name nor an address in its usual form.")
    is_local = len(labels) == 1 or any(f".{'.'.join(labels)}".endswith(f".{domain}") for domain in LOCAL_DOMAINS)
    if is_local and not policy.local_names:
        raise ForbiddenAddress(f"{host} is not a public name.")


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is in its usual form, or None. A `host` has no brackets."""
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(host)
    except ValueError:
        return None
