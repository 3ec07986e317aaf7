"""What job adverts, websites and news mean."""

from typing import Any

import pytest

from signals_app.detectors.base import Fact, Rival
from tests.signals_app.histories import detected, fact, news, rules

RIVALS = (Rival("Quillstack", ("Quillstack", "Quill Stack")), Rival("Monday", ("Monday", "monday.com")))


def job(title: str, on: str = "2026-05-01", *, source: str = "test", **payload: Any) -> Fact:
    return fact("job_posted", on, source=source, title=title, **payload)


def test_a_leader_is_sought() -> None:
    (found,) = detected(job("SVP, Sales"), job("Cleaner"))
    assert (found.rule, found.data["title"], found.data["departments"]) == (
        "senior_hiring",
        ["SVP, Sales"],
        {"sales": 1},
    )
    for title in (
        "Kitchen Porter",
        "Internal Auditor",
        "Head Chef",
        "Executive Assistant to the CEO",
        "Head of Year 9",
    ):
        assert rules(job(title)) == []
    assert rules(job("Chief Financial Officer", description="Our client, a maker of pumps, seeks a CFO.")) == []
    assert rules(job("Head of IT", valid_through="2026-04-01")) == []


def test_many_posts_and_their_growth() -> None:
    titles = ["Fitter", "Welder", "Driver", "Cleaner", "Planner", "Buyer"]
    (found,) = detected(*[job(title, locations=["York"]) for title in titles])
    assert (found.rule, found.data["count"], found.data["before"]) == ("hiring", 6, None)
    assert rules(*[job(title) for title in titles[:5]]) == []
    assert rules(*[job(title, open_count=6, open_before=2) for title in titles]) == ["hiring_surge"]
    assert rules(job("Painter", "2026-04-01"), *[job(title, "2026-05-02") for title in titles]) == ["hiring"]


def test_one_post_on_several_boards_is_one() -> None:
    copies = [job("Welder", source=f"board {number}") for number in range(8)]
    assert rules(*copies) == []


def test_a_technology_is_one_adoption_whoever_tells() -> None:
    site = fact("web_changed", technologies_added=["Klaviyo", "jQuery", "Font Awesome"])
    told = news("Acme Robotics chooses Klaviyo", on="2026-05-03")
    (found,) = detected(site, told)
    assert (found.rule, found.data["technology"], len(found.evidence)) == ("technology_chosen", ["Klaviyo"], 2)
    assert rules(job("Clerk", description="You use Xero.")) == ["technology_in_postings"]
    assert rules(job("Clerk", description="Xero experience is desirable."), job("Microservices Engineer")) == []
    assert rules(job("Tour guide", description="Salesforce Tower this is not.")) == []
    known = job("Clerk", "2026-01-01", description="You use Xero.")
    assert rules(known, job("Clerk", "2026-05-01", description="You use Xero.")) == ["technology_in_postings"]


def test_what_is_left_is_not_adopted() -> None:
    (found,) = detected(news("Acme switches from Mailchimp to HubSpot"))
    assert found.data["technology"] == ["HubSpot"]
    assert rules(news("Acme customer Beta selects Salesforce")) == []


@pytest.mark.parametrize(
    ("title", "place"),
    [
        ("Acme opens new office in Leeds", "Leeds"),
        ("Acme Robotics has opened a second factory in Derby", "Derby"),
        ("Acme expands into Germany", "Germany"),
        ("Acme enters the US market", "US"),
        ("Acme moves to larger premises in Bristol", "Bristol"),
        ("Acme to create 150 jobs in Hull", "Hull"),
    ],
)
def test_new_sites(title: str, place: str) -> None:
    (found,) = detected(news(title))
    assert (found.rule, found.data["place"]) == ("new_site", place)


@pytest.mark.parametrize(
    "title",
    [
        "Acme plans to open office in Leeds",
        "Acme customer Beta opens office in Leeds",
        "Acme closes office in Leeds",
        "Acme opens up about failure",
        "Acme launches office furniture range",
        "Acme opens applications for graduates",
        "Acme could open a factory in Leeds",
        "Acme opened its first office in Leeds in 2010",
        "Acme launches online store",
    ],
)
def test_no_new_site(title: str) -> None:
    assert rules(news(title)) == []


def test_new_cities_by_site_and_by_posts() -> None:
    assert rules(fact("web_changed", cities_added=["Leeds", "York"])) == ["new_city"]
    assert rules(fact("web_changed", cities_added=["York"])) == []
    posts = [job(title, locations=["Leeds, UK"]) for title in ("Fitter", "Welder", "Driver")]
    assert rules(*posts) == ["hiring_in_new_city"]
    assert rules(*posts[:2]) == []
    assert rules(*[job(title, locations=["York"]) for title in ("Fitter", "Welder", "Driver")]) == []


@pytest.mark.parametrize(
    ("payload", "found"),
    [
        ({"pages_added": ["/pricing"]}, ["page_added"]),
        ({"pages_added": ["https://acmerobotics.example/careers/"]}, ["page_added"]),
        ({"pages_added": ["/blog/pricing-tips", "/privacy-policy-2"]}, []),
        ({"text_added": ["We have launched our new platform."]}, ["launch"]),
        ({"text_added": ["We deliver on time.", "Live music on Friday.", "Listen live."]}, []),
        ({"before": {"title": "Bread in York"}, "after": {"title": "Robots for farms"}}, ["repositioned"]),
        ({"before": {"title": "Acme"}, "after": {"title": "Acme | Home"}}, []),
        ({"before": {"title": "Acme 2025"}, "after": {"title": "ACME 2026"}}, []),
        ({"before": {"title": "Bread in York"}, "after": {"title": "404 not found"}}, []),
        ({"text_added": ["© 2026 Acme"]}, []),
    ],
)
def test_websites(payload: dict[str, Any], found: list[str]) -> None:
    assert rules(fact("web_changed", **payload)) == found


def test_all_that_one_visit_shows_is_one_sign() -> None:
    changed = fact("web_changed", pages_added=["/pricing", "/shop", "/careers"], text_added=["We are now live!"])
    (found,) = detected(changed)
    assert (found.rule, found.data["kinds"]) == ("launch", ["careers", "pricing", "shop"])


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("Acme migrates from Quillstack to a rival", ["leaving_competitor"]),
        ("Acme rolls out Quillstack", ["choosing_competitor"]),
        ("Acme clerks with experience of Quill Stack", ["using_competitor"]),
        ("Quillstack reports a loss", ["mention"]),
        ("Acme buys quillstacks", []),
        ("Acme is closed on Monday", []),
        ("Acme boards use Monday for plans", ["using_competitor"]),
    ],
)
def test_competitors(title: str, found: list[str]) -> None:
    assert rules(news(title), rivals=RIVALS) == found


def test_the_company_itself_is_no_competitor() -> None:
    own = (Rival("Acme Robotics", ("Acme Robotics", "Acme")),)
    assert rules(news("Acme Robotics wins prize"), rivals=own) == []


def test_two_reports_of_one_rival_are_one_sign() -> None:
    told = [news("Acme picks Quillstack"), news("Quillstack wins Acme", on="2026-05-03", source="other")]
    (found,) = detected(*told, rivals=RIVALS)
    assert (found.rule, len(found.evidence), found.data["competitors"]) == ("choosing_competitor", 2, ["Quillstack"])
