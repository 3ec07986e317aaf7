"""The app of the tests' functions."""

from django.apps import AppConfig


class SampleConfig(AppConfig):
    name = "tests.jobs.sample"
    label = "jobs_sample"
