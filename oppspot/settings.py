"""All settings, from the environment (or `.env`). Every variable is listed with its meaning in `.env.example`."""

import os
from pathlib import Path
from typing import Any

import django_stubs_ext
import environ
from django.urls import reverse_lazy

from oppspot import admin_theme, api_document, worker_pool
from oppspot.core.logging import structlog_config
from oppspot.core.secret_key import load_or_create_secret_key

django_stubs_ext.monkeypatch()  # lets classes of Django and DRF carry type parameters at run time

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(str(BASE_DIR / ".env"))

# Where the embedded database, converted models and reject files live.
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".data"))).resolve()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or load_or_create_secret_key(DATA_DIR / "secret_key")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # earlier ones, still accepted and signed with
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")  # that links in messages begin with

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_filters",
    "django_q",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "oppspot",
    "oppspot.core",
    "oppspot.organizations",
    "oppspot.jobs",
    "businesses",
    "signals_app",
    "embeddings",
    "agents",
]

MIDDLEWARE = [
    "django_structlog.middlewares.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "oppspot.core.middleware.ContentSecurityPolicyMiddleware",
    "oppspot.organizations.throttling.RateLimitHeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "oppspot.urls"
WSGI_APPLICATION = "oppspot.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Database: DATABASE_URL names a real Postgres (>= 15, pgvector >= 0.8); unset, the embedded one is used.
DATABASE_URL = env.str("DATABASE_URL", default="")
EMBEDDED_DATABASE = "oppspot"
if DATABASE_URL:
    DATABASES: dict[str, Any] = {"default": env.db_url_config(DATABASE_URL, engine="django.db.backends.postgresql")}
else:
    DATABASES = {"default": {"ENGINE": "oppspot.core.database", "NAME": EMBEDDED_DATABASE}}
# Connections each process keeps open; 0 turns pooling off. Long-running commands hold one connection anyway.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=8)
# Milliseconds a statement may run, 0 for no limit; wsgi.py sets a limit for the web, commands have none.
DATABASE_STATEMENT_TIMEOUT_MS = env.int("DATABASE_STATEMENT_TIMEOUT_MS", default=0)
# Candidates that a scan of a vector index keeps: higher is slower and finds more (benchmarks/search.py).
SEARCH_EF_SEARCH = env.int("SEARCH_EF_SEARCH", default=200)
# Set when a connection starts, so that no search spends a round trip on it.
_session = {
    "statement_timeout": DATABASE_STATEMENT_TIMEOUT_MS,
    "hnsw.ef_search": SEARCH_EF_SEARCH,
    "hnsw.iterative_scan": "relaxed_order",  # filters are applied inside the scan, which goes on until enough pass
    "hnsw.max_scan_tuples": 40_000,
}
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # a pooled connection may have died with the server
_options = DATABASES["default"].setdefault("OPTIONS", {})
_options["options"] = " ".join(f"-c {name}={value}" for name, value in _session.items())
if DATABASE_POOL_SIZE:
    _options["pool"] = {"min_size": 0, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Cache: the database by default, so that web and workers share it; CACHE_URL=rediscache://host:6379/1 for Redis.
CACHES = {"default": env.cache_url("CACHE_URL", default="dbcache://oppspot_cache?timeout=86400&max_entries=100000")}
CACHES["process"] = {  # for what is nearly as fast to compute as to fetch from another process
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "OPTIONS": {"MAX_ENTRIES": 5_000},
}
if CACHES["default"]["BACKEND"] == "django.core.cache.backends.db.DatabaseCache":
    CACHES["default"]["BACKEND"] = "oppspot.core.cache.UpsertDatabaseCache"
elif CACHES["default"]["BACKEND"] == "django_redis.cache.RedisCache":
    CACHES["default"]["OPTIONS"] = {  # as cheap to lose as the database's: what fails is a miss, and soon
        "IGNORE_EXCEPTIONS": True,
        "SOCKET_CONNECT_TIMEOUT": 0.5,
        "SOCKET_TIMEOUT": 0.5,
        "CONNECTION_POOL_CLASS": "oppspot.core.redis_pool.RestingConnectionPool",
    } | CACHES["default"].get("OPTIONS", {})

AUTH_USER_MODEL = "organizations.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"}
    for name in ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
# Days after which a new API key expires unless another date is given; the longest allowed.
API_KEY_MAX_DAYS = env.int("API_KEY_MAX_DAYS", default=365)
THROTTLE_REQUESTS_PER_MINUTE = env.int("THROTTLE_REQUESTS_PER_MINUTE", default=600)  # of an organisation; 0: any
vars().update(env.email_url("EMAIL_URL", default="dummymail://"), EMAIL_TIMEOUT=15)  # unset: no e-mail is sent
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="oppspot@localhost")

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_I18N = False
STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # serve the apps' static files without a collectstatic step, so no STATIC_ROOT

