"""App configuration."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Agents"

    def ready(self) -> None:
        from agents import checks  # noqa: F401  registers the system checks
        from agents.llm import checks as llm_checks  # noqa: F401  and those of language models
