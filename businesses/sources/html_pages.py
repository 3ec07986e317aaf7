"""What a visitor sees of a page, and what it says of itself to machines. Pure: the page was fetched elsewhere."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import urljoin, urlsplit, urlunsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from businesses.payloads import MAX_LINE, MAX_TEXT
from businesses.sources.json_ld import Thing, things_in
from businesses.sources.plain_text import has_markup, plain
from oppspot.core.errors import PermanentError
from oppspot.core.http import Answer

HTML_TYPES = ("text/html", "application/xhtml+xml")
MAX_LINKS, MAX_RESOURCES = 2_000, 1_000
MAX_URL = 2_000
MAX_VISIBLE = 200_000  # characters
MAX_BANNER = 2_000  # characters of a cookie banner; what is larger is the page itself
MAX_BANNERS = 20  # elements that may be one; measuring each takes time by its size

UNSEEN = {
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "audio", "video", "head",
    "select", "datalist", "textarea", "-comment", "-doctype",
}  # fmt: skip
INLINE = {
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "kbd", "label", "mark", "q", "s", "small",
    "span", "strong", "sub", "sup", "time", "u", "var", "wbr",
}  # fmt: skip
_HIDING = re.compile(r"(?:display:none|visibility:hidden|opacity:0(?![.\d])|font-size:0(?![.\d]))", re.I)
_BANNER = re.compile(r"cookie|consent|gdpr|onetrust", re.I)
_WHOLE = {"html", "body", "main"}
_META_CHARSET = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.I)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]{0,30})")
_VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
    "p", "li", "dt", "dd", "tr", "td", "th", "option", "path",  # mostly left open, and closed by the next one
}  # fmt: skip
_FORMATTING = {
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
}  # fmt: skip
_ATTRIBUTES = re.compile(r"""<[a-zA-Z][^\s/>]*+((?:[^>=]++|=\s*+"[^"]*+"|=\s*+'[^']*+'|=)*+)""")
_QUOTED = re.compile(r"""=\s*+(?:"[^"]*+"|'[^']*+')""")
# Parsing HTML takes time by the square of the depth and of a tag's attributes, and memory by what formatting is open
# at each paragraph: a page of 2 MB could take minutes. The first two are sums over all tags of what is open there, the
# third is one of squares; ordinary pages stay below a tenth of each.
MAX_OPEN, MAX_FORMATTING, MAX_ATTRIBUTES = 30_000_000, 500_000, 50_000_000
MANY_ATTRIBUTES = 500  # characters of a tag that may have many


@dataclass(frozen=True)
class Link:
    url: str  # absolute, without fragment
    text: str


@dataclass(frozen=True)
class Page:
    """A page, all of its texts plain. `url` is where it was in the end."""

    url: str
    title: str = ""
    description: str = ""
    lines: list[str] = field(default_factory=list)  # of visible text, from top to bottom
    links: list[Link] = field(default_factory=list)
    resources: list[str] = field(default_factory=list)  # URLs of scripts, styles and frames
    generators: list[str] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)  # JSON-LD
    problems: list[str] = field(default_factory=list)
    asks_password: bool = False


def read_page(answer: Answer) -> Page:
    """Raises `PermanentError` for a page that is built to exhaust whoever parses it."""
    text = page_text(answer)
    check_nesting(text)
    tree = LexborHTMLParser(text)
    base = _base(tree, answer.url)
    things, problems = things_in(node.text() for node in tree.css('script[type*="ld+json" i]'))
    title = tree.css_first("head > title")
    return Page(
        url=answer.url,
        title=plain(title.text() if title else "", MAX_LINE),
        description=_meta(tree, "description") or _meta(tree, "og:description", "property"),
        lines=lines_of(tree.body),
        links=list(_links(tree, base)),
        resources=list(_resources(tree, base)),
        generators=[
            name
            for node in tree.css('meta[name="generator" i]')[:10]
            if (name := plain(node.attributes.get("content"), MAX_LINE))
        ],
        things=things,
        problems=problems,
        asks_password=tree.css_first('input[type="password" i]') is not None,
    )


def page_text(answer: Answer) -> str:
    """As `Answer.text`, but a charset that the page itself declares counts where neither header nor UTF-8 say it."""
    declared = _META_CHARSET.search(answer.body[:2_048])
    if declared is not None and "charset" not in answer.headers.get("content-type", "").lower():
        try:
            answer.body.decode("utf-8")
        except UnicodeDecodeError:
            answer = replace(answer, headers={"content-type": f"text/html; charset={declared[1].decode('ascii')}"})
    return answer.text()


def check_nesting(text: str) -> None:
    """Raises `PermanentError` when what is open, summed over all tags, is beyond any page meant for readers."""
    opened: Counter[str] = Counter()
    depth = formatting = depths = formattings = 0
    for closing, tag in _TAG.findall(text):
        name = tag.lower()
        if not closing:
            depths, formattings = depths + depth, formattings + formatting
            if depths > MAX_OPEN or formattings > MAX_FORMATTING:
                raise PermanentError("The page is nested too deeply to be read.")
        if name in _VOID or (closing and not opened[name]):
            continue
        change = -1 if closing else 1
        opened[name] += change
        depth += change
        formatting += change if name in _FORMATTING else 0
    check_attributes(text)


