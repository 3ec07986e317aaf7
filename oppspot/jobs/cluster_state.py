"""Whether this cluster was told to stop: shared by its processes, which are forked after this module is imported."""

from oppspot.jobs.ipc import Event

_stopping = Event()


def stop() -> None:
    _stopping.set()


def is_stopping() -> bool:
    return _stopping.is_set()


def reset() -> None:
    """For a cluster that is started anew in the same process."""
    global _stopping  # noqa: PLW0603  the one flag of the process tree
    _stopping = Event()
