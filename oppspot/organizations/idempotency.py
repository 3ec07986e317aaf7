"""`Idempotency-Key`: a POST that is sent again is answered again, not done again.

As in the IETF draft "The Idempotency-Key HTTP Header Field" and Stripe's API. The handler runs after authentication,
permissions and limits, in one transaction with the record of its answer, and one rule decides what is kept: an answer
is stored exactly when what the handler did is committed. That is one below 500 that it returns. When it answers 5xx or
raises, be it a validation error, what it did is undone and the key stays free: Stripe stores no failed validation
either, the IETF draft asks only for the answers of completed operations, and a client may correct a body and keep its
key. A crash leaves neither effect nor answer.

So a handler cannot leave a trace of its failure in the database, and what it does outside (a paid call) is beyond the
transaction: such work belongs into a task that is enqueued on commit. A view that returns a secret must not take the
header, as answers are stored as they are sent. What only repeats the request need not be: fields named in `echoed` are
stored without their values, and a repeated request, which has the same body, gives them again. Of a body itself no more
is kept than a keyed hash, as an address would be found by trying likely ones. Keys are opaque text; quotes around one,
as in the draft, belong to it.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.encoding import force_str
from drf_spectacular.utils import OpenApiParameter
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from oppspot.core.errors import InvalidInput, OppspotError
from oppspot.organizations.models import IdempotentRequest, Organization

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LIFETIME = timedelta(hours=24)
PRINTABLE = re.compile(r"[ -~]{1,255}")
STORED_HEADERS = ("Content-Type", "Location", "Retry-After")
DELETE_BATCH = 1_000  # rows

logger = structlog.get_logger(__name__)


class IdempotencyKeyReused(OppspotError):
    """This Idempotency-Key was used for a request with another path or body: a new request needs a new key."""

    code = "idempotency_key_reused"
    status = 422


class IdempotencyInProgress(OppspotError):
    """The request with this Idempotency-Key is still being answered: ask again for its answer."""

    code = "idempotency_in_progress"
    status = 409
    retry_after = 0.5  # seconds; the header says 1


class IdempotentPost(APIView):
    """Base of views whose POST takes an `Idempotency-Key`; without the header nothing changes."""

    post: Callable[..., Any]  # the view's own; a viewset has one while it answers a POST
    echoed: ClassVar[tuple[str, ...]] = ()  # texts of the body that the answer repeats, and that nobody shall store

    schema_parameters: ClassVar[dict[str, list[OpenApiParameter]]] = {
        "POST": [
            OpenApiParameter(
                HEADER,
                {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
                OpenApiParameter.HEADER,
                description="A name of your choice for this request, such as a UUID. Sent again within 24 hours with "
                "the same path and body, the request is not done again: the first answer comes back.",
            ),
            OpenApiParameter(
                REPLAYED,
                {"type": "string", "enum": ["true"]},
                OpenApiParameter.HEADER,
                description="There when this is the answer to an earlier request with the same Idempotency-Key.",
                response=[200, 201, 202, 204],
            ),
        ]
    }
    schema_problems: ClassVar[dict[str, dict[int, tuple[str, str]]]] = {
        "POST": {
            409: ("idempotency_in_progress", "Conflict with what is there, or with the same request in progress."),
            422: ("idempotency_key_reused", "The Idempotency-Key was used for another path or body."),
        }
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Once the request is let in, put `_once` around its handler, which `dispatch` looks up next."""
        super().initial(request, *args, **kwargs)
        named, handler = request.headers.get(HEADER), getattr(self, "post", None)
        if request.method == "POST" and named is not None and handler is not None:
            self.post = partial(self._once, _valid(named), handler)

    def _once(
        self, key: str, handler: Callable[..., Response], request: Request, *args: Any, **kwargs: Any
    ) -> Response | HttpResponse:
        org: Organization = request.org  # type: ignore[attr-defined]
        request_line, fingerprints = f"POST {request.get_full_path()}", fingerprints_of(request.data)
        with transaction.atomic():
            _lock(org, key)
            if earlier := _earlier(org, key):
                if earlier.request_line != request_line or earlier.fingerprint not in fingerprints:
                    raise IdempotencyKeyReused
                logger.info("idempotent_request_replayed", key=key, first_at=earlier.created_at.isoformat())
                return _replay(earlier, self._body(request, earlier.body, is_stored=True))
            response = self.finalize_response(request, handler(request, *args, **kwargs), *args, **kwargs)
            response.render()  # here, so that an answer that cannot be written has no effect either
            if status.is_server_error(response.status_code):
                transaction.set_rollback(True)
                return response
            IdempotentRequest.objects.for_org(org).create(
                org=org,
                key=key,
                request_line=request_line,
                fingerprint=fingerprints[0],
                status_code=response.status_code,
                headers={name: response[name] for name in STORED_HEADERS if response.has_header(name)},
                body=self._body(request, response.content.decode(), is_stored=False),
            )
        return response

    def _body(self, request: Request, body: str, *, is_stored: bool) -> str:
        """An answer as it is to be stored, without the values of `echoed`; or one that was stored, with them."""
        given = request.data if isinstance(request.data, Mapping) else {}
        answer = json.loads(body) if body and self.echoed else None
        names = [name for name in self.echoed if name in given and isinstance(answer, dict) and name in answer]
        if answer is None or not names:
            return body
        for name in names:
            text = str(given[name]).strip()  # as serializers read it
            if not is_stored and answer[name] != text:
                raise ValueError(f"{name} is not answered as it was given, so that it could not be answered again.")
            answer[name] = text if is_stored else None
        return force_str(request.accepted_renderer.render(answer, request.accepted_media_type, {}))


