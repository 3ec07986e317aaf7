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
_LAUNCH = re.compile(
    rf"\b(?:(?:we(?:['\u2019]ve| have| are)?(?: just| now| recently| officially| proud to| excited to|"
    rf" delighted to| pleased to)*|"
    rf"(?:proud|excited|delighted|pleased|thrilled) to|introducing|announcing|(?:is|are|now|going|gone|went|goes)) "
    rf"(?:launch(?:ed|es|ing)?|released|unveiled|introduced|announce(?:d)? the launch)\b"
    rf"|launch(?:ed|es|ing)? (?:of )?(?:our|its|a|an|the|their) (?:[\w-]+ ){{0,4}}{_THING}\b"
    rf"|(?:now|is|are|goes|went|gone|going|officially) live\b(?! (?:music|chat|events?|streams?|sport|"
    rf"entertainment|in |at |with ))"
    rf"|now available\b|introducing (?:our |the )?(?:new|[A-Z])|"
    rf"our new (?:[\w-]+ ){{0,3}}{_THING} (?:is|are) (?:here|out|live|available))",
    re.IGNORECASE,
)


def launch_in(text: str, on: date) -> str:
    """The first sentence that tells of a launch that has happened; "" where there is none."""
    for sentence in sentences(text):
        match = _LAUNCH.search(sentence.text)
        if match and happened(sentence.text, match.start(), match.end(), on):
            return sentence.text
    return ""
