"""The only way out: calls to other servers (docs/architecture.md, ADR 9).

`guarded_client()` for URLs that users or data supplied, `plain_client()` for hosts of our own choice; both fetch, post
and stream lines. Nothing else imports an HTTP library.
"""

from oppspot.core.http.answers import Answer, retry_after
from oppspot.core.http.client import Client
from oppspot.core.http.errors import (
    ForbiddenAddress,
    RefusedAnswer,
    RefusedForGood,
    RefusedForNow,
    TimedOut,
    TooLarge,
    UnknownHost,
    WrongType,
)
from oppspot.core.http.outside import NobodyAsked, asking_nobody, check_may_ask
from oppspot.core.http.policy import ANYWHERE, PUBLIC, AddressPolicy
from oppspot.core.http.shared import guarded_by, guarded_client, plain_client

__all__ = [
    "ANYWHERE",
    "PUBLIC",
    "AddressPolicy",
    "Answer",
    "Client",
    "ForbiddenAddress",
    "NobodyAsked",
    "RefusedAnswer",
    "RefusedForGood",
    "RefusedForNow",
    "TimedOut",
    "TooLarge",
    "UnknownHost",
    "WrongType",
    "asking_nobody",
    "check_may_ask",
    "guarded_by",
    "guarded_client",
    "plain_client",
    "retry_after",
]
