"""A signing key for a machine that was not given one."""

import os
import secrets
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
        draft = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
