"""Reads of runs that chain."""

from django.db.models import BigIntegerField, Case, F, OuterRef, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from oppspot.jobs.models import Run, Status


def with_progress(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Each run with `done`, how far it is: a run that has caused others is as far as they are together.

    A completed run's own figure is final, and spares adding up its children's.
    """
    children = Run.all_orgs.filter(parent=OuterRef("pk")).order_by().values("parent")
    of_children = Subquery(children.annotate(done=Sum("progress_done")).values("done"), BigIntegerField())
    return runs.annotate(
        done=Case(
            When(status=Status.COMPLETED, then=F("progress_done")), default=Coalesce(of_children, F("progress_done"))
        )
    )
