"""Requests for vectors of many companies: what they select, and what came of their batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, DecimalField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from businesses.models import Business
from businesses.querysets import BusinessQuerySet
from embeddings.events import RequestGenerate
from embeddings.providers import get_provider
from embeddings.template import TEMPLATE
from oppspot.core.errors import InvalidInput
from oppspot.jobs.models import Priority, Run, Status
from oppspot.jobs.services import emit
from oppspot.organizations.models import Organization

SLICE_BATCHES = 200  # emitted by one step
COUNTED = ("embedded", "unchanged", "superseded", "elsewhere", "failed", "tokens")
MAX_FAILURES = 100  # companies that a request's output lists; each batch lists its own


@dataclass(frozen=True)
class Requested:
    """What became of a request. Without a `run` there was nothing to do."""

    run: Run | None
    count: int | None  # companies to embed; None: not counted
    unknown_ids: list[UUID]


def request_embeddings(
    *, org: Organization, company_ids: Sequence[UUID] | None, batch_size: int, priority: Priority, requested_by: str
) -> Requested:
    """Have these companies embedded, or all (`company_ids` None), as far as they need it.

    Raises `InvalidInput` when none of the ids is a company's, and `NotConfigured`.
    """
    wanted = None if company_ids is None else list(dict.fromkeys(company_ids))
    unknown: list[UUID] = []
    if wanted is not None:
        known = set(Business.objects.filter(pk__in=wanted).values_list("pk", flat=True))
        unknown = [pk for pk in wanted if pk not in known]
        if not known:
            raise InvalidInput("company_ids: No company has one of these ids.", fields={"company_ids": ["Unknown."]})
    pending = _pending(get_provider().model, wanted)
    count = None if wanted is None else pending.count()
    if count == 0 or (count is None and not pending.exists()):
        return Requested(None, 0, unknown)
    data = RequestGenerate(company_ids=wanted, generate_all=wanted is None, batch_size=batch_size)
    emitted = emit(RequestGenerate, data, org=org, priority=priority, requested_by=requested_by)
    return Requested(Run.objects.for_org(org).get(pk=emitted.run_ids[0]), count, unknown)


@dataclass(frozen=True)
class Slice:
    """The companies after `after`, in the order of their ids, that need a vector of `model`."""

    model: str
    company_ids: Sequence[UUID] | None  # None: all
    after: UUID | None
    batch_size: int

    @property
    def limit(self) -> int:
        return SLICE_BATCHES * self.batch_size

    def ids(self) -> list[UUID]:
        """At most `limit`; fewer are the last ones."""
        pending = _pending(self.model, self.company_ids)
        if self.after is not None:
            pending = pending.filter(pk__gt=self.after)
        return list(pending.order_by("pk").values_list("pk", flat=True)[: self.limit])


def _pending(model: str, company_ids: Sequence[UUID] | None) -> BusinessQuerySet:
    companies = Business.objects.all() if company_ids is None else Business.objects.filter(pk__in=company_ids)
    return companies.needing_embedding(model, TEMPLATE)


@dataclass(frozen=True)
class Totals:
    """What the batches of a request did together; `error` when some failed for good."""

    output: dict[str, Any]
    error: str


def sum_up(request: Run) -> Totals:
    """Add up the outputs of the batches that a request caused. The rows are added by Postgres."""
    batches = request.children.order_by()
    counts = dict(batches.values_list("status").annotate(count=Count("pk")))
    sums = batches.aggregate(
        **{name: Sum(_number(name)) for name in (*COUNTED, "cost")}  # nulls are left out, and the sum of none is null
    )
    rejecting = batches.filter(output__failed__gt=0).order_by("pk").values_list("output__failures", flat=True)
    failures = [failure for found in rejecting[:MAX_FAILURES] for failure in found][:MAX_FAILURES]
    output = {name: int(sums[name] or 0) for name in COUNTED}
    cost = str(sums["cost"] or Decimal(0))
    error = ""
    if failed := counts.get(Status.FAILED, 0):
        first = batches.filter(status=Status.FAILED).order_by("pk").values_list("error", flat=True).first()
        error = f"{failed} of {sum(counts.values())} batches failed. The first: {first}"
    return Totals({"batches": counts, **output, "cost": cost, "failures": failures}, error)


def _number(key: str) -> Cast:
    return Cast(KT(f"output__{key}"), DecimalField(max_digits=30, decimal_places=9))
