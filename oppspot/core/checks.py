"""System checks of the platform. `manage.py check --deploy` runs the deployment ones too."""

import os
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  Django's name
from django.db import DatabaseError, connections

MINIMUM_POSTGRES = 150_000
MINIMUM_PGVECTOR = (0, 8)


@register(Tags.database)
def check_database_versions(databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Postgres and pgvector are new enough. Asked only when a command checks its databases (`migrate` does)."""
    messages: list[CheckMessage] = []
    for alias in databases or []:
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT current_setting('server_version_num')::int")
                (version,) = cursor.fetchone()
                cursor.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
                extension = cursor.fetchone()
        except DatabaseError as error:
            hint = "Check DATABASE_URL, or unset it to use the embedded Postgres."
            messages.append(Error(f"Cannot talk to the database: {error}", hint=hint, id="oppspot.E001"))
            continue
        if version < MINIMUM_POSTGRES:
            hint = "Use Postgres 15 or newer."
            messages.append(Error(f"Postgres {version // 10_000} is too old.", hint=hint, id="oppspot.E002"))
        if extension is None:
            hint = "Install pgvector on the database server (package postgresql-NN-pgvector)."
            messages.append(Error("The database server has no pgvector.", hint=hint, id="oppspot.E003"))
        elif tuple(int(part) for part in extension[0].split(".")[:2]) < MINIMUM_PGVECTOR:
            hint = "Use pgvector 0.8 or newer: filtered search needs its iterative scans."
            messages.append(Error(f"pgvector {extension[0]} is too old.", hint=hint, id="oppspot.E004"))
    return messages


@register
def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Settings that would fail later, and less clearly."""
    messages: list[CheckMessage] = []
    if settings.DATABASE_URL and urlsplit(settings.DATABASE_URL).scheme not in {"postgres", "postgresql", "pgsql"}:
        hint = "Write it as postgresql://user:password@host:5432/name."
        messages.append(Error("DATABASE_URL does not name a Postgres database.", hint=hint, id="oppspot.E005"))
    if settings.DATABASE_POOL_SIZE < 0:
        hint = "Set the number of connections of a process, or 0 for no pool."
        messages.append(Error("DATABASE_POOL_SIZE is negative.", hint=hint, id="oppspot.E006"))
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme not in {"http", "https"} or not public.netloc or public.query or public.fragment:
        hint = "Write it as https://oppspot.example."
        messages.append(Error("PUBLIC_URL is no address of a site.", hint=hint, id="oppspot.E011"))
    if settings.LOG_FORMAT not in {"console", "json"}:
        hint = "Set LOG_FORMAT to console or json."
        messages.append(Error(f"LOG_FORMAT={settings.LOG_FORMAT!r} is unknown.", hint=hint, id="oppspot.E007"))
    if not 1 <= settings.API_KEY_MAX_DAYS <= 3650:  # noqa: PLR2004  ten years
        hint = "Set a number of days from 1 to 3650; 365 is the default."
        messages.append(Error("API_KEY_MAX_DAYS is out of range.", hint=hint, id="oppspot.E008"))
    if settings.THROTTLE_REQUESTS_PER_MINUTE < 0:
        hint = "Set the number of requests of an organisation in a minute, or 0 for no limit."
        messages.append(Error("THROTTLE_REQUESTS_PER_MINUTE is negative.", hint=hint, id="oppspot.E009"))
    # What django-environ makes of such a URL without django-redis: a backend that raises when Redis does not answer.
    if settings.CACHES["default"]["BACKEND"] == "django.core.cache.backends.redis.RedisCache":
        hint = "Install django-redis, or unset CACHE_URL to keep the cache in the database."
        messages.append(Error("CACHE_URL names Redis, but its client is missing.", hint=hint, id="oppspot.E010"))
    return messages


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """What is fine on a laptop and wrong in production."""
    messages: list[CheckMessage] = []
    if not os.environ.get("SECRET_KEY"):
        hint = "Set SECRET_KEY; machines that share sessions must share it."
        messages.append(Warning("SECRET_KEY is a file of this machine.", hint=hint, id="oppspot.W001"))
    if not settings.DATABASE_URL:
        hint = "Set DATABASE_URL to a Postgres that is backed up."
        messages.append(Warning("The embedded Postgres is in use.", hint=hint, id="oppspot.W002"))
    return messages