# Transport security: on behind TLS (HTTPS_ONLY=true), off for a first look on localhost.
HTTPS_ONLY = env.bool("HTTPS_ONLY", default=False)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31_536_000) if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_REFERRER_POLICY = "same-origin"
if env.bool("TRUST_FORWARDED_PROTO", default=False):  # only behind a proxy that always sets the header
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 262_144  # bytes of a request body; bulk data goes through commands

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "oppspot.organizations.authentication.ApiKeyAuthentication",
        "oppspot.organizations.authentication.SessionOrgAuthentication",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["oppspot.organizations.throttling.OrgThrottle"],
    "DEFAULT_PERMISSION_CLASSES": ["oppspot.organizations.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["oppspot.core.parsers.StrictJSONParser"],
    "DEFAULT_FILTER_BACKENDS": ["oppspot.core.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "oppspot.core.schema.ProblemAutoSchema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS would tell the choices of fields; the OpenAPI document describes them
    "EXCEPTION_HANDLER": "oppspot.core.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = api_document.SETTINGS

# Embeddings: which provider makes vectors; unset: openai when its key is set, else local.
OPENAI_API_KEY = env.str("OPENAI_API_KEY", default="")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", default="https://api.openai.com/v1")
EMBEDDING_PROVIDER = env.str("EMBEDDING_PROVIDER", default="") or ("openai" if OPENAI_API_KEY else "local")
EMBEDDING_MODEL = env.str("EMBEDDING_MODEL", default="")  # empty: the provider's default model
# A model that a server of OpenAI's protocol offers and oppSpot does not know: size, US dollars a million tokens.
EMBEDDING_DIMENSIONS = env.int("EMBEDDING_DIMENSIONS", default=0)
EMBEDDING_PRICE_PER_MILLION = env.float("EMBEDDING_PRICE_PER_MILLION", default=0.0)
# Build parameters of a model's HNSW index; the floor is m = 16, ef_construction = 64.
EMBEDDING_HNSW_M = env.int("EMBEDDING_HNSW_M", default=24)
EMBEDDING_HNSW_EF_CONSTRUCTION = env.int("EMBEDDING_HNSW_EF_CONSTRUCTION", default=128)
EMBEDDING_TIMEOUT_S = env.float("EMBEDDING_TIMEOUT_S", default=60.0)  # of one call, all bytes included
EMBEDDING_LOCAL_THREADS = env.int("EMBEDDING_LOCAL_THREADS", default=0)  # of the local model; 0: every core

AGENT_KINDS = ["agents.kinds"]  # packages with a module for each kind of agent
# Language models of agents; without a key they do without. A price (US dollars a million tokens) is needed to ask one.
LLM_API_KEY = env.str("LLM_API_KEY", default=OPENAI_API_KEY)
LLM_BASE_URL = env.str("LLM_BASE_URL", default=OPENAI_BASE_URL)
LLM_MODEL = env.str("LLM_MODEL", default="gpt-4.1-mini")
LLM_PRICES = env.json("LLM_PRICES", default={})  # {model: {"in": 0.40, "out": 1.60}}: adds to agents/llm/prices.toml
LLM_TIMEOUT_S = env.float("LLM_TIMEOUT_S", default=60.0)  # of one request, all bytes included
LLM_MONTHLY_CAP = env.float("LLM_MONTHLY_CAP", default=25.0)  # US dollars an organisation and month, and an execution,
LLM_RUN_CAP = env.float("LLM_RUN_CAP", default=1.0)  # where the organisation has set none of its own

# Jobs: processes of a worker; seconds without a heartbeat after which a run is given to another; seconds that a run at
# work has to end when its worker is stopped; days that ended runs are kept (dead letters: five times as long).
JOBS_WORKERS = env.int("JOBS_WORKERS", default=2)
JOBS_LEASE_S = env.float("JOBS_LEASE_S", default=30.0)
JOBS_STOP_GRACE_S = env.float("JOBS_STOP_GRACE_S", default=20.0)
JOBS_RETENTION_DAYS = env.int("JOBS_RETENTION_DAYS", default=30)
JOBS_SCHEDULES = "oppspot.schedules.SCHEDULES"
Q_CLUSTER = worker_pool.q_cluster(JOBS_WORKERS)

# Companies House: its API and its streams have a key each, made at developer.company-information.service.gov.uk.
COMPANIES_HOUSE_API_URL = env.str("COMPANIES_HOUSE_API_URL", default="https://api.company-information.service.gov.uk")
COMPANIES_HOUSE_API_KEY = env.str("COMPANIES_HOUSE_API_KEY", default="")
COMPANIES_HOUSE_STREAM_URL = env.str("COMPANIES_HOUSE_STREAM_URL", default="https://stream.companieshouse.gov.uk")
COMPANIES_HOUSE_STREAM_KEY = env.str("COMPANIES_HOUSE_STREAM_KEY", default="")

LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FORMAT = env.str("LOG_FORMAT", default="console")  # console | json
LOGGING = structlog_config(level=LOG_LEVEL, renderer=LOG_FORMAT)

UNFOLD = admin_theme.UNFOLD

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # threads of the tokenizer and fork do not mix
