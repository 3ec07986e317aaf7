"""WSGI entry point."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oppspot.settings")
os.environ.setdefault("DATABASE_STATEMENT_TIMEOUT_MS", "15000")  # a web request that runs longer is given up
application = get_wsgi_application()
