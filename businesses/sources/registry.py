"""Finding pull sources: a source `x` is a subclass of `PullSource` named `"x"` in the module `x` of this package."""

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path

from businesses.sources.pull import PullSource
from oppspot.core.errors import InvalidInput


class UnknownSource(InvalidInput):
    """There is no source of this name."""

    code = "unknown_source"


@cache
def _sources() -> dict[str, type[PullSource]]:
    found: dict[str, type[PullSource]] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        for value in vars(import_module(f"{__package__}.{module.name}")).values():
            is_source = isinstance(value, type) and issubclass(value, PullSource)
            if is_source and vars(value).get("name") == module.name:
                found[module.name] = value
    return found


def source_names() -> list[str]:
    return sorted(_sources())


def source_class(name: str) -> type[PullSource]:
    """Raises `UnknownSource`, naming the ones there are."""
    try:
        return _sources()[name]
    except KeyError:
        raise UnknownSource(
            f"There is no source {name!r}; there are: {', '.join(source_names())}.", fields={"source": ["Unknown."]}
        ) from None
