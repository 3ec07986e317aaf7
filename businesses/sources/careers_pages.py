"""Where a company advertises its jobs, by the links of its pages. Pure."""

import re
from urllib.parse import urljoin, urlsplit

from businesses.sources.html_pages import Page, is_same_site, site_of

# Hosts of systems that companies let their careers pages be made by; a company's is below one of them, or a path of it.
ATS_HOSTS = (
    "applytojob.com", "ashbyhq.com", "bamboohr.com", "breezy.hr", "careers-page.com", "eploy.net", "freshteam.com",
    "greenhouse.io", "hibob.com", "homerun.co", "icims.com", "jobs.personio.com", "jobs.personio.de", "jobvite.com",
    "join.com", "lever.co", "livevacancies.co.uk", "myworkdayjobs.com", "networxrecruitment.com", "peoplehr.net",
    "pinpointhq.com", "recruitee.com", "smartrecruiters.com", "taleo.net", "teamtailor.com", "tribepad.com",
    "webitrent.com", "workable.com", "zohorecruit.eu",
)  # fmt: skip
GUESSES = ("/careers", "/jobs")  # where the page may be if nothing links to it
MAX_POSTINGS_LINKED = 500

_PATH = re.compile(
    r"/(?:careers?|jobs?|vacanc(?:y|ies)|join-?us|work-(?:with|for)-us|opportunities|recruitment)\b", re.I
)
_TEXT = re.compile(
    r"\b(?:careers?|jobs|vacancies|join (?:us|our team|the team)|work (?:with|for|at) \w+|we[\u2019']?re hiring|"
    r"current opportunities|open (?:roles|positions))\b",
    re.I,
)
_POSTING = re.compile(
    r"/(?:jobs?|positions?|openings?|vacanc(?:y|ies)|careers?|roles?|opportunit(?:y|ies)|o|j)/[^/]", re.I
)


def careers_link(page: Page) -> str:
    """The address of the careers page that the page links to, or ""; a system's own is the better one."""
    links = [link for link in page.links if link.url.rstrip("/") != page.url.rstrip("/")]
    site = site_of(page.url)
    hosted = [link.url for link in links if is_ats(link.url)]
    by_path = [link.url for link in links if is_same_site(link.url, site) and _PATH.search(urlsplit(link.url).path)]
    by_text = [link.url for link in links if is_same_site(link.url, site) and _TEXT.search(link.text)]
    below = [
        link.url
        for link in links
        if re.match(r"(?:careers|jobs)\.", site_of(link.url)) and is_same_site(link.url, site)
    ]
    return next(iter([*hosted, *below, *sorted(by_path, key=len), *by_text]), "")


def guesses(url: str) -> list[str]:
    return [urljoin(url, path) for path in GUESSES]


def posting_links(page: Page) -> list[str]:
    """Addresses below the careers page, or formed like those of single postings, on its own host."""
    own = page.url.partition("?")[0].rstrip("/")
    host = urlsplit(page.url).hostname
    found = [
        link.url
        for link in page.links
        if urlsplit(link.url).hostname == host
        and link.url.partition("?")[0].rstrip("/") != own
        and (link.url.startswith(f"{own}/") or _POSTING.search(urlsplit(link.url).path))
    ]
    return found[:MAX_POSTINGS_LINKED]


def is_ats(url: str) -> bool:
    return any(is_same_site(url, host) for host in ATS_HOSTS)
