"""What a call to another server ends with when it does not end with an answer.

Messages name the host and nothing else of the URL: paths and queries hold secrets.
"""

from collections.abc import Mapping

from oppspot.core.errors import OutsideCallError, PermanentError, RetryableError


class ForbiddenAddress(PermanentError):
    """The URL is malformed, or leads to where it must not."""


class UnknownHost(PermanentError):
    """No such host exists."""


class TooLarge(PermanentError):
    """The body is larger than what is read."""


class WrongType(PermanentError):
    """The body is of another type or encoding than was asked for."""


class TimedOut(RetryableError):
    """The host did not answer in time."""


class RefusedAnswer(OutsideCallError):
    """The host answered, but not with what was asked for.

    Raised as one of the two classes below. `answer_status` is the other server's status (`status` is the one that our
    own API would answer with), `headers` are its headers, their names in lower case. `excerpt` is how its body begins,
    on one line of printable characters; empty where none came at once. It may quote secrets of the call.
    """

    answer_status: int
    headers: Mapping[str, str]
    excerpt: str = ""


class RefusedForNow(RefusedAnswer, RetryableError):
    """The host refuses the call for now."""

    def __init__(self, message: str, *, status: int, headers: Mapping[str, str], retry_after: float | None):
        super().__init__(message, retry_after=retry_after)
        self.answer_status, self.headers = status, headers


class RefusedForGood(RefusedAnswer, PermanentError):
    """The host refuses the call for good."""

    def __init__(self, message: str, *, status: int, headers: Mapping[str, str]):
        super().__init__(message)
        self.answer_status, self.headers = status, headers
