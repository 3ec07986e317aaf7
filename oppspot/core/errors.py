"""The errors of the project. An exception's docstring is its default message."""

from collections.abc import Mapping


class OppspotError(Exception):
    """Something went wrong."""

    code = "error"
    status = 500

    def __init__(self, message: str | None = None, *, hint: str = "", fields: Mapping[str, list[str]] | None = None):
        self.message = message or (self.__doc__ or "").strip()
        self.hint = hint
        self.fields = dict(fields or {})
        super().__init__(self.message if not hint else f"{self.message} {hint}")


class InvalidInput(OppspotError):
    """The input is not valid."""

    code = "invalid"
    status = 400


class NotConfigured(OppspotError):
    """This part is not configured."""

    code = "not_configured"
    status = 503


class OutsideCallError(OppspotError):
    """A call to an outside service failed."""

    code = "outside_call_failed"
    status = 502


class RetryableError(OutsideCallError):
    """The outside service cannot answer right now."""

    code = "try_again"
    status = 503

    def __init__(self, message: str | None = None, *, retry_after: float | None = None, hint: str = ""):
        super().__init__(message, hint=hint)
        self.retry_after = retry_after  # seconds, when the service named them


class PermanentError(OutsideCallError):
    """The outside service refuses this call for good."""


class SkipItemError(OutsideCallError):
    """One item of a batch cannot be processed; the others can."""
