"""Each route and each role: who gets in, and that nobody sees another organisation's rows.

The roles' rights come from `oppspot.organizations.scopes`, the routes' needs from `routes.py`.
"""

import re
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from agents.budgets import set_budget
from agents.handoffs import HandoffSpec, set_handoffs
from agents.models import (
    Agent,
    AgentExecution,
    AgentTrigger,
    Draft,
    DraftVersion,
    Feedback,
    Handoff,
    IcpSuggestion,
    IntroPath,
    LLMBudget,
    Opportunity,
    ReportSection,
    ResearchReport,
    ResearchSection,
    Scorecard,
    Suppression,
)
from agents.scoring.profile import Icp
from agents.services import cancel_execution
from agents.suppression import Wish, add_suppression
from agents.triggers import TriggerSpec, set_triggers
from businesses.models import Business, BusinessEvent, OrgEvent, Watchlist, WatchlistEntry, WatchlistExclusion
from oppspot.jobs.models import Run
from oppspot.jobs.services import emit
from oppspot.organizations.models import ApiKey, Membership, Organization, User
from oppspot.organizations.scopes import ROLE_SCOPES, Role, Scope
from oppspot.organizations.services import create_organization, revoke_api_key
from signals_app.models import BuyingSignal, Competitor
from tests.agents.calls import make_call, make_step
from tests.agents.draft_cases import save
from tests.agents.factories import make_agent, queue_execution
from tests.agents.outcome_cases import make_suggestion
from tests.answers import problem_of
from tests.architecture.routes import ADMIN_ROOT, API, OWNED, PUBLIC, Route, all_routes
from tests.conftest import client_of, client_with
from tests.factories import make_business, make_key, make_member, make_user
from tests.jobs.factories import make_run, make_schedule, make_worker
from tests.signals_app.alert_factories import make_alert, make_channel, make_delivery, make_rule
from tests.signals_app.factories import make_signal

MISSING = "00000000-0000-7000-8000-000000000000"
ROUTES = all_routes()
API_ROUTES = [route for route in ROUTES if route.template in API]
ADMIN_ROUTES = [route for route in ROUTES if route.template.startswith(ADMIN_ROOT) and route.template not in PUBLIC]
API_CALLS = [(path, method, scope) for path, methods in API.items() for method, scope in methods.items()]
KEPT = (Agent, AgentExecution, AgentTrigger, ApiKey, BuyingSignal, Competitor, Draft, DraftVersion, Feedback, Handoff,
        IcpSuggestion, IntroPath, LLMBudget, Membership, Opportunity, OrgEvent, ReportSection, ResearchReport,
        ResearchSection, Run, Scorecard, Suppression, Watchlist, WatchlistEntry, WatchlistExclusion)  # fmt: skip
OWNED_CALLS = [(path, method) for path, method, _ in API_CALLS if path in OWNED]


