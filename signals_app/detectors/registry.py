"""Finding detectors, and all of them at once. A detector `x` is in the module `x` of this package."""

import pkgutil
from functools import cache
from importlib import import_module
from pathlib import Path
from uuid import UUID

from signals_app.detectors.base import Detection, Detector, History

PACKAGE = __package__ or "signals_app.detectors"


@cache
def all_detectors() -> tuple[Detector, ...]:
    """One of each, by name. Importing them loads their rules: raises `InvalidRules`, naming file, rule and field."""
    found = (_class_in(module.name) for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return tuple(sorted((kind() for kind in found if kind), key=lambda detector: detector.name))


def _class_in(module_name: str) -> type[Detector] | None:
    """The detector of a module of this package; None for the modules that only help one."""
    for value in vars(import_module(f"{PACKAGE}.{module_name}")).values():
        if isinstance(value, type) and issubclass(value, Detector) and vars(value).get("name") == module_name:
            return value
    return None


def detect_all(history: History) -> list[Detection]:
    """Every detection of `history` once, the oldest first; the same whatever the order of the facts."""
    once: dict[tuple[str, str, tuple[UUID, ...]], Detection] = {}
    for detector in all_detectors():
        for detection in detector.detect(history):
            once.setdefault(_identity(detection), detection)
    return sorted(once.values(), key=lambda detection: (detection.on, *_identity(detection)))


def _identity(detection: Detection) -> tuple[str, str, tuple[UUID, ...]]:
    prints = tuple(sorted({item.fact.fingerprint for item in detection.evidence}))
    return str(detection.signal_type), detection.rule, prints
