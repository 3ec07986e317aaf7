import pytest

from signals_app.text.technologies import is_business, named_in, uses_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Go developer with Python, Rust and C++", ["Go", "Python", "Rust", "C++"]),
        ("experience in R and Python", ["R", "Python"]),
        ("Proficient in Excel", ["Excel"]),
        ("Oracle DBA", ["Oracle"]),
        ("SAP S/4HANA migration", ["SAP"]),
        ("ASP.NET and C#", [".NET", "C#"]),
        ("JavaScript, not Java", ["JavaScript", "Java"]),
        ("Microsoft Teams", ["Microsoft Teams"]),
        ("We moved from Sage to NetSuite.", ["Sage", "NetSuite"]),
        ("Microservices Engineer", []),
        ("Kitchen porter wanted: said chef, maintain the certain interests", []),
        ("Go above and beyond. Go the extra mile", []),
        ("R&D manager, class R licence", []),
        ("Excel at what you do; you will excel", []),
        ("The Oracle shopping centre in Reading", []),
        ("maple sap; reply ASAP", []),
        ("SMP, SAP and SSP are paid", []),
        ("our teams cut us some slack and zoom in", []),
        ("", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    assert named_in(text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("You must have Salesforce experience", ["Salesforce"]),
        ("Requirements:\n- Python\n- AWS\nNice to have:\n- Kubernetes\nBenefits\n- Slack", ["Python", "AWS", "Slack"]),
        ("Salesforce experience is desirable but HubSpot is essential", ["HubSpot"]),
        ("No Salesforce experience needed", []),
        ("Experience of Xero would be an advantage", []),
        ("We do not use SAP", []),
        ("We are replacing Sage 50 with NetSuite", ["NetSuite"]),
        ("We migrated from Magento to Shopify", ["Shopify"]),
    ],
)
def test_uses(text: str, names: list[str]) -> None:
    assert [named.name for named in uses_in(text)] == names


def test_languages_are_not_bought() -> None:
    assert is_business("Salesforce")
    assert not is_business("Python")
    assert not is_business("jQuery")