class World:
    """One organisation with something of each kind, every text of it holding `canary`."""

    def __init__(self, name: str) -> None:
        self.canary = f"canary-{name}-{uuid.uuid4().hex[:12]}"
        self.org = create_organization(name=self.canary, slug=self.canary)
        self.users = {role: make_member(f"{self.canary}-{role.value}", self.org, role) for role in Role}
        self.api_key = make_key(self.org, name=f"{self.canary} key")[0]
        self.membership: Membership = Membership.objects.for_org(self.org).get(role=Role.MEMBER)
        emitted = emit("sample/work.do", {"key": self.canary}, org=self.org, requested_by=self.canary)
        known = Business.objects.filter(company_number="SHARED00").first()
        shared = known or make_business("Shared", company_number="SHARED00")
        self.signal = make_signal(
            self.org, shared, signal_data={"note": self.canary}, outcome=self.canary, needs_review=True
        )
        self.channel = make_channel(self.org, name=self.canary)
        self.rule = make_rule(self.org, self.channel, name=self.canary)
        self.alert = make_alert(self.rule, signal=self.signal)
        self.delivery = make_delivery(self.channel, subject=self.canary)
        self.competitor = Competitor.objects.for_org(self.org).create(org=self.org, name=self.canary)
        self.run: Run = Run.objects.for_org(self.org).get(pk=emitted.run_ids[0])
        self.intro_path: IntroPath = IntroPath.objects.for_org(self.org).create(
            org=self.org, target=shared, start=shared, path_key=self.canary, summary=self.canary, hops=1, strength=0.5
        )
        self._watch()
        self._set_agents_up()
        self._research(shared)

    def _watch(self) -> None:
        watched = Business.objects.filter(name="Watched").first() or make_business("Watched")
        search = {"query": self.canary, "mode": "lexical", "filters": {}, "limit": 1}
        texts = {"name": self.canary, "description": self.canary, "search": search}
        self.watchlist: Watchlist = Watchlist.objects.for_org(self.org).create(org=self.org, **texts)
        self.entry: WatchlistEntry = WatchlistEntry.objects.for_org(self.org).create(
            org=self.org, watchlist=self.watchlist, business=watched, note=self.canary
        )
        self.exclusion: WatchlistExclusion = WatchlistExclusion.objects.for_org(self.org).create(
            org=self.org, watchlist=self.watchlist, business=watched, removed_by=self.canary
        )
        self.event: OrgEvent = OrgEvent.objects.for_org(self.org).create(
            org=self.org, business=watched, kind="meeting", source=self.canary, payload={"with": self.canary},
            fingerprint=uuid.uuid4(), created_by=self.canary,
        )  # fmt: skip

    def _set_agents_up(self) -> None:
        texts = {"name": self.canary, "description": self.canary, "created_by": self.canary}
        self.agent = make_agent(self.org, schedule_cron="0 8 * * *", **texts)
        other = make_agent(self.org, name=f"{self.canary} two")
        set_handoffs(agent=self.agent, handoffs=[HandoffSpec(other.pk)])
        set_triggers(
            agent=self.agent, triggers=[TriggerSpec("agent/research_gpt.run", {"requested_by": [self.canary]})]
        )
        self.execution = cancel_execution(execution=queue_execution(self.agent))  # its time stands still
        AgentExecution.objects.for_org(self.org).filter(pk=self.execution.pk).update(
            requested_by=self.canary, error_message=self.canary, output_data={"note": self.canary}
        )
        self.draft = save(self.execution, Business.objects.get(name="Watched")).draft
        Draft.objects.for_org(self.org).filter(pk=self.draft.pk).update(body=self.canary, edited_by=self.canary)
        self.suppression = add_suppression(org=self.org, wish=Wish("domain", "acme.example"), by=self.canary)[0]
        make_step(self.execution, name=self.canary, output=self.canary)
        make_call(self.org, self.execution, model=self.canary, cost="1")
        Feedback.objects.for_org(self.org).create(
            org=self.org, subject_type="opportunity", subject_id=uuid.uuid4(), verdict="useful", note=self.canary,
            given_by=self.canary,
        )  # fmt: skip
        self._find_opportunities()
        set_budget(org=self.org, monthly_cap=Decimal(1), run_cap=Decimal(1), by=self.canary)

    def _find_opportunities(self) -> None:
        found = Business.objects.filter(name="Watched").get()
        reason = {"part": "fit", "code": "industry", "text": self.canary, "points": 1.0, "met": 1.0, "evidence": []}
        common = {"org": self.org, "agent": self.agent, "business": found, "score": 1.0, "confidence": 1.0}
        self.opportunity: Opportunity = Opportunity.objects.for_org(self.org).create(
            **common, reasons=[reason], outcome=self.canary
        )
        self.scorecard: Scorecard = Scorecard.objects.for_org(self.org).create(
            **common, contributions=[reason], icp_hash=self.canary[:64]
        )
        self.suggestion = make_suggestion(
            make_agent(self.org, "scoring_agent", name=f"{self.canary} three"),
            icp=Icp(text=self.canary).model_dump(mode="json"),
            proposed_by=self.canary,
        )

    def _research(self, business: Business) -> None:
        line = {"key": "name", "part": "Name", "text": self.canary, "cites": ["sn1"], "kind": "fact", "quote": ""}
        fact = {"id": "sn1", "text": self.canary, "source": "register", "url": "", "on": "", "retrieved_at": "",
                "reliability": None}  # fmt: skip
        now = timezone.now()
        section = ResearchSection.objects.for_org(self.org).create(
            org=self.org, business=business, name="snapshot", depth="quick", content=[line], evidence=[fact],
            generated_at=now, expires_at=now + timedelta(days=1),
        )  # fmt: skip
        self.report: ResearchReport = ResearchReport.objects.for_org(self.org).create(
            org=self.org, business=business, depth="quick", status="complete", is_reuse=False, requested_by=self.canary
        )
        ReportSection.objects.for_org(self.org).create(
            org=self.org, report=self.report, section=section, place=0, is_reused=False
        )

    def client(self, role: Role) -> APIClient:
        return client_of(self.users[role])

    def key(self, *scopes: str) -> APIClient:
        return client_with(make_key(self.org, *scopes)[1])

    def url(self, template: str, business: Business) -> str:
        kind = OWNED.get(template)
        identifier = getattr(self, kind).pk if kind else business.pk
        return re.sub(r"<[^>]+>", str(identifier), template)


@pytest.fixture
def own(db: None) -> World:
    return World("own")


@pytest.fixture
def foreign(db: None) -> World:
    return World("foreign")


