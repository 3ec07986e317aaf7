"""Input that breaks a plain API: each is answered with what is wrong, and never with a 5xx."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from agents.models import Opportunity, ResearchReport
from agents.suppression import Wish, add_suppression
from businesses.models import Business
from businesses.watchlists import create_watchlist
from oppspot.core.problems import CONTENT_TYPE
from oppspot.jobs.services import emit
from oppspot.organizations.models import Membership, Organization
from oppspot.organizations.scopes import Scope
from signals_app.models import Competitor
from tests.agents.draft_cases import make_draft
from tests.agents.factories import make_agent, queue_execution
from tests.agents.outcome_cases import make_suggestion
from tests.architecture.routes import API, OWNED
from tests.conftest import client_with
from tests.factories import make_business, make_key, make_member
from tests.signals_app.alert_factories import make_alert, make_channel, make_delivery, make_rule
from tests.signals_app.factories import make_signal

WRITES = [(path, method) for path, methods in API.items() for method in methods if method in {"POST", "PATCH"}]
READS = [path for path, methods in API.items() if "GET" in methods]
FIELD = {  # a text field that each write accepts
    "/api/v1/agents/": "name",
    "/api/v1/agents/<pk>/": "name",
    "/api/v1/agents/<pk>/dry-run/": "input",
    "/api/v1/agents/<pk>/pause/": "reason",  # they take no field
    "/api/v1/agents/<pk>/resume/": "reason",
    "/api/v1/agents/<pk>/run/": "input",
    "/api/v1/alert-channels/": "name",
    "/api/v1/alert-channels/<pk>/": "name",
    "/api/v1/alert-channels/<pk>/rotate-secret/": "reason",  # they take no field
    "/api/v1/alert-channels/<pk>/test/": "reason",
    "/api/v1/alert-deliveries/<pk>/resend/": "reason",
    "/api/v1/alert-rules/": "name",
    "/api/v1/alert-rules/<pk>/": "name",
    "/api/v1/api-keys/": "name",
    "/api/v1/businesses/<pk>/": "description",
    "/api/v1/competitors/": "name",
    "/api/v1/competitors/<pk>/": "name",
    "/api/v1/embeddings/generate/": "priority",
    "/api/v1/events/": "kind",
    "/api/v1/drafts/<pk>/": "body",
    "/api/v1/drafts/<pk>/approve/": "content_sha256",
    "/api/v1/drafts/<pk>/export/": "to",
    "/api/v1/drafts/<pk>/reject/": "reason",
    "/api/v1/executions/<pk>/cancel/": "reason",  # they take no field
    "/api/v1/executions/<pk>/retry/": "reason",
    "/api/v1/feedback/": "note",
    "/api/v1/icp-suggestions/": "agent",
    "/api/v1/icp-suggestions/<pk>/accept/": "reason",  # they take no field
    "/api/v1/icp-suggestions/<pk>/reject/": "reason",
    "/api/v1/opportunities/<pk>/": "outcome",
    "/api/v1/jobs/<pk>/cancel/": "reason",  # they take no field
    "/api/v1/jobs/<pk>/retry/": "reason",
    "/api/v1/members/<pk>/": "role",
    "/api/v1/search/semantic/": "query",
    "/api/v1/search/similar/": "examples",
    "/api/v1/signals/": "quote",
    "/api/v1/signals/<pk>/": "status",
    "/api/v1/signals/<pk>/confirm/": "reason",
    "/api/v1/suppressions/": "value",
    "/api/v1/suppressions/bulk/": "items",
    "/api/v1/watchlists/": "description",
    "/api/v1/watchlists/<pk>/": "name",
    "/api/v1/watchlists/<uuid:watchlist_id>/fill/": "query",
    "/api/v1/watchlists/<watchlist_id>/entries/": "note",
    "/api/v1/watchlists/<watchlist_id>/entries/remove/": "business_ids",
    "/api/v1/watchlists/<watchlist_id>/exclusions/remove/": "business_ids",
    "/api/v1/watchlists/<watchlist_id>/match/": "rows",
}

# Bodies with @ for the name of a text field of the endpoint.
BODIES: dict[str, bytes] = {
    "nul in a value": rb'{"@": "a\u0000b"}',
    "nul in a key": rb'{"@\u0000": "a"}',
    "lone surrogate": rb'{"@": "\ud800"}',
    "lone surrogate in a key": rb'{"\udfff": "a"}',
    "deep list": b'{"@": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "deeper list": b"[" * 100_000,
    "deep object": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    "number of 5,000 digits": b'{"@": ' + b"9" * 5_000 + b"}",
    "number out of range": b'{"@": 1e400}',
    "not a number": b'{"@": NaN}',
    "infinity": b'{"@": -Infinity}',
    "a key twice": b'{"@": "a", "@": "b"}',
    "latin-1": b'{"@": "\xe9"}',
    "utf-16": '{"@": "a"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"@": "a"}',
    "cut off": b'{"@": "a',
    "two values": b'{"@": "a"} {"@": "b"}',
    "a list": b"[1, 2]",
    "a text": b'"text"',
    "a number": b"3",
    "null": b"null",
    "an object for a text": b'{"@": {"a": 1}}',
    "nulls for a text": b'{"@": [null, null]}',
    "unknown key": b'{"__class__": "a"}',
    "300 kB": b'{"@": "' + b"a" * 300_000 + b'"}',
    "100,000 keys": json.dumps({str(number): 1 for number in range(25_000)}).encode(),
}
TYPES = [
    "application/x-www-form-urlencoded",
    "text/plain",
    "application/xml",
    "multipart/form-data",
    "",
    "x",
    "a/b; c=\xff",
]
QUERIES = [
    *("page_size=99999999999999999999", "page_size=-1", "page_size=1e3", "page_size=%00"),
    *("cursor=%00", "cursor=" + "A" * 4000, "cursor=W10", "cursor=bnVsbA", "cursor=WyJhIiwgMSwgMiwgM10"),
    *("ordering=%00", "ordering=-pk", "ordering=pk;--", "ordering=org__name", "format=xml", "format=api"),
    *("q=%00", "q=%ED%A0%80", "q=" + "a" * 5000, "q[]=a", "q=%27%20OR%201=1--", "q=%25%25%25", "q=%5C"),
    *("limit=99999999999999999999", "offset=-1", "id__regex=(a%2B)%2B$", "org__users__password__startswith=a"),
    *("sic=" + "9" * 5000, "incorporated_from=99999-01-01", "incorporated_from=0000-00-00", "town=%F0%9F%92%A9"),
    *("has_embedding=maybe", "kind=%00", "threshold=nan", "threshold=1e999", "explain=%00", "&&&", "=", "%"),
]  # fmt: skip


@pytest.fixture
def client(org_a: Organization) -> APIClient:
    return client_with(make_key(org_a, *Scope.values)[1])


@pytest.fixture
def company(db: None) -> Business:
    return make_business("Acme")


@pytest.fixture
def member(org_a: Organization) -> Membership:
    found: Membership = Membership.objects.for_org(org_a).get(user=make_member("bob", org_a))
    return found


@pytest.fixture
def url_of(org_a: Organization, company: Business, member: Membership) -> Callable[[str], str]:
    """The address of something that is there, of the kind that `OWNED` names."""
    channel = make_channel(org_a)
    rule = make_rule(org_a, channel)
    agent = make_agent(org_a)
    ids = {
        "agent": agent.pk,
        "execution": queue_execution(agent).pk,
        "opportunity": Opportunity.objects.for_org(org_a)
        .create(org=org_a, agent=agent, business=company, score=1, confidence=1)
        .pk,
        "report": ResearchReport.objects.for_org(org_a)
        .create(org=org_a, business=company, depth="quick", status="complete", is_reuse=False)
        .pk,
        "draft": make_draft(org_a, company, agent).pk,
        "suppression": add_suppression(org=org_a, wish=Wish("domain", "acme.example"), by="alice")[0].pk,
        "suggestion": make_suggestion(make_agent(org_a, "scoring_agent")).pk,
        "alert": make_alert(rule).pk,
        "channel": channel.pk,
        "delivery": make_delivery(channel).pk,
        "rule": rule.pk,
        "competitor": Competitor.objects.for_org(org_a).create(org=org_a, name="Rival").pk,
        "membership": member.pk,
        "run": emit("sample/work.do", {}, org=org_a).run_ids[0],
        "watchlist": create_watchlist(org=org_a, name="ours").pk,
        "signal": make_signal(org_a, company, needs_review=True).pk,
    }

    def url(template: str) -> str:
        found = ids.get(OWNED.get(template, ""), company.pk)
        return re.sub(r"<[^>]+>", str(found), template)

    return url


def said(response: Any, what: str) -> str:
    """The detail of the problem that the answer must be."""
    assert 400 <= response.status_code < 500, (what, response.status_code, response.content[:300])
    assert response.headers["Content-Type"] == CONTENT_TYPE, what
    detail: str = response.json()["detail"]
    return detail


@pytest.mark.parametrize(("template", "method"), WRITES)
def test_hostile_bodies(client: APIClient, url_of: Callable[[str], str], template: str, method: str) -> None:
    assert FIELD.keys() == {path for path, _ in WRITES}
    for what, body in BODIES.items():
        raw: Any = body.replace(b"@", FIELD[template].encode())
        with transaction.atomic():
            response = client.generic(method, url_of(template), raw, content_type="application/json")
            transaction.set_rollback(True)
        detail = said(response, what)
        assert len(detail) < 2000, f"{what}: the answer repeats the input"
        assert not re.search(r"Traceback|psycopg|django|Exception", detail), detail


@pytest.mark.parametrize(("template", "method"), WRITES)
def test_only_json_is_read(client: APIClient, url_of: Callable[[str], str], template: str, method: str) -> None:
    for content_type in TYPES:
        response = client.generic(method, url_of(template), "name=a", content_type=content_type)
        assert said(response, content_type)
        assert response.status_code in {400, 415}


@pytest.mark.parametrize("template", READS)
def test_hostile_queries(client: APIClient, url_of: Callable[[str], str], template: str) -> None:
    for query in QUERIES:
        response = client.get(f"{url_of(template)}?{query}")
        assert response.status_code < 500, query
        if response.status_code >= 400:
            assert said(response, query)


@pytest.mark.parametrize(
    "identifier", ["%00", "%ED%A0%80", "..%2f..%2fetc", "9" * 5000, "-1", "' OR 1=1", "None", "%F0%9F%92%A9"]
)
def test_hostile_identifiers(client: APIClient, identifier: str, db: None) -> None:
    for template, method in ((path, method) for path, methods in API.items() for method in methods if "<" in path):
        response = client.generic(method, re.sub(r"<[^>]+>", identifier, template))
        assert response.status_code == 404
        assert said(response, identifier) == "There is no such object."


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*;q=0", "a" * 5000, "\xff", ""])
def test_hostile_accept_headers(client: APIClient, accept: str) -> None:
    response = client.get("/api/v1/organization/", headers={"Accept": accept})
    assert response.status_code in {200, 406}
    assert response.headers["Content-Type"] in {"application/json", CONTENT_TYPE}


def test_unknown_paths_answer_as_unknown_objects(client: APIClient) -> None:
    for path in ("/api/v1/", "/api/v1/nothing/", "/nothing", "/api/v2/businesses/", "/.env", "/static/../manage.py"):
        assert said(client.get(path), path) == "There is no such object."


def test_a_foreign_host_is_refused(client: APIClient) -> None:
    response = client.get("/api/v1/organization/", headers={"Host": "evil.example"})
    assert said(response, "host") == "The request is malformed."
