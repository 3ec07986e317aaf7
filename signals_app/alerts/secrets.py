"""The secrets that sign webhooks, as the Standard Webhooks specification has them (standardwebhooks.com).

They are derived from the installation's key and stored nowhere (docs/adr/0010-webhook-secrets.md).
"""

import base64
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac
from standardwebhooks.webhooks import Webhook

from signals_app.alerts.models import Channel

SALT = "signals_app.alerts.secrets"


def secret_of(channel_id: UUID, generation: int, *, key: str | None = None) -> str:
    """`whsec_` and 256 bits: HMAC-SHA256, keyed by SECRET_KEY (or `key`), over the channel and the generation."""
    value = f"{channel_id}:{generation}"
    digest = salted_hmac(SALT, value, secret=key or settings.SECRET_KEY, algorithm="sha256").digest()
    return "whsec_" + base64.b64encode(digest).decode()


def signing_secrets(channel: Channel) -> list[str]:
    """Those whose signatures a message bears: of each generation that is good now, by each key of the installation."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [secret_of(channel.pk, number, key=key) for number in channel.signing_generations for key in keys]


def signed_headers(channel: Channel, *, message_id: str, body: str, at: datetime) -> dict[str, str]:
    """`at` (UTC) is when this try is made: receivers refuse old ones, so that nobody can play one again."""
    signatures = [Webhook(secret).sign(message_id, at, body) for secret in signing_secrets(channel)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