@pytest.fixture
def company(db: None) -> Business:
    company = make_business("Acme", vector=[1.0, 2.0])
    BusinessEvent.objects.create(business=company, kind="news", source="test", fingerprint=uuid.uuid4())
    return company


def call(client: APIClient, method: str, url: str) -> Any:
    """The answer, its effect undone."""
    with transaction.atomic():
        response = getattr(client, method.lower())(url, {} if method in {"POST", "PATCH", "PUT"} else None)
        transaction.set_rollback(True)
    assert response.status_code < 500, response.content[:500]
    return response


# The inventory


def test_every_route_has_an_expectation() -> None:
    unknown = {
        route.template
        for route in ROUTES
        if not (route.template in API or route.template in PUBLIC or route.template.startswith(ADMIN_ROOT))
    }
    assert unknown == set(), "say in routes.py who may use it"


def test_no_expectation_is_stale() -> None:
    templates = {route.template for route in ROUTES}
    assert set(API) | set(PUBLIC) <= templates
    assert set(OWNED) <= set(API)


@pytest.mark.parametrize("route", API_ROUTES, ids=lambda route: route.template)
def test_every_method_has_an_expectation(route: Route) -> None:
    assert route.methods() == set(API[route.template])


# The API


@pytest.mark.parametrize(("template", "method", "scope"), API_CALLS)
def test_who_gets_in(own: World, company: Business, template: str, method: str, scope: str) -> None:
    url = own.url(template, company)
    problem_of(call(APIClient(), method, url), 401)
    problem_of(call(client_of(make_user("nobody")), method, url), 403, "no_organization")
    problem_of(call(client_of(make_user("staff", is_superuser=True, is_staff=True)), method, url), 403)
    revoked, secret = make_key(own.org, *Scope.values)
    revoke_api_key(key=revoked)
    problem_of(call(client_with(secret), method, url), 401)

    refused = {role for role in Role if call(own.client(role), method, url).status_code == 403}
    assert refused == {role for role in Role if scope not in ROLE_SCOPES[role]}
    refused_keys = {name for name in Scope if call(own.key(name), method, url).status_code == 403}
    assert refused_keys == set(Scope) - {scope}


@pytest.mark.parametrize(("template", "method", "scope"), API_CALLS)
def test_who_gets_in_finds_something(own: World, company: Business, template: str, method: str, scope: str) -> None:
    """So that a refusal above is one for the right reason: with the scope, the answer is never "no such thing"."""
    status = call(own.key(scope), method, own.url(template, company)).status_code
    assert status not in {401, 403, 404, 405}


@pytest.mark.parametrize("route", API_ROUTES, ids=lambda route: route.template)
def test_other_methods_are_not_allowed(own: World, company: Business, route: Route) -> None:
    client, url = own.key(*Scope.values), own.url(route.template, company)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - route.methods():
        problem_of(call(client, method, url), 405, "method_not_allowed")


@pytest.mark.parametrize(("template", "method"), OWNED_CALLS)
def test_a_foreign_object_answers_as_a_missing_one(
    own: World, foreign: World, company: Business, template: str, method: str
) -> None:
    before = [list(model.all_orgs.order_by("pk").values()) for model in KEPT]
    client = client_of(own.users[Role.OWNER])
    urls = [foreign.url(template, company), re.sub(r"<[^>]+>", MISSING, template)]
    answers = [getattr(client, method.lower())(url, {}) for url in urls]
    first, second = (
        (problem_of(answer, 404), {name: value for name, value in answer.items() if not name.startswith("RateLimit-")})
        for answer in answers
    )
    assert first == second
    assert before == [list(model.all_orgs.order_by("pk").values()) for model in KEPT]


def probes(template: str, foreign: World, company: Business) -> list[str]:
    """Ways to ask for more than one's own."""
    if "<" in template:
        return ["", f"?org={foreign.org.pk}"]
    return [
        *("", "?page_size=100", "?ordering=created_at", "?ordering=-created_at"),
        *(f"?{name}={foreign.org.pk}" for name in ("org", "org_id", "organization", "org__id")),
        *(f"?q={foreign.canary}", f"?name={foreign.canary}", f"?org__name__startswith={foreign.canary[:3]}"),
    ]


@pytest.mark.parametrize("template", [path for path, methods in API.items() if "GET" in methods])
def test_nothing_foreign_is_seen(own: World, foreign: World, company: Business, template: str) -> None:
    client = own.key(*Scope.values)
    for probe in probes(template, foreign, company):
        for source in (own, foreign):
            response = call(client, "GET", source.url(template, company) + probe)
            seen = f"{response.content.decode()} {dict(response.items())}"
            assert foreign.canary not in seen.replace(probe, ""), probe
            assert str(foreign.org.pk) not in seen.replace(probe, ""), probe


