"""System checks of language models: prices and prompt templates, before anything is asked."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  Django's names

from agents.llm.contract import UnknownPrice
from agents.llm.prices import price_of, read_price
from agents.llm.templates import bad_templates


@register
def check_prices(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """LLM_PRICES is made of prices, and the model that would be asked has one."""
    if not isinstance(settings.LLM_PRICES, dict):
        hint = 'Set {"MODEL": {"in": 0.40, "out": 1.60}}.'
        return [Error("LLM_PRICES is no JSON object.", hint=hint, id="agents.E001")]
    messages: list[CheckMessage] = []
    for model, values in settings.LLM_PRICES.items():
        try:
            read_price(values)
        except UnknownPrice as error:
            messages.append(Error(f"LLM_PRICES of {model!r}: {error.message}", id="agents.E001"))
    if settings.LLM_API_KEY and not messages:
        try:
            price_of(settings.LLM_MODEL)
        except UnknownPrice as error:
            messages.append(Warning(f"{error.message} It will not be asked.", hint=error.hint, id="agents.W001"))
    return messages


@register
def check_limits(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Caps and the time-out are numbers that mean something."""
    messages: list[CheckMessage] = [
        Error(f"{name} is below 0.", hint="Set US dollars, 0 or more.", id="agents.E002")
        for name in ("LLM_MONTHLY_CAP", "LLM_RUN_CAP")
        if not getattr(settings, name) >= 0
    ]
    if not settings.LLM_TIMEOUT_S > 0:
        messages.append(Error("LLM_TIMEOUT_S is not above 0.", hint="Set seconds.", id="agents.E002"))
    return messages


@register
def check_templates(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Every prompt template can be used."""
    return [Error(error.message, hint=error.hint, id="agents.E003") for error in bad_templates()]
