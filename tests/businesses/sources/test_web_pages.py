"""What is read of a page: visible text, charsets, JSON-LD, technologies; and that no page can be too much."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from businesses.sources.html_pages import Page, check_nesting, page_text, read_page, visible_text
from businesses.sources.json_ld import things_in
from businesses.sources.plain_text import day_of, plain, storable_text
from businesses.sources.robots import delay_of, is_allowed
from businesses.sources.technologies import Shown, Technology, technologies, technologies_of
from businesses.sources.web_changes import steady, unusable
from oppspot.core.errors import PermanentError
from oppspot.core.http import Answer


def answer(body: str | bytes, type_: str = "text/html", **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else body.encode()
    return Answer(200, "https://acme.example/", {"content-type": type_, **headers}, data)


def test_text_is_what_readers_see_by_blocks() -> None:
    page = read_page(answer(
        "<title>Acme\u200b &amp; Co</title><body><h1>Hello <b>wor</b>ld</h1><p>One\n two<br>three</p>"
        "<p hidden>a</p><p aria-hidden=true>b</p><p style='Visibility : hidden'>c</p><!-- d --><script>e</script>"
        "<template>f</template><noscript>g</noscript><div id=CookieConsent>h</div><style>i</style>"
        "<p style='opacity: 0.5'>seen</p>"
    ))  # fmt: skip
    assert page.title == "Acme & Co"
    assert page.lines == ["Hello world", "One two", "three", "seen"]


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        ("Zoë Café", "text/html"),
        ("Zoë Café".encode("cp1252"), "text/html"),
        ("Zoë Café".encode("latin-1"), "text/html; charset=iso-8859-1"),
        ("<meta charset=iso-8859-2>Zoë Café".encode("iso-8859-2"), "text/html"),
        ("Zoë Café", "text/html; charset=no-such-charset"),
        ("\ufeffZoë Café".encode("utf-16"), "text/html"),
    ],
)
def test_charsets(body: str | bytes, type_: str) -> None:
    assert "Zoë Café" in page_text(answer(body, type_))


def test_a_wrong_charset_spoils_letters_and_nothing_else() -> None:
    assert read_page(answer("<p>Zoë".encode("cp1252"), "text/html; charset=utf-8")).lines == [
        "Zo\N{REPLACEMENT CHARACTER}"
    ]


def test_links_are_absolute_once_and_bounded() -> None:
    links = "".join(f"<a href='/p{n}'>x</a>" for n in range(10_000))
    page = read_page(answer(f"<base href=/sub/><a href='a#b'>A</a><a href=a>A</a><a href='javascript:x'>x</a>{links}"))
    assert [link.url for link in page.links[:2]] == ["https://acme.example/sub/a", "https://acme.example/p0"]
    assert len(page.links) <= 2_000


@pytest.mark.parametrize(
    "text",
    [
        "<div>" * 300_000,
        "<div></x>" * 200_000,
        "<p>" + "".join(f"<b id={n}>" for n in range(500)) + "</p>" + "<p>x" * 300_000,
        "<table><tr><td>" * 130_000,
        "<div a='>' " + " ".join(f"a{n}=1" for n in range(200_000)) + ">",
        "<div " + "/".join(f"a{n}" for n in range(200_000)) + ">",
    ],
)
def test_pages_made_to_exhaust_a_parser_are_refused_quickly(text: str) -> None:
    start = time.process_time()
    with pytest.raises(PermanentError, match=r"nested too deeply|too many attributes"):
        read_page(answer(text))
    assert time.process_time() - start < 5


def test_banners_within_banners_do_not_take_long() -> None:
    start = time.process_time()
    assert read_page(answer("<div class=cookies>" * 5_000 + "word " * 300_000)).lines
    assert time.process_time() - start < 5


def test_large_ordinary_pages_are_read() -> None:
    rows = "<tr class=row><td><a href=/x title='a b c'>x</a><td><span><b>text</b> of a cell</span></td></tr>" * 10_000
    picture = '<img src="data:image/png;base64,' + "iVBO/Rw0KGgo+" * 20_000 + '">'
    assert len(read_page(answer(f"<main>{picture}<table>{rows}</table></main>")).lines) > 5_000
    check_nesting("<ul>" + "<li><p>an item that is never closed" * 50_000)


def test_json_ld_is_found_wherever_it_is_and_one_broken_script_does_not_matter() -> None:
    scripts = [
        '{"@graph": [{"@type": "JobPosting", "title": "1"}, {"mainEntity": {"@type": ["Thing", "JobPosting"]}}]}',
        '[{"@type": "https://schema.org/JobPosting"}]',
        "{broken",
        "[" * 5_000 + "]" * 5_000,
        '<!-- {"@type": "JobPosting", "title": "a\nb"} -->',
        "//<![CDATA[\n" + '{"@type": "JobPosting"}' + "\n//]]>",
        "null",
        "9" * 5_000,
    ]
    things, problems = things_in(scripts)
    assert len(things) == 5
    assert [problem.partition(":")[0] for problem in problems] == [
        "JSON-LD script 3", "JSON-LD script 4", "JSON-LD script 8",
    ]  # fmt: skip


def test_every_technology_is_known_by_each_of_its_fingerprints() -> None:
    known = technologies()
    assert len(known) >= 60
    assert len({one.name for one in known}) == len(known)
    for one in known:
        shown = list(fingerprints(one))
        assert shown, f"{one.name} has no fingerprint"
        for each in shown:
            assert one.name in technologies_of(each), (one.name, each)


def fingerprints(one: Technology) -> list[Shown]:
    assert all(path == path.lower() and path.startswith("/") and path.endswith("/") for path in one.paths), one
    return [
        *(Shown([f"https://sub.{host}/a.js"]) for host in one.hosts),
        *(Shown([f"https://acme.example/a{path}b.js"]) for path in one.paths),
        *(Shown(generators=[f"{name} 6.1"]) for name in one.generators),
        *(Shown(headers={name: value or "x"}) for name, value in one.headers.items()),
        *(
            Shown(headers={"set-cookie": f"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT, {name.replace('*', 'x')}=2"})
            for name in one.cookies
        ),
    ]


def test_technologies_are_not_found_in_words() -> None:
    page = read_page(
        answer("<p>We know WordPress, /wp-content/ and js.stripe.com <a href='https://js.stripe.com/'>x</a>")
    )
    assert technologies_of(Shown(page.resources, page.generators, {"x-note": "wordpress"})) == []
    assert technologies_of(Shown(["https://notshopify.com/x", "https://a.example/my-wp-content-x/"])) == []


def test_robots_txt_by_our_own_name_and_for_everyone() -> None:
    text = "User-agent: *\nDisallow: /\n\nUser-agent: oppSpot\nDisallow: /private\nCrawl-delay: 99\n"
    assert is_allowed(text, "https://acme.example/about")
    assert not is_allowed(text, "https://acme.example/private/x")
    assert delay_of(text) == 10
    assert is_allowed("", "https://acme.example/")
    assert not is_allowed("User-agent: *\nDisallow: /*" + "a*" * 500 + "b", "https://acme.example/" + "a" * 5_000 + "b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("© 2026 Acme", "acme"), ("3 days ago, 12 May", "ago"), ("May 2", ""), ("Maybe March on", "maybe on")],
)
def test_what_changes_by_itself_is_masked(text: str, expected: str) -> None:
    assert steady(text) == expected


def test_a_long_page_that_mentions_a_notice_is_a_page() -> None:
    lines = ["How to see that a domain is for sale, and what it costs."] * 20
    assert unusable(Page("https://acme.example/", title="Acme", lines=lines)) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x00b\ud800c\u202ed\U000e0041e\n f", "a bcde f"),
        (12, "12"),
        (10**100, ""),
        (float("nan"), ""),
        (True, ""),
        (["x"], ""),
        (None, ""),
    ],
)
def test_plain_text(text: Any, expected: str) -> None:
    assert plain(text, 100) == expected


def test_escaped_markup_is_reduced_twice_and_traps_to_nothing() -> None:
    assert visible_text("&lt;p&gt;Hello &amp;amp; <b>you</b>&lt;/p&gt;<script>x</script>") == "Hello & you"
    assert visible_text("<p>\ud800x") == "?x"
    assert visible_text("<div>" * 40_000) == ""


def test_values_that_are_nested_too_deeply() -> None:
    value: Any = "\x00"
    for _ in range(40):
        value = [value]
    with pytest.raises(ValueError, match="deeper"):
        storable_text(value, 10)


def test_days() -> None:
    assert str(day_of("2026-02-28T23:00:00Z")) == "2026-02-28"
    assert [day_of(each) for each in ("2026-02-30", "2026-2-3", "", None, 5, "2026-01-011")] == [None] * 6


MARKUP = st.lists(
    st.one_of(
        st.sampled_from(
            ["<a href='", "<p>", "</", "<script type=application/ld+json>", "<!--", "&#", "'", '"', ">", "="]
        ),
        st.text(max_size=5),
    ),
    max_size=40,
).map("".join)


@settings(max_examples=60, deadline=None)
@given(MARKUP)
def test_any_markup_gives_a_page_that_can_be_stored(markup: str) -> None:
    page = read_page(answer(markup.encode("utf-8", "surrogatepass")))
    text = json.dumps([page.title, page.lines, [link.url for link in page.links]], ensure_ascii=False)
    assert "\x00" not in text.encode().decode()
    visible_text(markup)
