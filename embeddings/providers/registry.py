"""Finding providers. A provider `x` is a class with `name = "x"` in the module `x` of this package."""

import os
import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings

from embeddings.providers.base import EmbeddingProvider, UnknownProvider

PACKAGE = __package__ or "embeddings.providers"
_lock = Lock()


@cache
def _modules() -> tuple[str, ...]:
    return tuple(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))


def _class_in(module_name: str) -> type[EmbeddingProvider] | None:
    """The provider of a module of this package; None for the modules that only help one."""
    for value in vars(import_module(f"{PACKAGE}.{module_name}")).values():
        if isinstance(value, type) and issubclass(value, EmbeddingProvider) and vars(value).get("name") == module_name:
            return value
    return None


def provider_names() -> list[str]:
    """The names that EMBEDDING_PROVIDER may have. Imports every provider."""
    return [name for name in _modules() if _class_in(name)]


def provider_class(name: str) -> type[EmbeddingProvider]:
    """Raises `UnknownProvider`, naming the ones there are."""
    found = _class_in(name) if name in _modules() else None
    if found is None:
        hint = f"Set EMBEDDING_PROVIDER to one of: {', '.join(provider_names())}."
        raise UnknownProvider(f"There is no embedding provider {name!r}.", hint=hint)
    return found


@cache
def _instance(name: str, model: str, configuration: tuple[Any, ...]) -> EmbeddingProvider:
    return provider_class(name).from_settings(model)


def get_provider(model: str | None = None) -> EmbeddingProvider:
    """The configured provider with `model`, or with EMBEDDING_MODEL; one instance a process.

    Raises `NotConfigured` with a hint when the settings do not allow for it.
    """
    kind = provider_class(settings.EMBEDDING_PROVIDER)
    model = model or settings.EMBEDDING_MODEL or next(iter(kind.models))
    configuration = tuple(getattr(settings, name, None) for name in kind.settings_used)
    with _lock:
        return _instance(kind.name, model, configuration)


def _forget_instances() -> None:
    global _lock  # noqa: PLW0603  a lock held by another thread at the fork would never be freed
    _lock = Lock()
    _instance.cache_clear()


# The threads and connections that an instance holds do not survive a fork.
os.register_at_fork(after_in_child=_forget_instances)
