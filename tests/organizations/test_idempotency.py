"""`Idempotency-Key`, on views of this module: each makes a company, so that an effect done twice is two companies."""

import hashlib
import time
from collections import Counter
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.urls import include, path
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.test import APIClient
from rest_framework.viewsets import ViewSet

from businesses.models import Business
from oppspot.core.errors import RetryableError
from oppspot.organizations.api import ApiKeyViewSet
from oppspot.organizations.idempotency import (
    LIFETIME,
    IdempotentPost,
    delete_expired_idempotent_requests,
    fingerprints_of,
)
from oppspot.organizations.models import IdempotentRequest, Organization
from oppspot.organizations.scopes import Scope
from oppspot.organizations.services import create_organization
from tests.answers import problem_of
from tests.architecture.routes import all_routes
from tests.conftest import client_with
from tests.factories import make_business, make_key

PATH = "/companies/"
started, go_on = Event(), Event()


ENDINGS: dict[str, dict[str, Any]] = {
    "unavailable": {"data": {"code": "busy"}, "status": 503},
    "refused": {"data": {"code": "no"}, "status": 409},
    "later": {"status": 202, "headers": {"Retry-After": "7", "X-Trace": "1"}},
    "nothing": {"status": 204},
    "unwritable": {"data": {"company": object()}},
}


def fail(how: str | None) -> None:
    """Raise, wait or die as asked, or do nothing."""
    match how:
        case "wait":
            started.set()
            assert go_on.wait(10)
        case "invalid":
            raise ValidationError({"name": ["Not this one."]})
        case "retryable":
            raise RetryableError(retry_after=2)
        case "bug":
            raise ZeroDivisionError
        case "killed":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


class CompaniesView(IdempotentPost):
    """Makes a company, then ends as the body says."""

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return Response({"count": Business.objects.count()})

    @extend_schema(request=OpenApiTypes.OBJECT, responses={201: OpenApiTypes.OBJECT})
    def post(self, request: Request) -> Response:
        body: Any = request.data
        company = make_business(body.get("name", "Acme"))
        then = body.get("then")
        if then in ENDINGS:
            return Response(**ENDINGS[then])
        fail(then)
        answer = {"name": company.name, "id": str(company.pk)}  # jsonb would turn them round
        return Response(answer, status=201, headers={"Location": f"{PATH}{company.pk}/"})


class CompanyViewSet(IdempotentPost, ViewSet):
    scopes = {"archive": Scope.ADMIN}

    def create(self, request: Request) -> Response:
        return Response({"id": str(make_business().pk)}, status=201)

    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        return Response({"archived": str(make_business().pk)})

    @action(detail=False, methods=["put"])
    def replace(self, request: Request) -> Response:
        return Response({"id": str(make_business().pk)})


class EchoView(IdempotentPost):
    echoed = ("to",)

    def post(self, request: Request) -> Response:
        given: Any = request.data
        if given.get("then") in ENDINGS:
            return Response(**ENDINGS[given["then"]])
        return Response({"first": 1.5, "to": given.get("as", given.get("to", "nobody")).strip(), "last": None})


class OpenView(IdempotentPost):
    permission_classes = [AllowAny]

    def post(self, request: Request) -> Response:
        return Response({})


router = SimpleRouter()
router.register("sets", CompanyViewSet, basename="set")
urlpatterns = [
    path("companies/", CompaniesView.as_view()),
    path("others/", CompaniesView.as_view()),
    path("echoes/", EchoView.as_view()),
    path("", include(router.urls)),
]
pytestmark = pytest.mark.urls(__name__)


def post(client: APIClient, body: Any = None, key: str | None = "k-1", url: str = PATH) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(url, {} if body is None else body, headers=headers)


def replayed(response: Any) -> bool:
    assert response.headers.get("Idempotency-Replayed", "true") == "true"
    return "Idempotency-Replayed" in response.headers


def companies() -> int:
    return Business.objects.count()


def stored(org: Organization) -> int:
    return IdempotentRequest.objects.for_org(org).count()


# The same request again


