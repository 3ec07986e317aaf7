"""Which technologies a website shows, by fingerprints in `technologies.toml`. Never by words in its text.

A fingerprint is a host that scripts, styles or frames come from, segments of their paths, the beginning of the
generator that a page names, a header and the beginning of its value, or the name of a cookie (`name*`: its beginning).
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

FILE = Path(__file__).with_suffix(".toml")
_COOKIE = re.compile(r"(?:^|,\s*)([A-Za-z0-9!#$%&'*+.^_`|~-]+)=")


class Technology(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    category: str
    hosts: list[str] = Field(default_factory=list)
    paths: list[str] = Field(default_factory=list)
    generators: list[str] = Field(default_factory=list)
    headers: dict[str, str] = Field(default_factory=dict)
    cookies: list[str] = Field(default_factory=list)


class Shown(NamedTuple):
    """What a page shows of how it is made."""

    resources: Iterable[str] = ()
    generators: Iterable[str] = ()
    headers: Mapping[str, str] = {}


@cache
def technologies() -> tuple[Technology, ...]:
    return tuple(Technology.model_validate(each) for each in tomllib.loads(FILE.read_text())["technology"])


def technologies_of(shown: Shown) -> list[str]:
    """Names, in alphabetical order."""
    places = [(parts.hostname or "", parts.path.lower()) for parts in map(urlsplit, shown.resources)]
    generators = [generator.lower() for generator in shown.generators]
    headers = {name.lower(): value.lower() for name, value in shown.headers.items()}
    cookies = _COOKIE.findall(shown.headers.get("set-cookie", ""))
    return sorted(
        one.name
        for one in technologies()
        if _is_at(one, places)
        or any(text.startswith(start.lower()) for text in generators for start in one.generators)
        or any(name in headers and headers[name].startswith(start) for name, start in one.headers.items())
        or any(_is_named(cookie, name) for cookie in cookies for name in one.cookies)
    )


def _is_at(one: Technology, places: list[tuple[str, str]]) -> bool:
    return any(
        any(host == each or host.endswith(f".{each}") for each in one.hosts)
        or any(segments in f"{path}/" for segments in one.paths)
        for host, path in places
    )


def _is_named(cookie: str, name: str) -> bool:
    return cookie.startswith(name[:-1]) if name.endswith("*") else cookie == name
