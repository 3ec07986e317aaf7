"""Which models have an index over the register."""

from django.db import models
from django.db.models import Q


class EmbeddingModel(models.Model):
    """A model whose vectors are indexed: one partial HNSW index a model, all in the one column of the register."""

    name = models.TextField(primary_key=True)
    provider = models.TextField()
    dimensions = models.PositiveIntegerField()
    hnsw_m = models.PositiveSmallIntegerField(verbose_name="HNSW m")
    hnsw_ef_construction = models.PositiveSmallIntegerField(verbose_name="HNSW ef_construction")
    index_name = models.TextField(unique=True)
    activated_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "embedding_models"
        ordering = ["name"]
        constraints = [
            # pgvector indexes half-precision vectors up to 4,000 dimensions.
            models.CheckConstraint(condition=Q(dimensions__range=(1, 4000)), name="embedding_model_dimensions"),
            models.CheckConstraint(condition=Q(hnsw_m__range=(16, 100)), name="embedding_model_m"),
            models.CheckConstraint(
                condition=Q(hnsw_ef_construction__range=(64, 1000)), name="embedding_model_ef_construction"
            ),
        ]

    def __str__(self) -> str:
        return self.name
