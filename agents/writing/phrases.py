"""What no draft says: the claims of `banned.toml`, and marks of a template left unfilled."""

import re
import tomllib
from functools import cache
from pathlib import Path

from agents.visible import normal

FILE = Path(__file__).with_name("banned.toml")
_PLAIN = str.maketrans("\u2018\u2019\u2010\u2011\u2012\u2013\u2014", "''-----")  # quotation marks and dashes

_PLACEHOLDER = re.compile(
    r"[{}]|%\(\w+\)s|<<|>>|<[a-z_ ]+>|\[(?:your|my|the|first|last|full|insert|company|name|date|title|role)\b"
    r"|(?<!\w)(?:x{3,}|tbd|todo|lorem ipsum|undefined)(?!\w)",
    re.IGNORECASE,
)


@cache
def _patterns() -> tuple[dict[str, re.Pattern[str]], re.Pattern[str]]:
    data = tomllib.loads(FILE.read_text(encoding="utf-8"))
    claims = {
        name: re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)
        for name, patterns in data["claims"].items()
    }
    replies = "|".join(data["subjects"]["fake_reply"])
    return claims, re.compile(rf"\s*(?:{replies})\s*(?:\[\d+\]|\(\d+\))?\s*:", re.IGNORECASE)


def banned_in(text: str) -> list[str]:
    """Each banned phrase in `text`, as `kind: phrase`."""
    plain = " ".join(normal(text).translate(_PLAIN).split())
    return [f"{name}: {match[0]}" for name, pattern in _patterns()[0].items() for match in pattern.finditer(plain)]


def placeholders_in(text: str) -> list[str]:
    """What looks like a place that somebody forgot to fill."""
    return [match[0] for match in _PLACEHOLDER.finditer(normal(text))]


def is_fake_reply(subject: str) -> bool:
    """Whether a subject pretends that the message answers or forwards another."""
    return bool(_patterns()[1].match(normal(subject)))
