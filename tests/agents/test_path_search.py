"""Paths are exactly those of the register, ordered by their strength."""

import math
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connection

from agents.evaluation.path_graphs import DAY
from agents.evaluation.relationship_agent import paths_of_random_graph
from agents.paths import search
from agents.paths.rules import address_key
from agents.paths.search import Paths, TooManyTies, find_paths
from businesses.models import Appointment, Business, Officer
from businesses.normalise import normalise_name
from tests.factories import make_business

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["few are known", "many are known"])
def known(request: Any, monkeypatch: Any) -> None:
    """Crowded officers and addresses are looked at from the one side or the other."""
    monkeypatch.setattr(search, "FEW_SOURCES", 1_000 if request.param == "few are known" else -1)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("seed", range(10))
def test_paths_are_those_of_an_exhaustive_walk(seed: int) -> None:
    """25 graphs each, 250 in all; every path, not only the best, and each with its strength."""
    random = Random(seed)
    compared = 0
    for number in range(25):
        expected, found = paths_of_random_graph(random, 100 * seed + number)
        assert found == expected
        assert "" in {key for _, key in found} or len({key for _, key in found}) == len(found)
        compared += len(found)
    assert compared > 30


def appoint(officer: Officer, business: Business, **fields: Any) -> Appointment:
    fields = {"role": "director", "appointed_on": date(2020, 1, 1), "source": "test"} | fields
    number = Appointment.objects.count()
    return Appointment.objects.create(external_id=f"a{number}", officer=officer, business=business, **fields)


def make_officer(name: str = "LOVELACE, Ada") -> Officer:
    number = Officer.objects.count()
    return Officer.objects.create(external_id=f"o{number}", name=name, name_normalised=normalise_name(name))


def strength(target: Business, source: Business) -> float:
    found = find_paths(target=target.pk, sources=[source.pk], day=DAY).found
    return found[0].strength if found else 0.0


def test_what_brings_people_nearer_never_lowers_the_strength() -> None:
    """The formula of `agents.paths.search`, one factor at a time."""
    target, source = make_business(), make_business()
    officer = make_officer()
    here, there = appoint(officer, target), appoint(officer, source)
    whole = strength(target, source)
    assert whole == pytest.approx(1.0)
    steps = [whole]
    for change in (
        {"appointed_on": DAY - timedelta(days=365)},  # one year together
        {"appointed_on": None},  # nobody knows
        {"resigned_on": DAY - timedelta(days=1), "appointed_on": None},
        {"resigned_on": DAY - timedelta(days=1100), "appointed_on": None},
        {"resigned_on": DAY - timedelta(days=1100), "appointed_on": None, "role": "secretary"},
        {"resigned_on": DAY - timedelta(days=1100), "appointed_on": None, "role": "nominee-director"},
    ):
        Appointment.objects.filter(pk=there.pk).update(**change)
        steps.append(strength(target, source))
    assert steps == sorted(steps, reverse=True)
    assert len(set(steps)) == len(steps)
    assert steps[1] == pytest.approx(0.5 + 0.5 * 365 / 365.25 / 3)
    assert [steps[2], steps[-1]] == pytest.approx([0.5, 0.0])
    assert steps[4] == pytest.approx(0.5 * 0.6 * 0.5 ** (1100 / 365.25 / 3))
    Appointment.objects.filter(pk=there.pk).update(role="director", appointed_on=here.appointed_on, resigned_on=None)
    appoint(officer, make_business())
    assert strength(target, source) == pytest.approx(1 / math.log2(3))


@pytest.mark.usefixtures("known")
def test_an_officer_of_very_many_companies_is_left_out() -> None:
    target, source = make_business(), make_business()
    agent, listed, nominee = make_officer(), make_officer("TEMPLE SECRETARIES LIMITED"), make_officer("N")
    for officer in (agent, listed):
        appoint(officer, target)
        appoint(officer, source)
    appoint(nominee, target, role="nominee-director")
    appoint(nominee, source, role="nominee-director")
    for _ in range(39):
        appoint(agent, make_business())
    paths = find_paths(target=target.pk, sources=[source.pk], day=DAY)
    assert paths.found == []
    assert {(one.id, one.reason) for one in paths.left_out} == {
        (str(agent.pk), "too many companies"), (str(listed.pk), "listed"), (str(nominee.pk), "nominee")
    }  # fmt: skip


