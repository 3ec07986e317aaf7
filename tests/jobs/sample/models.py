"""A trace that functions of the tests leave, to count what was done and how often."""

from django.db import models


class Trace(models.Model):
    run_id = models.UUIDField()
    step = models.TextField()

    class Meta:
        app_label = "jobs_sample"

    def __str__(self) -> str:
        return f"{self.step} of {self.run_id}"
