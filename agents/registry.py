"""Finding the kinds of agents: `x` is in the module `x` of a package that AGENT_KINDS names (agents.kinds)."""

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from django.conf import settings
from pydantic import BaseModel, ValidationError

from agents.base import Input, Kind, Params
from oppspot.core.errors import InvalidInput, PermanentError


class UnknownKind(PermanentError):
    """There is no such kind of agent."""


@cache
def all_kinds() -> dict[str, Kind[Any, Any]]:
    """One of each, by slug."""
    found: dict[str, Kind[Any, Any]] = {}
    for package in settings.AGENT_KINDS:
        for module in pkgutil.iter_modules(import_module(package).__path__):
            for value in vars(import_module(f"{package}.{module.name}")).values():
                if isinstance(value, type) and issubclass(value, Kind) and vars(value).get("slug") == module.name:
                    found[module.name] = value()
    return found


def get_kind(slug: str) -> Kind[Any, Any]:
    """Raises `UnknownKind`, which names those that there are."""
    try:
        return all_kinds()[slug]
    except KeyError:
        raise UnknownKind(f"No kind of agent is named {slug!r}; there are: {', '.join(all_kinds())}.") from None


def valid_params(kind: Kind[Any, Any], values: Any) -> Params:
    """Raises `InvalidInput`, with the fields named `configuration.…`."""
    found: Params = _validated(kind.Params, values, "configuration")
    return found


def valid_input(kind: Kind[Any, Any], values: Any) -> Input:
    """Raises `InvalidInput`, with the fields named `input.…`."""
    found: Input = _validated(kind.Input, values, "input")
    return found


def _validated(schema: type[BaseModel], values: Any, prefix: str) -> Any:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            path = ".".join([prefix, *(str(part) for part in problem["loc"])])
            fields.setdefault(path, []).append(problem["msg"])
        raise InvalidInput(f"The {prefix} does not fit.", fields=fields) from None
