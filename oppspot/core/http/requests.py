"""What is sent: a method, a vetted URL and headers that hold nothing but themselves."""

import re
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import httpx2

from oppspot.core.errors import InvalidInput
from oppspot.core.http.urls import host_of, origin_of

USER_AGENT = "oppSpot/0.1"
NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?")
OURS = {"accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding", "upgrade"}

Auth = tuple[str, str] | str | None  # a user and a password; or a bearer token


@dataclass(frozen=True)
class Outgoing:
    """One call. `private` headers (the caller's own, credentials among them) go to the origin they were given for."""

    method: str
    url: httpx2.URL
    public: Mapping[str, str]
    private: Mapping[str, str]
    content: bytes | None = None

    @property
    def host(self) -> str:
        return host_of(self.url)

    def headers(self) -> list[tuple[bytes, bytes]]:
        length = {} if self.content is None else {"Content-Length": str(len(self.content))}
        together = {"Host": self.url.netloc.decode("ascii"), **self.public, **self.private, **length}
        return [(name.encode("ascii"), value.encode("ascii")) for name, value in together.items()]

    def redirected(self, url: httpx2.URL) -> "Outgoing":
        private = self.private if origin_of(url) == origin_of(self.url) else {}
        return Outgoing(self.method, url, self.public, private, self.content)


def public_headers(
    *, user_agent: str, content_types: Collection[str] | None, encoding: str = "gzip", content_type: str = ""
) -> dict[str, str]:
    """Those that any host may see."""
    headers = {
        "User-Agent": user_agent,
        "Accept": ", ".join(content_types or ["*/*"]),
        "Accept-Encoding": encoding,
        "Connection": "close",
        **({"Content-Type": content_type} if content_type else {}),
    }
    return checked_headers(headers)


def private_headers(headers: Mapping[str, str] | None, auth: Auth) -> dict[str, str]:
    """The caller's. Raises `InvalidInput` for names that are the client's to set."""
    given = {name.title(): value for name, value in (headers or {}).items()}
    taken = OURS & {name.lower() for name in given}
    if taken:
        raise InvalidInput(f"The HTTP client sets the header {taken.pop()} itself.")
    if isinstance(auth, str):
        given["Authorization"] = f"Bearer {auth}"
    elif auth is not None:
        given["Authorization"] = "Basic " + b64encode(":".join(auth).encode()).decode()
    return checked_headers(given)


def conditions(*, etag: str, last_modified: str) -> dict[str, str]:
    """Servers wrote these values: one that cannot be sent back is left out."""
    headers = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in headers.items() if value and VALUE.fullmatch(value)}


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Raises `InvalidInput`, without the value, for what would be more than one header, or none."""
    for name, value in headers.items():
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise InvalidInput(f"The value of the header {name!r}, or its name, cannot be sent.")
    return dict(headers)