def fingerprints_of(data: Any) -> list[str]:
    """HMAC-SHA-256 of parsed JSON in hex, whatever the spacing and the order of keys it was sent with: under the
    present key, then under earlier ones."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [salted_hmac("idempotency", canonical, secret=key, algorithm="sha256").hexdigest() for key in keys]


def delete_expired_idempotent_requests(*, batch_size: int = DELETE_BATCH) -> int:
    """Delete what is older than `LIFETIME`, a batch a statement; returns how many rows."""
    expired = IdempotentRequest.all_orgs.filter(created_at__lte=timezone.now() - LIFETIME).order_by("created_at")
    total, deleted = 0, batch_size
    while deleted == batch_size:
        deleted, _ = IdempotentRequest.all_orgs.filter(pk__in=expired.values("pk")[:batch_size]).delete()
        total += deleted
    logger.info("idempotent_requests_deleted", count=total)
    return total


def _valid(named: str) -> str:
    key = named.strip()
    if not PRINTABLE.fullmatch(key):
        message = "Must be 1 to 255 printable ASCII characters."
        raise InvalidInput(f"{HEADER}: {message}", fields={HEADER: [message]})
    return key


def _lock(org: Organization, key: str) -> None:
    """Hold `key` until the transaction ends, however it ends; raise `IdempotencyInProgress` when another does.

    A row claimed by INSERT would let the second request wait for the first, a worker idle meanwhile, instead of
    telling it. The lock goes after the commit is visible, so that who gets it next sees the stored answer; two keys of
    equal hash cost a needless 409 at worst.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"idempotency:{org.pk}:{key}"])
        (locked,) = cursor.fetchone()
    if not locked:
        raise IdempotencyInProgress


def _earlier(org: Organization, key: str) -> IdempotentRequest | None:
    """The stored request of this key, unless it has expired: then the key is free, though it is not yet deleted."""
    found: IdempotentRequest | None = IdempotentRequest.objects.for_org(org).filter(key=key).first()
    if found is None or found.created_at > timezone.now() - LIFETIME:
        return found
    found.delete()
    return None


def _replay(earlier: IdempotentRequest, body: str) -> HttpResponse:
    response = HttpResponse(body, status=earlier.status_code)
    del response["Content-Type"]  # Django's default; an empty answer has none
    for name, value in {**earlier.headers, REPLAYED: "true"}.items():
        response[name] = value
    return response