def test_answers_do_not_depend_on_what_others_have(own: World, company: Business) -> None:
    """Counts, orders and ranks too: the same answers in a world with and without another organisation."""

    def answers() -> list[Any]:
        client = client_of(own.users[Role.ADMIN])
        urls = [own.url(path, company) for path, methods in API.items() if "GET" in methods]
        return [re.sub(r'"request_id":"[^"]+"', "", call(client, "GET", url).content.decode()) for url in urls]

    before = answers()
    World("foreign")
    assert answers() == before


# The admin and the open pages


@pytest.mark.parametrize(("path", "status"), PUBLIC.items())
def test_open_pages_are_open(db: None, path: str, status: int) -> None:
    response = APIClient().get(path)
    assert response.status_code == status
    for method in ("post", "put", "patch", "delete"):
        assert getattr(APIClient(), method)(path, {}).status_code in {301, 302, 403, 405, 200}
    assert APIClient().post("/admin/login/", {"username": "a", "password": "b"}, format="multipart").status_code == 200


def admin_url(template: str, objects: dict[str, Any]) -> str:
    app_and_model = template.split("/")[2:4]
    identifier = objects.get("/".join(app_and_model), "1")
    values = {"content_type_id": "1", "app_label": "businesses", "url": "nothing/"}
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], str(identifier)), template)


@pytest.fixture
def objects(own: World, company: Business) -> dict[str, Any]:
    event = BusinessEvent.objects.get()
    run = make_run("failed", org=own.org, error=own.canary)
    return {
        "organizations/user": own.users[Role.MEMBER].pk,
        "organizations/organization": own.org.pk,
        "organizations/membership": own.membership.pk,
        "organizations/apikey": own.api_key.pk,
        "businesses/business": company.pk,
        "businesses/businessevent": event.pk,
        "businesses/siccode": "01110",
        "businesses/watchlist": own.watchlist.pk,
        "businesses/watchlistentry": own.entry.pk,
        "businesses/watchlistexclusion": own.exclusion.pk,
        "businesses/orgevent": own.event.pk,
        "embeddings/embeddingmodel": "model",
        "jobs/run": run.pk,
        "signals_app/buyingsignal": own.signal.pk,
        "signals_app/competitor": own.competitor.pk,
        "jobs/event": run.event_id,
        "jobs/schedule": make_schedule(name=own.canary).pk,
        "jobs/worker": make_worker().pk,
        "signals_app/alert": own.alert.pk,
        "signals_app/alertrule": own.rule.pk,
        "signals_app/channel": own.channel.pk,
        "signals_app/delivery": own.delivery.pk,
        "agents/opportunity": own.opportunity.pk,
        "agents/scorecard": own.scorecard.pk,
        "agents/icpsuggestion": own.suggestion.pk,
        "agents/intropath": own.intro_path.pk,
        "agents/researchreport": own.report.pk,
        "agents/draft": own.draft.pk,
        "agents/suppression": own.suppression.pk,
    }


def test_the_admin_is_for_staff(own: World, objects: dict[str, Any]) -> None:
    for client in (APIClient(), own.client(Role.OWNER), own.key(*Scope.values)):
        for route in ADMIN_ROUTES:
            for method in ("GET", "POST") if route.template != "/admin/logout/" else ():
                response = call(client, method, admin_url(route.template, objects))
                assert response.status_code == 302, (method, route.template, response.status_code)
                assert response["Location"].startswith("/admin/login/?next="), route.template


def test_staff_without_rights_see_nothing(own: World, objects: dict[str, Any]) -> None:
    clerk = make_user("clerk", is_staff=True)
    for route in ADMIN_ROUTES:
        response = call(client_of(clerk), "GET", admin_url(route.template, objects))
        assert own.canary not in response.content.decode(), route.template
        if re.match(r"/admin/\w+/\w+/", route.template) and not route.template.startswith("/admin/password_change/"):
            assert response.status_code in {302, 403}, (route.template, response.status_code)


def test_a_superuser_can_open_every_page(objects: dict[str, Any]) -> None:
    boss = make_user("boss", is_staff=True, is_superuser=True)
    for route in ADMIN_ROUTES:
        status = call(client_of(boss), "GET", admin_url(route.template, objects)).status_code
        assert status in {200, 302, 403, 404, 405}, route.template
        if route.template.count("/") == 4 and "<" not in route.template:
            assert status == 200, route.template


def test_the_cast_is_complete(alice: User, org_a: Organization) -> None:
    """Every role has rights, and every scope is given by a role or by operations only."""
    assert set(ROLE_SCOPES) == set(Role)
    assert set().union(*ROLE_SCOPES.values()) | {Scope.REGISTER} == set(Scope)
