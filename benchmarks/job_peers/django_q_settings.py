"""Stock django-q2: its ORM broker, everything else by default but for the number of workers."""

from oppspot.settings import *  # noqa: F403
from oppspot.settings import DATABASES

INSTALLED_APPS = ["django_q"]
MIDDLEWARE = []
ROOT_URLCONF = "benchmarks.job_peers.django_q_settings"
urlpatterns: list[object] = []
DATABASES["default"]["OPTIONS"].pop("pool", None)
Q_CLUSTER = {"name": "stock", "orm": "default", "workers": 2}