@pytest.mark.usefixtures("known")
def test_what_is_left_out_before_the_last_hop_is_told_if_it_leads_to_somebody_known() -> None:
    """Beyond a company that is reached; what leads to nobody known was in nobody's way."""
    target, between, source = (make_business(postcode=code) for code in ("A1", "EC1V 1AA", "EC1V 1AA"))
    Business.objects.filter(pk__in=[between.pk, source.pk]).update(address_line1="1 Agents House")
    person, agent, nominee, elsewhere = (make_officer(name) for name in ("P", "AGENT", "N", "E"))
    for business in (target, between):
        appoint(person, business)
    for business in (between, source):
        appoint(agent, business)
        appoint(nominee, business, role="nominee-director")
    appoint(elsewhere, between)
    for number in range(41):
        other = make_business(address_line1="1, AGENTS HOUSE" if number < 30 else "", postcode="EC1V1AA")
        for officer in (agent, nominee, elsewhere):
            appoint(officer, other)
    paths = find_paths(target=target.pk, sources=[source.pk], day=DAY, max_hops=2)
    assert paths.found == []
    assert {(one.id, one.reason) for one in paths.left_out} == {
        (str(agent.pk), "too many companies"),
        (str(nominee.pk), "nominee"),
        (str(address_key("1 Agents House", "EC1V 1AA")), "too many companies"),
    }
    Business.objects.filter(pk=source.pk).update(status="dissolved")
    Appointment.objects.filter(business=source).update(business=target)
    left_out = find_paths(target=target.pk, sources=[source.pk], day=DAY, max_hops=2).left_out
    assert str(address_key("1 Agents House", "EC1V 1AA")) not in {one.id for one in left_out}


def test_an_address_in_another_spelling_is_the_same_and_an_agents_is_left_out() -> None:
    target = make_business(address_line1="7, Mill Lane", postcode="yo1 7aa")
    source = make_business(address_line1="7 MILL LANE", postcode="YO17AA")
    (path,) = find_paths(target=target.pk, sources=[source.pk], day=DAY).found
    assert path.strength == pytest.approx(0.35)
    assert path.links[0].kind == "address"
    assert path.links[0].id == str(address_key("7 mill lane", "YO1 7AA"))
    Business.objects.update(address_line1="71-75 Shelton Street", postcode="WC2H 9JQ")
    paths = find_paths(target=target.pk, sources=[source.pk], day=DAY)
    assert (paths.found, [one.reason for one in paths.left_out]) == ([], ["listed"])


def test_two_rows_of_one_name_are_not_one_person() -> None:
    target, source = make_business(), make_business()
    appoint(make_officer("SMITH, John"), target)
    appoint(make_officer("SMITH, John"), source)
    assert find_paths(target=target.pk, sources=[source.pk], day=DAY) == Paths()


def test_limits_are_checked_and_a_known_target_needs_no_path() -> None:
    target = make_business()
    assert find_paths(target=target.pk, sources=[target.pk], day=DAY) == Paths()
    assert find_paths(target=target.pk, day=DAY) == Paths()
    for hops, limit in ((4, 5), (0, 5), (3, 0), (3, 51)):
        with pytest.raises(ValueError, match="hops"):
            find_paths(target=target.pk, sources=[make_business().pk], day=DAY, max_hops=hops, limit=limit)


def test_a_search_that_takes_too_long_says_so_and_leaves_the_connection_as_it_was(monkeypatch: Any) -> None:
    target, source = make_business(), make_business()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '7s'")
        monkeypatch.setattr(search, "FIND", "SELECT pg_sleep(3)")
        monkeypatch.setattr(search, "TIMEOUT_MS", 50)
        with pytest.raises(TooManyTies):
            find_paths(target=target.pk, sources=[source.pk], day=DAY)
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("7s",)
        monkeypatch.undo()
        find_paths(target=target.pk, sources=[source.pk], day=DAY)
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("7s",)


def test_the_key_of_an_address_is_that_of_the_database() -> None:
    for line, postcode in [("1 High St.", "ab1 2cd"), ("", "AB1"), ("Straße 5", "X"), ("\u0131nn", "1"), ("-", "?")]:
        business = make_business(address_line1=line, postcode=postcode)
        with connection.cursor() as cursor:
            cursor.execute("SELECT oppspot_address_key(%s, %s)", [line, postcode])
            assert cursor.fetchone() == (address_key(line, postcode),)
        business.delete()
