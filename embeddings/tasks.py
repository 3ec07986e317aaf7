"""Functions that make vectors: of one company, of a batch, and of all that a request selects."""

from functools import partial
from itertools import count
from typing import Any, TypedDict
from uuid import UUID

import numpy as np

from businesses.events import EmbeddingGenerate
from businesses.models import Business
from embeddings import requests
from embeddings.events import BatchGenerate, RequestGenerate
from embeddings.indexes import activate_model, ensure_pending_index
from embeddings.providers import EmbeddingProvider, get_provider
from embeddings.services import (
    Company,
    CompanyVector,
    embed_company,
    generate_embeddings,
    pending_company,
    write_vectors,
)
from oppspot.core.errors import PermanentError, SkipItemError
from oppspot.jobs.cluster_state import is_stopping
from oppspot.jobs.context import Context, Interrupted
from oppspot.jobs.models import Priority
from oppspot.jobs.registry import function

BURST_S = 2.0  # edits of a company that follow each other this closely are one run
REQUEST_TIMEOUT_S = 4 * 3600.0  # building the index of a new model over millions of companies is part of it


class _Fetched(TypedDict):
    name: str
    text_hash: str
    parts: list[str]


class _Generated(TypedDict):
    model: str
    vector: list[float]
    tokens: int


class _Emitted(TypedDict):
    companies: int
    last: UUID | None


@function(
    on=EmbeddingGenerate,
    retries=4,
    timeout=120,
    priority=lambda data: Priority[data.priority.upper()],
    debounce=("company_id", BURST_S),
)
def generate_embedding(ctx: Context, data: EmbeddingGenerate) -> dict[str, Any]:
    """One company's vector; an output without a model says why none was made."""
    provider = get_provider()
    fetched = ctx.step("fetch", lambda: _fetch(provider, data.company_id))
    if fetched is None:
        exists = Business.objects.filter(pk=data.company_id).exists()
        return {"result": "current" if exists else "gone"}
    company = Company(data.company_id, fetched["name"], fetched["text_hash"], tuple(fetched["parts"]))
    made = ctx.step("generate", lambda: _generate(provider, company), transactional=False)
    vector = np.asarray(made["vector"], dtype=np.float32)
    written = CompanyVector(company.id, company.text_hash, vector, made["tokens"])
    saved = ctx.step("save", lambda: write_vectors(made["model"], [written]))
    if not saved:  # whoever edited it meanwhile has asked for another vector
        return {"result": "superseded"}
    return {"result": "embedded", "model": made["model"], "tokens": made["tokens"]}


def _fetch(provider: EmbeddingProvider, company_id: UUID) -> _Fetched | None:
    company = pending_company(provider, company_id)
    if company is None:
        return None
    return {"name": company.name, "text_hash": company.text_hash, "parts": list(company.parts)}


def _generate(provider: EmbeddingProvider, company: Company) -> _Generated:
    try:
        made = embed_company(provider, company)
    except SkipItemError as error:
        raise PermanentError(f"The provider does not take the text of {company.name}: {error.message}") from error
    return {"model": provider.model, "vector": made.vector.tolist(), "tokens": made.tokens}


@function(on=BatchGenerate, retries=4, timeout=600)
def generate_batch(ctx: Context, data: BatchGenerate) -> dict[str, Any]:
    """Vectors of up to a hundred companies. A company that the provider does not take stops no other."""
    size = len(set(data.company_ids))
    report = generate_embeddings(
        provider=get_provider(),
        queryset=Business.objects.filter(pk__in=data.company_ids),
        progress=lambda done, pending: ctx.progress(size - pending + done, size),
        should_stop=is_stopping,
    )
    if report.cancelled:
        raise Interrupted("released")  # what is written is written: whoever goes on finds the rest
    if report.error:
        raise report.error
    ctx.progress(size, size)
    return {
        "model": report.model,
        "embedded": report.embedded,
        "unchanged": report.unchanged,
        "superseded": report.superseded,
        "elsewhere": report.elsewhere,
        "failed": len(report.failures),
        "failures": [
            {"company_id": failure.business_id, "name": failure.name, "reason": failure.reason}
            for failure in report.failures
        ],
        "tokens": report.tokens,
        "cost": str(report.cost),
    }


@function(
    on=RequestGenerate,
    retries=4,
    timeout=REQUEST_TIMEOUT_S,
    priority=lambda data: Priority.LOW if data.generate_all else Priority.NORMAL,
)
def generate_requested(ctx: Context, data: RequestGenerate) -> dict[str, Any]:
    """Cut what needs a vector into batches, which are runs of their own, and sum up what came of them.

    When batches failed for good it fails, too: to be retried with them.
    """
    provider = get_provider()
    if data.generate_all:
        ctx.step("prepare", lambda: ensure_pending_index(provider), transactional=False)
    total = _fan_out(ctx, data, provider.model)
    ctx.progress(0, total)
    ctx.wait_for_children()
    totals = requests.sum_up(ctx.run)
    if totals.error:
        raise PermanentError(totals.error)
    if data.generate_all:
        ctx.step("activate", lambda: activate_model(provider).name, transactional=False)
    ctx.progress(total, total)
    return totals.output


def _fan_out(ctx: Context, data: RequestGenerate, model: str) -> int:
    """Emit the batches, a slice of them a step, so that a start after a crash goes on where it was; how many companies
    they hold."""
    after: UUID | None = None
    total = 0
    for number in count(1):
        selected = requests.Slice(model, data.company_ids, after, data.batch_size)
        emitted = ctx.step(f"slice-{number}", partial(_emit_slice, ctx, selected, f"slice-{number}"))
        total += emitted["companies"]
        after = emitted["last"]
        if after is None:
            break
    return total


def _emit_slice(ctx: Context, selected: requests.Slice, key: str) -> _Emitted:
    ids = selected.ids()
    size = selected.batch_size
    batches = [BatchGenerate(company_ids=ids[start : start + size]) for start in range(0, len(ids), size)]
    ctx.emit_many(BatchGenerate, batches, key=key)
    return {"companies": len(ids), "last": ids[-1] if len(ids) == selected.limit else None}
