from datetime import date

import pytest

from signals_app.text.appointments import moves_in
from signals_app.text.names import short_names
from signals_app.text.people import Title, is_executive, person_key, title_of

NAMES = short_names("ACME ROBOTICS LIMITED", "acmerobotics.example")
DAY = date(2026, 5, 1)


@pytest.mark.parametrize(
    ("text", "seniority", "department"),
    [
        ("CTO", "c_level", "engineering"),
        ("Chief Financial Officer", "c_level", "finance"),
        ("Founder & CEO", "c_level", "general"),
        ("Managing Director", "c_level", "general"),
        ("SVP, Sales", "vp", "sales"),
        ("Vice President of Marketing", "vp", "marketing"),
        ("Head of IT", "head", "it"),
        ("Director", "director", None),
        ("Finance Director", "director", "finance"),
        ("Non-Executive Director", "board", "general"),
        ("Product Marketing Manager", "manager", "marketing"),
        ("Internal Auditor", "staff", "finance"),
        ("Microservices Engineer", "staff", "engineering"),
        ("Company Secretary", "staff", "legal"),
        ("Executive Assistant to the CEO", "staff", None),
        ("Head Chef", "staff", None),
        ("Sales Executive", "staff", "sales"),
    ],
)
def test_title(text: str, seniority: str, department: str | None) -> None:
    assert title_of(text) == Title(seniority, department)


@pytest.mark.parametrize("text", ["", "hello world", "the coo of a dove", "it is late"])
def test_no_title(text: str) -> None:
    assert title_of(text) is None


def test_who_decides() -> None:
    assert is_executive(title_of("SVP, Sales"))
    assert not is_executive(title_of("Internal Auditor"))
    assert not is_executive(title_of("PA to Managing Director"))


def test_one_person_in_two_spellings() -> None:
    assert person_key("SMITH, Jane Anne") == person_key("Mrs Jane Smith") == ("smith", "jane")
    assert person_key(" ") == ("", "")


@pytest.mark.parametrize(
    ("title", "person", "is_joining"),
    [
        ("Acme appoints Jane Smith as CTO", "Jane Smith", True),
        ("Acme Robotics hires new Chief Financial Officer", "", True),
        ("Former Google engineer Jane Smith joins Acme as VP of Engineering", "Jane Smith", True),
        ("Jane Smith has been appointed CEO of Acme Robotics", "Jane Smith", True),
        ("Acme names Jane Smith SVP, Sales", "Jane Smith", True),
        ("Acme CEO John Jones steps down", "John Jones", False),
        ("Acme Robotics announces the departure of CFO Tom Brown", "Tom Brown", False),
    ],
)
def test_moves(title: str, person: str, is_joining: bool) -> None:
    (move,) = moves_in([title], NAMES, on=DAY)
    assert (move.person, move.is_joining) == (person, is_joining)


@pytest.mark.parametrize(
    "title",
    [
        "Acme appoints Beta as distributor",
        "Acme hires 50 engineers",
        "Acme appoints internal auditor Jane Smith",
        "Former Acme CTO Jane Smith joins Beta as CEO",
        "Acme customer Beta appoints Jane Smith as CTO",
        "Acme could hire a new CFO",
        "Acme appoints administrators",
        "Acme hires Jane Smith as executive assistant to the CEO",
        "Acme appointed Jane Smith as CEO in 2018",
        "Acme CEO Jane Smith says sales are up",
    ],
)
def test_no_move(title: str) -> None:
    assert moves_in([title], NAMES, on=DAY) == []