def check_attributes(text: str) -> None:
    """Raises `PermanentError` for tags that have more attributes than any that is meant to be read."""
    long = (found[1] for found in _ATTRIBUTES.finditer(text) if len(found[1]) > MANY_ATTRIBUTES)
    if sum(len(re.split(r"[\s/]+", _QUOTED.sub(" ", tag))) ** 2 for tag in long) > MAX_ATTRIBUTES:
        raise PermanentError("A tag of the page has too many attributes to be read.")


def lines_of(root: LexborNode | None) -> list[str]:
    """Visible text by blocks. What is hidden from readers, and banners about cookies, are left out."""
    parts: list[str] = []
    size = banners = 0
    stack: list[LexborNode | str] = [] if root is None else [root]
    while stack and size < MAX_VISIBLE:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
        elif item.is_text_node:
            parts.append(item.text_content or "")
            size += len(parts[-1])
        elif item.tag not in UNSEEN and not _is_hidden(item):
            if banners < MAX_BANNERS and _is_named_banner(item):
                banners += 1
                if len(item.text()) <= MAX_BANNER:
                    continue
            is_block = item.tag not in INLINE
            children = list(item.iter(include_text=True))
            parts.append("\n" if is_block else "")
            stack.extend(["\n"] if is_block else [])
            stack.extend(reversed(children))
    # A line break within a text is only a space; the blocks' are what cut it.
    blocks = "".join(part if part == "\n" else part.replace("\n", " ") for part in parts).split("\n")
    return [line for block in blocks if (line := plain(block, MAX_TEXT))]


def visible_text(html: str, limit: int = MAX_TEXT) -> str:
    """The text of a fragment of HTML, or of one that was escaped once more; plain text stays as it is.

    Empty for markup that is built to exhaust whoever parses it.
    """
    for _ in range(2):
        if not has_markup(html):
            break
        html = html[:MAX_VISIBLE].encode("utf-8", "replace").decode()  # the parser takes no lone surrogates
        try:
            check_nesting(html)
        except PermanentError:
            return ""
        html = " ".join(lines_of(LexborHTMLParser(html).body))
    return plain(html, limit)


def _is_hidden(node: LexborNode) -> bool:
    given = node.attributes
    if not given:
        return False
    if "hidden" in given or (given.get("aria-hidden") or "").lower() == "true":
        return True
    return bool(_HIDING.search(re.sub(r"\s+", "", (given.get("style") or "")[:1_000])))


def _is_named_banner(node: LexborNode) -> bool:
    given = node.attributes
    named = f"{given.get('id') or ''} {given.get('class') or ''}" if given else ""
    return node.tag not in _WHOLE and bool(_BANNER.search(named[:1_000]))


def _meta(tree: LexborHTMLParser, name: str, attribute: str = "name") -> str:
    node = tree.css_first(f'meta[{attribute}="{name}" i]')
    return plain(node.attributes.get("content"), MAX_LINE) if node else ""


def _base(tree: LexborHTMLParser, url: str) -> str:
    node = tree.css_first("base[href]")
    return absolute(url, (node.attributes.get("href") if node else None) or "") or url


def _links(tree: LexborHTMLParser, base: str) -> Iterator[Link]:
    seen: set[str] = set()
    for node in tree.css("a[href]")[:MAX_LINKS]:
        url = absolute(base, node.attributes.get("href") or "")
        if url and url not in seen:
            seen.add(url)
            yield Link(url, plain(node.text()[:MAX_TEXT], 200) or plain(node.attributes.get("aria-label"), 200))


def _resources(tree: LexborHTMLParser, base: str) -> Iterator[str]:
    for node in tree.css("script[src], link[href], iframe[src]")[:MAX_RESOURCES]:
        rel = (node.attributes.get("rel") or "").lower()
        if node.tag == "link" and rel not in {"stylesheet", "preload", "modulepreload"}:
            continue
        if url := absolute(base, node.attributes.get("src") or node.attributes.get("href") or ""):
            yield url


def absolute(base: str, reference: str) -> str:
    """An http(s) URL without fragment, or "" where there is none."""
    reference = plain(reference, MAX_URL + 1)
    if not reference or len(reference) > MAX_URL:
        return ""
    try:
        parts = urlsplit(urljoin(base, reference))
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return ""
    url = urlunsplit(parts._replace(fragment=""))
    return url if is_usable and len(url) <= MAX_URL else ""


def site_of(url: str) -> str:
    """The host without `www.`; "" when there is none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".").removeprefix("www.")
    except ValueError:
        return ""


def is_same_site(url: str, site: str) -> bool:
    """Whether `url` is on `site` or below it."""
    host = site_of(url)
    return bool(site) and (host == site or host.endswith(f".{site}"))
