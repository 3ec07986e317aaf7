"""Fields and parameters that the agents' endpoints share."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from agents.models import Mode
from agents.services import as_cost
from oppspot.organizations.api import StrictSerializer

MAX_COST = Decimal(1_000_000)


@extend_schema_field({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$", "example": "0.00125"})
class CostField(serializers.DecimalField):
    """US dollars, exact: a text, as JSON's numbers are not."""

    def __init__(self, **kwargs: Any) -> None:
        read_only = kwargs.get("read_only", False)
        bounds: dict[str, Any] = {} if read_only else {"min_value": Decimal(0), "max_value": MAX_COST}
        super().__init__(max_digits=20 if read_only else 12, decimal_places=8 if read_only else 6, **bounds, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return as_cost(Decimal(value))


@extend_schema_field({"type": "string", "pattern": f"^({'|'.join(Mode.values)})?$"})
class ModeField(serializers.CharField):
    """How a result was made; empty while there is none. No enum of the document, where searches have a `mode`, too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            read_only=True, help_text="deterministic, llm, or llm_fallback; empty while there is no result.", **kwargs
        )


class PeriodSerializer(StrictSerializer):
    """A period of time, as query parameters."""

    since = serializers.DateTimeField(required=False, default=None, help_text="From this time on.")
    until = serializers.DateTimeField(required=False, default=None, help_text="Before this time.")


def query_of(request: Request, serializer_class: type[StrictSerializer]) -> dict[str, Any]:
    """The query parameters, validated; unknown ones are refused as unknown keys of a body are."""
    serializer = serializer_class(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values
