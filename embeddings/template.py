"""The text that stands for a company in the vector space. Pure; any change of wording needs a new `TEMPLATE`."""

import string
import unicodedata
from collections.abc import Iterable

TEMPLATE = "v1"  # stored with each vector: another version makes all of them outdated

MAX_NAME, MAX_DESCRIPTION, MAX_LABELS, MAX_PLACE = 300, 6_000, 1_500, 200  # characters
NAMELESS = "unnamed company"  # for a name of nothing but invisible characters
# Characters that show nothing: control (with surrogates, private and unassigned ones), zero-width, bidi, tags.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn"}


def company_parts(
    *, name: str, description: str, sic_titles: str, categories: Iterable[str], town: str, domain: str
) -> tuple[str, ...]:
    """The texts whose mean direction is the company's vector; only fields that `Business.text_hash` covers.

    One text, or two when the company has a description and labels as well: what it says of itself, and what it is
    filed under. On 4,956 labelled companies that found more than one text with everything in it (docs/adr). The
    labels are SIC titles rather than codes, which mean nothing to a model; without the name, so that companies of one
    industry share the text and it is embedded once.
    """
    name = _clean(name, MAX_NAME) or NAMELESS
    description = _clean(description, MAX_DESCRIPTION)
    labels = _sentences(_clean(sic_titles, MAX_LABELS), _clean(", ".join(categories), MAX_LABELS))
    place = _sentences(string.capwords(_clean(town, MAX_PLACE)), _clean(domain, MAX_PLACE))
    if description and labels:
        return _sentences(name, description, place), labels
    return (_sentences(name, description, labels, place),)


def _sentences(*texts: str) -> str:
    return ". ".join(text.rstrip(". ") or text for text in texts if text)


def _clean(text: str, limit: int) -> str:
    """On one line, without characters nobody sees, at most `limit` long and cut between words where there are any."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(
            " " if char.isspace() else char
            for char in unicodedata.normalize("NFC", text)
            if char.isspace() or unicodedata.category(char) not in _INVISIBLE
        )
    text = " ".join(text[: 4 * limit].split())
    if len(text) <= limit:
        return text
    cut = text[: limit + 1].rsplit(" ", 1)[0]
    return cut if limit // 2 < len(cut) <= limit else text[:limit]
