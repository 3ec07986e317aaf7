"""Fields of parameters and inputs that name rows of the organisation: what is another's is not found.

    watchlist: WatchlistId | None = None

`check_references` looks each up, by one statement a model, when parameters are saved and again when they are used.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from django.apps import apps
from pydantic import BaseModel, Field

from oppspot.core.errors import InvalidInput
from oppspot.organizations.models import Organization
from oppspot.organizations.scoping import OrgOwned


@dataclass(frozen=True)
class Refers:
    """The model that an id is of: `app_label.Model`, and what a person calls it."""

    model: str
    noun: str


Pk = UUID | int

BusinessId = Annotated[UUID, Refers("businesses.Business", "company")]
WatchlistId = Annotated[UUID, Refers("businesses.Watchlist", "watchlist")]
ChannelId = Annotated[UUID, Refers("signals_app.Channel", "alert channel")]
AgentId = Annotated[UUID, Refers("agents.Agent", "agent")]
OfficerId = Annotated[int, Refers("businesses.Officer", "officer"), Field(gt=0, lt=2**63)]
OpportunityId = Annotated[UUID, Refers("agents.Opportunity", "opportunity")]


def check_references(value: BaseModel, org: Organization, *, prefix: str = "") -> None:
    """Raise `InvalidInput`, naming each field whose row `org` does not have; a foreign one is as good as missing."""
    named: dict[Refers, dict[Pk, list[str]]] = defaultdict(lambda: defaultdict(list))
    for refers, path, pk in _references(value, prefix):
        named[refers][pk].append(path)
    fields: dict[str, list[str]] = {}
    for refers, paths in named.items():
        for missing in paths.keys() - _existing(refers, org, list(paths)):
            for path in paths[missing]:
                fields[path] = [f"There is no {refers.noun} {missing}."]
    if fields:
        raise InvalidInput("Something that is named does not exist.", fields=dict(sorted(fields.items())))


def _existing(refers: Refers, org: Organization, ids: list[Pk]) -> set[Pk]:
    model: Any = apps.get_model(refers.model)
    rows = model.objects.for_org(org) if issubclass(model, OrgOwned) else model.objects.all()
    return set(rows.filter(pk__in=ids).values_list("pk", flat=True))


def _references(value: BaseModel, prefix: str) -> Iterator[tuple[Refers, str, Pk]]:
    for name, info in type(value).model_fields.items():
        path = f"{prefix}.{name}" if prefix else name
        found = getattr(value, name)
        if isinstance(found, BaseModel):
            yield from _references(found, path)
        elif isinstance(found, list) and found and isinstance(found[0], BaseModel):
            for place, item in enumerate(found):
                yield from _references(item, f"{path}.{place}")
        elif refers := reference_of(info.annotation, info.metadata):
            for pk in found if isinstance(found, list) else [found]:
                if pk is not None:
                    yield refers, path, pk


def reference_of(annotation: Any, metadata: Any = ()) -> Refers | None:
    """The mark of a field, of what is in its list, or of what it may be besides None."""
    for mark in (*metadata, *getattr(annotation, "__metadata__", ())):
        if isinstance(mark, Refers):
            return mark
    for inner in getattr(annotation, "__args__", ()):
        if found := reference_of(inner, ()):
            return found
    return None
