"""Errors as they are stored and shown: short, storable, and without secrets."""

import re
import traceback

from django.conf import settings

MAX_ERROR = 500  # characters of what lists show
MAX_DETAIL = 8_000
_SECRETS = re.compile(
    r"(?:sk|ospt)[-_][A-Za-z0-9_\-]{8,}|(?i:(?<=bearer )|(?<=basic ))[A-Za-z0-9_\-.=+/]{8,}|(?<=://)[^/@\s]+:[^/@\s]+(?=@)"
)

_MODULE = re.compile(r"^(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_]\w*(?::|$))")  # in front of the name of an error's class


def redacted(text: str) -> str:
    """Without API keys, passwords in URLs and this installation's own secrets; storable in Postgres."""
    for secret in (settings.OPENAI_API_KEY, settings.LLM_API_KEY, settings.SECRET_KEY):
        if secret:
            text = text.replace(secret, "[secret]")
    text = _SECRETS.sub("[secret]", text)
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def summary_of(error: BaseException) -> str:
    """`ValueError: what went wrong`, on one line."""
    text = " ".join(str(error).split())
    return redacted(f"{type(error).__name__}: {text}" if text else type(error).__name__)[:MAX_ERROR]


def detail_of(error: BaseException) -> str:
    """The summary and where it happened: the end of the traceback, with no values of variables."""
    frames = "".join(traceback.format_exception(error))
    return redacted(frames)[-MAX_DETAIL:]


def summary_from(detail: str) -> str:
    """The summary of an error of which `detail` was stored: nothing of where it happened."""
    *_, last = detail.rpartition('\n  File "')
    lines = last.splitlines()
    if last != detail:  # a traceback: its last frame and the code of it come before the error
        lines = lines[1:]
        while lines and lines[0].startswith("  "):
            lines.pop(0)
    text = " ".join(" ".join(lines).split())
    return _MODULE.sub("", text)[:MAX_ERROR]
