"""A signing key for a machine that was not given one."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def load_or_create_secret_key(path: Path) -> str:
    """The key kept at `path`, made on first use and readable by its owner only.

    Right for one machine; several machines must share one `SECRET_KEY` (check `oppspot.W001`).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _read_or_write(path)
    except OSError as error:
        raise ImproperlyConfigured(
            f"Cannot keep a signing key in {path.parent}: {error}. "
            "Set DATA_DIR to a directory that this account may write, or SECRET_KEY."
        ) from error


def _read_or_write(path: Path) -> str:
    if not path.exists():
        # Written aside and linked into place: another process never sees half a key, and the first one wins.
        with tempfile.NamedTemporaryFile("w", dir=path.parent) as draft:  # readable by its owner only
            draft.write(secrets.token_urlsafe(50))
            draft.flush()
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text().strip()
