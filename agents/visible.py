"""Text as a person sees it: without what is only there for machines to read."""

import re
import unicodedata

# Format characters (zero-width, bidirectional, tags, soft hyphens), private use, surrogates, unassigned.
_HIDDEN = {"Cf", "Co", "Cs", "Cn"}
# Category Mn, but without a shape: variation selectors and fillers, by which text is smuggled.
_SHAPELESS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    """`text` without characters that nobody sees; line breaks and tabs stay, other controls become a space."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = _SHAPELESS.sub("", _CONTROLS.sub(" ", text))
    if text.isascii():
        return text
    return "".join(char for char in text if unicodedata.category(char) not in _HIDDEN)


def normal(text: str) -> str:
    """`visible`, in Unicode's compatibility form: full-width digits and ligatures are the plain ones."""
    return unicodedata.normalize("NFKC", visible(text))
