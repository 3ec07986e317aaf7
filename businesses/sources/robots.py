"""What robots.txt allows (RFC 9309). Pure: the file was fetched elsewhere."""

from protego import Protego

from oppspot.core.http.requests import USER_AGENT

AGENT = USER_AGENT.partition("/")[0]  # the product token, which groups of rules are for
MAX_BYTES = 512_000  # RFC 9309 asks for at least 500 KiB
MAX_DELAY_S = 10.0  # what a longer Crawl-delay counts as


def is_allowed(robots: str, url: str) -> bool:
    return bool(Protego.parse(robots).can_fetch(url, AGENT))


def delay_of(robots: str) -> float:
    """Seconds between requests that the host asks for; 0 when it does not."""
    return min(max(Protego.parse(robots).crawl_delay(AGENT) or 0.0, 0.0), MAX_DELAY_S)
