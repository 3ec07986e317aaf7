"""WSGI entry point."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oppspot.settings")
os.environ.setdefault("DATABASE_STATEMENT_TIMEOUT_MS", "15000")  # a web request that runs longer is given up
application = get_wsgi_application()

# What start-up made lives as long as the process: the collector need not walk it at every tenth request.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 100)
