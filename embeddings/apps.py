"""App configuration."""

from django.apps import AppConfig


class EmbeddingsConfig(AppConfig):
    name = "embeddings"
    verbose_name = "Embeddings and search"

    def ready(self) -> None:
        from embeddings import checks  # noqa: F401  registers the system checks
