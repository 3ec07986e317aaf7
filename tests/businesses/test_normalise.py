"""One spelling for names, domains and numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from businesses.normalise import domain_of, normalise_company_number, normalise_name, slug_of


@pytest.mark.parametrize(
    ("name", "normalised"),
    [
        ("The Böring Company (UK) Ltd.", "the boring company uk"),
        ("A&A DESIGN LIMITED", "a and a design"),
        ("CHINZE'S ART LTD", "chinzes art"),
        ("LIMITED", "limited"),
        ("CO LTD PLC", "co"),
        ("  ŁÓDŹ   Foods  ", "łodz foods"),
        ("!!!", ""),
    ],
)
def test_name(name: str, normalised: str) -> None:
    assert normalise_name(name) == normalised


@given(st.text(max_size=60))
def test_a_normalised_name_is_its_own_normal_form_but_for_legal_forms(name: str) -> None:
    once = normalise_name(name)
    assert once.split() == normalise_name(once).split() or once.split()[: len(normalise_name(once).split())]


@pytest.mark.parametrize(
    ("website", "domain"),
    [
        ("https://www.Example.co.uk/about?x=1", "example.co.uk"),
        ("example.com", "example.com"),
        ("http://user:secret@example.com:8080/", "example.com"),
        ("https://bücher.example", "xn--bcher-kva.example"),
        ("not a website", ""),
        ("http://[::1", ""),
        ("http://127.0.0.1/", ""),
        ("", ""),
    ],
)
def test_domain(website: str, domain: str) -> None:
    assert domain_of(website) == domain


@pytest.mark.parametrize(("text", "number"), [("64", "00000064"), (" sc436674 ", "SC436674"), ("01234567", "01234567")])
def test_company_number(text: str, number: str) -> None:
    assert normalise_company_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "123456789", "SC12", "0123-567", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17"]
)
def test_no_company_number(text: str) -> None:
    with pytest.raises(ValueError, match="is not a company number"):
        normalise_company_number(text)


def test_slug() -> None:
    assert slug_of("Active - Proposal to Strike off") == "active-proposal-to-strike-off"
