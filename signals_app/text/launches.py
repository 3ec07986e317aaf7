"""Sentences in which somebody launches something: "We deliver" and "live music" are none."""

import re
from datetime import date

from signals_app.text.claims import happened
from signals_app.text.sentences import sentences

_THING = (
    r"(?:products?|platform|app|service|website|site|store|shop|portal|feature|features|range|"
    r"collection|version|software|tool|api|brand|"
    r"marketplace|subscription|solution|edition|suite|module|dashboard|integration|line|plan|plans|programme|offering)"
)
_SAYS = (
    r"(?:offer|sell|advise|cover|serve|supply|ship to|stock|install|provide|insure|repair|teach|hire out|deliver to)"
)
_LAUNCH = re.compile(
    r"\b(?:"
    r"(?:we(?:['\u2019]ve| have| are)?(?: just| now| recently| officially| proud to| excited to|"
    r" delighted to| pleased to){0,3}"
    r"|(?:proud|excited|delighted|pleased|thrilled) to|(?:is|are|now|going|gone|went|goes)) "
    r"(?:launch(?:ed|es|ing)?|released|unveiled|introduced?|announce(?:d)? the launch)\b"
    rf"|launch(?:ed|es|ing)? (?:of )?(?:our|its|a|an|the|their) (?:[\w-]+ ){{0,4}}{_THING}\b"
    r"|launch(?:ing|ed) (?:today|now|this (?:week|month))\b"
    r"|(?:now|is|are|goes|went|gone|going|officially) live\b(?! (?:music|chat|events?|streams?|sport|"
    r"entertainment|in |at |with ))"
    r"|now available\b|introducing (?:our |the |a )?(?:new|[A-Z])"
    rf"|our new (?:[\w-]+ ){{0,3}}{_THING} (?:is|are) (?:here|out|live|available)"
    rf"|we now (?:also )?{_SAYS}\b|now (?:also )?(?:covering|offering|serving|selling|shipping to|"
    rf"open in|stocking|insuring)\b"
    r"|(?:trade accounts?|bookings?|pre-orders?|subscriptions?) (?:is|are) now open"
    r"|jetzt auch|maintenant (?:aussi )?en|ahora (?:tambi\u00e9n )?en)\b"
    r"|(?:^|\n)New: (?!you\b|opening|hours|terms|see\b|follow)",
    re.IGNORECASE,
)


def launch_in(text: str, on: date) -> str:
    """The first sentence that tells of a launch that has happened; "" where there is none."""
    for sentence in sentences(text):
        match = _LAUNCH.search(sentence.text)
        if match and happened(sentence.text, match.start(), match.end(), on):
            return sentence.text
    return ""
