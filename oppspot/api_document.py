"""The OpenAPI document: what it says of itself, and names of enumerations that several serializers share."""

SETTINGS = {
    "TITLE": "oppSpot API",
    "DESCRIPTION": "Company intelligence: the register, search by meaning, and what an organisation makes of it.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "DEFAULT_QUERY_MANAGER": "_default_manager",  # `objects` of an org-owned model refuses without an organisation
    "ENUM_NAME_OVERRIDES": {
        "AlertChannelKindEnum": "signals_app.alerts.models.ChannelKind",
        "BusinessStatusEnum": "businesses.models.Status",
        "JobStatusEnum": "oppspot.jobs.models.Status",
        "OpportunityStatusEnum": "agents.models.OpportunityStatus",
        "ScopeEnum": "oppspot.organizations.scopes.Scope",
        "SignalStatusEnum": "signals_app.models.SignalStatus",
        "SignalStrengthEnum": "signals_app.models.Strength",
        "SignalTypeEnum": "signals_app.models.SignalType",
        "SuppressionKindEnum": "agents.models.SuppressionKind",
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
}
