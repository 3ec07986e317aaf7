"""Importing a large package within a job, which may be interrupted at any time."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def whole(package: str) -> Iterator[None]:
    """For imports: when they are interrupted, what came of `package` is forgotten, and the next import begins anew.

    Python forgets the package itself but not its parts. Imported again it would find those, and lack them as attributes
    for as long as the process lives.
    """
    before = set(sys.modules)
    try:
        yield
    except BaseException:
        for name in set(sys.modules) - before:
            if name.partition(".")[0] == package:
                sys.modules.pop(name, None)
        raise
