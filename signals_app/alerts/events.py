"""Events of alerts."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from oppspot.jobs.registry import event


@event("signals/alert.deliver")
class AlertDeliver(BaseModel):
    """A try of a delivery is due. One too many does no harm: the row decides."""

    delivery_id: UUID
    channel_id: UUID


@event("signals/alert_digests.start")
class AlertDigestsStart(BaseModel):
    """See which digests are due, and which deliveries were forgotten."""


@event("signals/alert_digest.send")
class AlertDigestSend(BaseModel):
    """The digest of a rule is due; `slot` is the time it was due at."""

    rule_id: UUID
    slot: datetime


@event("signals/alert_channel.disabled")
class AlertChannelDisabled(BaseModel):
    """A channel failed for too long, or is gone: the organisation's admins should know."""

    channel_id: UUID
    name: str
    reason: str