def test_without_a_key_each_request_is_done(writer_client: APIClient, org_a: Organization) -> None:
    answers = [post(writer_client, key=None) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert not any(replayed(answer) for answer in answers)
    assert (companies(), stored(org_a)) == (2, 0)


def test_a_repetition_gets_the_first_answer(writer_client: APIClient) -> None:
    first, again, third = (post(writer_client, {"name": "Ünïcode & Co"}) for _ in range(3))
    assert [replayed(answer) for answer in (first, again, third)] == [False, True, True]
    for answer in (again, third):
        assert (answer.status_code, answer.content) == (201, first.content)
        for name in ("Location", "Content-Type", "Vary", "Allow"):
            assert answer.headers.get(name) == first.headers.get(name), name
    assert companies() == 1


def test_an_answer_without_a_body_is_repeated(writer_client: APIClient) -> None:
    for then, status in (("nothing", 204), ("later", 202)):
        first, again = (post(writer_client, {"then": then}, key=then) for _ in range(2))
        assert (replayed(first), replayed(again)) == (False, True)
        assert (again.status_code, again.content) == (first.status_code, first.content) == (status, b"")
        for name in ("Content-Type", "Retry-After"):
            assert again.headers.get(name) == first.headers.get(name), name
        assert "X-Trace" not in again.headers
    assert companies() == 2


def test_spacing_and_order_of_keys_make_no_other_body(writer_client: APIClient) -> None:
    texts = ['{"name": "Acme", "x": {"b": 1, "a": 2}}', '{"x":{"a":2,"b":1},"name":"Acme"}']
    answers = [
        writer_client.post(PATH, text, content_type="application/json", headers={"Idempotency-Key": "k"})
        for text in texts
    ]
    assert [replayed(answer) for answer in answers] == [False, True]


def test_without_a_body(writer_client: APIClient) -> None:
    answers = [writer_client.post(PATH, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert (replayed(answers[1]), companies()) == (True, 1)


def test_any_credential_of_the_organisation_may_repeat(writer_client: APIClient, bob_client: APIClient) -> None:
    assert not replayed(post(writer_client))
    assert replayed(post(bob_client))
    assert companies() == 1


def test_the_cost_in_queries(
    writer_client: APIClient, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.THROTTLE_REQUESTS_PER_MINUTE = 0
    post(writer_client, key=None)  # notes the use of the API key
    with django_assert_num_queries(3):  # API key, company: insert, read back
        post(writer_client, key=None)
    with django_assert_num_queries(3 + 5):  # savepoint, lock, look-up, insert, release
        post(writer_client)
    with django_assert_num_queries(1 + 4):  # API key; savepoint, lock, look-up, release
        post(writer_client)


def test_viewsets_and_their_actions(org_a: Organization) -> None:
    client = client_with(make_key(org_a, *Scope.values)[1])
    for url, status in (("/sets/", 201), ("/sets/7/archive/", 200)):
        first, again = (post(client, url=url, key=url) for _ in range(2))
        assert (first.status_code, replayed(first), replayed(again)) == (status, False, True)
        assert again.content == first.content
    assert companies() == 2


def test_only_post_takes_the_header(writer_client: APIClient, org_a: Organization) -> None:
    headers = {"Idempotency-Key": "k"}
    for method, url, status in (("get", PATH, 200), ("put", "/sets/replace/", 200), ("delete", PATH, 405)):
        for _ in range(2):
            response = getattr(writer_client, method)(url, headers=headers)
            assert response.status_code == status
            assert not replayed(response)
    problem_of(post(writer_client, url="/sets/replace/"), 405)
    assert stored(org_a) == 0


# The same key for something else


@pytest.mark.parametrize(
    ("url", "body"),
    [(PATH, {"name": "Other"}), (PATH, {}), ("/others/", {"name": "Acme"}), (f"{PATH}?dry=1", {"name": "Acme"})],
)
def test_a_key_names_one_request(writer_client: APIClient, url: str, body: Any) -> None:
    first = post(writer_client, {"name": "Acme"})
    problem = problem_of(post(writer_client, body, url=url), 422, "idempotency_key_reused")
    assert "Acme" not in str(problem), "nothing of the first request"
    assert companies() == 1
    assert post(writer_client, {"name": "Acme"}).content == first.content


def test_organisations_do_not_meet(writer_client: APIClient, org_a: Organization, org_b: Organization) -> None:
    foreign_client = client_with(make_key(org_b, Scope.READ, Scope.WRITE)[1])
    own = post(writer_client, {"name": "Own"})
    foreign = post(foreign_client, {"name": "Own"})
    assert (foreign.status_code, replayed(foreign)) == (201, False)
    assert own.json()["id"] != foreign.json()["id"]
    assert post(foreign_client, {"name": "Own"}).content == foreign.content
    assert post(writer_client, {"name": "Own"}).content == own.content
    other = post(foreign_client, {"name": "Different"}, key="k-2")
    assert (other.status_code, companies()) == (201, 3)
    assert (stored(org_a), stored(org_b)) == (1, 2)


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "ключ", "tab\tkey", "nul\x00", "k\x7f"])
def test_a_malformed_key(writer_client: APIClient, org_a: Organization, key: str) -> None:
    problem = problem_of(post(writer_client, key=key), 400, "invalid")
    assert problem["errors"] == {"Idempotency-Key": ["Must be 1 to 255 printable ASCII characters."]}
    assert (companies(), stored(org_a)) == (0, 0)


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5"', "a b~!%s'\\"])
def test_a_well_formed_key(writer_client: APIClient, org_a: Organization, key: str) -> None:
    assert [replayed(post(writer_client, key=named)) for named in (key, f" {key} ")] == [False, True]
    assert IdempotentRequest.objects.for_org(org_a).get().key == key


# What is stored: what had an effect


def test_a_refusal_that_is_returned_is_stored(writer_client: APIClient) -> None:
    first, again = (post(writer_client, {"then": "refused"}) for _ in range(2))
    assert (first.status_code, again.status_code, replayed(again)) == (409, 409, True)
    assert companies() == 1


@pytest.mark.parametrize(("then", "status"), [("invalid", 400), ("retryable", 503), ("unavailable", 503)])
def test_what_fails_has_no_effect_and_frees_the_key(
    writer_client: APIClient, org_a: Organization, then: str, status: int
) -> None:
    for _ in range(2):
        response = post(writer_client, {"then": then})
        assert (response.status_code, replayed(response)) == (status, False)
    assert (companies(), stored(org_a)) == (0, 0)
    assert post(writer_client, {"name": "Corrected"}).status_code == 201


@pytest.mark.parametrize(("then", "error"), [("bug", ZeroDivisionError), ("unwritable", TypeError)])
def test_a_bug_has_no_effect_and_frees_the_key(
    writer_client: APIClient, org_a: Organization, then: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        post(writer_client, {"then": then})
    assert (companies(), stored(org_a)) == (0, 0)
    assert post(writer_client).status_code == 201


def test_who_is_not_let_in_uses_no_key(
    anonymous: APIClient, key_client: APIClient, nomad_client: APIClient, org_a: Organization
) -> None:
    problem_of(post(anonymous), 401)
    problem_of(post(key_client), 403)
    problem_of(post(nomad_client), 403)
    assert (companies(), stored(org_a)) == (0, 0)


def test_who_asks_too_often_uses_no_key(writer_client: APIClient, org_a: Organization, settings: Settings) -> None:
    settings.THROTTLE_REQUESTS_PER_MINUTE = -1  # not even one
    problem_of(post(writer_client), 429, "throttled")
    assert (companies(), stored(org_a)) == (0, 0)


def test_a_stored_answer_is_for_those_who_may_ask(writer_client: APIClient, key_client: APIClient) -> None:
    post(writer_client)
    problem_of(post(key_client), 403, "permission_denied")


@pytest.mark.parametrize(
    ("content_type", "text", "status"),
    [("application/json", "{", 400), ("application/json", '{"a": NaN}', 400), ("text/plain", "a", 415)],
)
def test_a_body_that_cannot_be_read_uses_no_key(
    writer_client: APIClient, org_a: Organization, content_type: str, text: str, status: int
) -> None:
    response = writer_client.post(PATH, text, content_type=content_type, headers={"Idempotency-Key": "k"})
    problem_of(response, status)
    assert stored(org_a) == 0


def test_a_view_without_an_organisation_cannot_have_it(anonymous: APIClient) -> None:
    request = anonymous.post("/", headers={"Idempotency-Key": "k"}).wsgi_request
    with pytest.raises(AttributeError, match="org"):
        OpenView.as_view()(request)


# Two at once


@pytest.fixture
def secret(transactional_db: None) -> str:
    """A writing key of an organisation that other threads see."""
    started.clear()
    go_on.clear()
    return make_key(create_organization(name="Alpha"), Scope.READ, Scope.WRITE)[1]


class Sender(Thread):
    """Posts once, over its own connection; `response` is the answer."""

    response: Any = None

    def __init__(self, secret: str, body: Any) -> None:
        super().__init__()
        self.secret, self.body = secret, body
        self.start()

    def run(self) -> None:
        try:
            self.response = post(client_with(self.secret), self.body)
        finally:
            connections.close_all()


def test_the_second_is_told_while_the_first_is_in_progress(secret: str) -> None:
    first = Sender(secret, {"then": "wait"})
    assert started.wait(10)
    client = client_with(secret)
    for body in ({"then": "wait"}, {"name": "other"}):
        begun = time.monotonic()
        response = post(client, body)
        problem_of(response, 409, "idempotency_in_progress")
        assert response.headers["Retry-After"] == "1"
        assert time.monotonic() - begun < 5, "it does not wait for the first"
    assert post(client, {"name": "independent"}, key="k-2").status_code == 201
    go_on.set()
    first.join()
    again = post(client, {"then": "wait"})
    assert (first.response.status_code, replayed(first.response)) == (201, False)
    assert (again.content, replayed(again)) == (first.response.content, True)
    assert companies() == 2


def test_many_at_once_do_it_once(secret: str) -> None:
    barrier, outcomes, bodies = Barrier(6), Counter[tuple[int, bool]](), set[bytes]()

    def run() -> None:
        client = client_with(secret)
        barrier.wait()
        try:
            while (response := post(client)).status_code == 409:
                time.sleep(0.01)
            outcomes[response.status_code, replayed(response)] += 1
            bodies.add(response.content)
        finally:
            connections.close_all()

    threads = [Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == {(201, False): 1, (201, True): 5}
    assert (len(bodies), companies()) == (1, 1)


def test_a_crash_leaves_neither_effect_nor_record(secret: str) -> None:
    """The server process of the first request dies after the effect: what a `kill -9` looks like to the database."""
    crashed = Sender(secret, {"then": "killed"})
    crashed.join()
    assert crashed.response.status_code == 503
    assert (companies(), IdempotentRequest.all_orgs.count()) == (0, 0)
    response = post(client_with(secret))
    assert (response.status_code, replayed(response), companies()) == (201, False, 1)


# Expiry


def age(org: Organization, **changes: Any) -> None:
    IdempotentRequest.objects.for_org(org).update(**changes)


def test_a_key_is_free_after_a_day(writer_client: APIClient, org_a: Organization) -> None:
    first = post(writer_client, {"name": "First"})
    age(org_a, created_at=timezone.now() - LIFETIME * 0.999)
    assert post(writer_client, {"name": "First"}).content == first.content
    age(org_a, created_at=timezone.now() - LIFETIME)
    later, again = (post(writer_client, {"name": "Later"}) for _ in range(2))
    assert (later.status_code, replayed(later), replayed(again)) == (201, False, True)
    assert (companies(), stored(org_a)) == (2, 1)


def test_an_expired_key_survives_a_failure(writer_client: APIClient, org_a: Organization) -> None:
    post(writer_client)
    age(org_a, created_at=timezone.now() - LIFETIME)
    assert post(writer_client, {"then": "retryable"}).status_code == 503
    assert (post(writer_client).status_code, companies()) == (201, 2)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_expired_answers_are_deleted(
    writer_client: APIClient, org_a: Organization, org_b: Organization, batch_size: int
) -> None:
    foreign_client = client_with(make_key(org_b, Scope.WRITE)[1])
    for client in (writer_client, foreign_client):
        for number in range(2):
            post(client, key=f"old {number}")
    for org in (org_a, org_b):
        age(org, created_at=timezone.now() - LIFETIME)
    post(writer_client, key="new")
    assert delete_expired_idempotent_requests(batch_size=batch_size) == 4
    assert [request.key for request in IdempotentRequest.all_orgs.all()] == ["new"]
    assert delete_expired_idempotent_requests(batch_size=batch_size) == 0


# The table


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("key", ""), ("key", "ключ"), ("key", "a\nb"), ("key", "k" * 256)),
        *(("fingerprint", ""), ("fingerprint", "A" * 64)),
        *(("status_code", status) for status in (None, 0, 199, 500)),
    ],
)
def test_the_database_keeps_the_rules(writer_client: APIClient, org_a: Organization, field: str, value: Any) -> None:
    post(writer_client)
    with pytest.raises(DatabaseError), transaction.atomic():
        age(org_a, **{field: value})


def test_a_key_is_there_once(writer_client: APIClient, org_a: Organization) -> None:
    post(writer_client)
    request = IdempotentRequest.objects.for_org(org_a).get()
    assert str(request) == "POST /companies/ (k-1)"
    request._state.adding, request.pk = True, make_business().pk
    with pytest.raises(IntegrityError, match="idempotent_request_once"), transaction.atomic():
        request.save(force_insert=True)


def test_fingerprints() -> None:
    bodies: list[Any] = [{}, [], None, "", {"a": 1}, {"a": "1"}, {"a": None}, {"a": [1, 2]}, {"a": [2, 1]}, {"a": "é"}]
    assert len({fingerprints_of(body)[0] for body in bodies}) == len(bodies)
    assert fingerprints_of({"b": 1, "a": {"d": 1, "c": 2}}) == fingerprints_of({"a": {"c": 2, "d": 1}, "b": 1})


def test_a_body_cannot_be_found_by_trying_likely_ones(
    writer_client: APIClient, org_a: Organization, settings: Settings
) -> None:
    post(writer_client, {"name": "Acme"})
    kept = IdempotentRequest.objects.for_org(org_a).get().fingerprint
    assert kept != hashlib.sha256(b'{"name":"Acme"}').hexdigest()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key that is long enough to be one"
    assert fingerprints_of({"name": "Acme"}).index(kept) == 1
    assert replayed(post(writer_client, {"name": "Acme"})), "a new key changes nothing for who asks again"


# What the answer repeats and nobody shall store


def test_what_is_echoed_is_not_stored_and_answered_again(writer_client: APIClient, org_a: Organization) -> None:
    for place, body in enumerate(
        ({"to": " Zoë "}, {"to": "Ann", "then": "refused"}, {"to": "x", "then": "nothing"}, {})
    ):
        first, again = (post(writer_client, body, url="/echoes/", key=f"k-{place}") for _ in range(2))
        assert replayed(again)
        assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "Zoë" in post(writer_client, {"to": " Zoë "}, url="/echoes/", key="k-0").content.decode()
    rows = IdempotentRequest.objects.for_org(org_a).values_list("body", flat=True)
    assert len(rows) == 4
    assert not any("Zo" in row for row in rows)


def test_what_is_echoed_otherwise_cannot_be_answered_again(writer_client: APIClient, org_a: Organization) -> None:
    with pytest.raises(ValueError, match="to is not answered as it was given"):
        post(writer_client, {"to": "Ann", "as": "Bob"}, url="/echoes/")
    assert stored(org_a) == 0


# The document, and where it must not be


def test_the_document_describes_the_header() -> None:
    document: dict[str, Any] = SchemaGenerator(patterns=urlpatterns[:1]).get_schema(public=True)  # type: ignore[no-untyped-call]
    operations = document["paths"][PATH]
    (parameter,) = operations["post"]["parameters"]
    assert (parameter["in"], parameter["name"]) == ("header", "Idempotency-Key")
    assert parameter["schema"]["maxLength"] == 255
    assert not parameter.get("required")
    assert "24 hours" in parameter["description"]
    responses = operations["post"]["responses"]
    assert "Idempotency-Replayed" in responses["201"]["headers"]
    for status, code in (("409", "idempotency_in_progress"), ("422", "idempotency_key_reused")):
        assert "headers" not in responses[status]
        assert code in str(responses[status]["content"]["application/problem+json"]["examples"])
    assert "parameters" not in operations["get"]
    assert "422" not in operations["get"]["responses"]


@pytest.mark.urls("oppspot.urls")
def test_no_secret_is_stored() -> None:
    """The answer that issues an API key holds its secret."""
    assert not issubclass(ApiKeyViewSet, IdempotentPost)
    classes = {getattr(route.callback, "cls", None) for route in all_routes()}
    assert ApiKeyViewSet in classes
