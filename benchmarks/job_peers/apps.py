"""The benchmark's app, for the functions of oppSpot's own jobs."""

from django.apps import AppConfig


class JobPeersConfig(AppConfig):
    name = "benchmarks.job_peers"
