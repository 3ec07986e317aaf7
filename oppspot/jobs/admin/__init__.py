"""Operations of jobs: what runs, what failed and why, and the two things to do about it."""

from django.contrib import admin
from django_q.models import Failure, OrmQ, Success
from django_q.models import Schedule as ClusterSchedule

from oppspot.jobs.admin import events, processes, runs

__all__ = ["events", "processes", "runs"]

# django-q2's own pages are about tables that are not used here; a row that is made there could stop the cluster.
for model in (ClusterSchedule, Success, Failure, OrmQ):
    if admin.site.is_registered(model):
        admin.site.unregister(model)
