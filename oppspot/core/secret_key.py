"""A signing key for a machine that was not given one."""

import os
import secrets
from pathlib import Path


def load_or_create_secret_key(path: Path) -> str:
    """The key kept at `path`, made on first use and readable by its owner only.

    Right for one machine; several machines must share one `SECRET_KEY` (check `oppspot.W001`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    key = secrets.token_urlsafe(50)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
    return key
