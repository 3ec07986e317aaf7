"""JSON schemas of answers, as the `json_schema` response format takes them."""

from typing import Any

from pydantic import BaseModel

# Validated here afterwards; strict mode of the OpenAI API refuses a schema with them.
_DROPPED = {"default", "title", "minLength", "maxLength", "uniqueItems", "examples"}
_UNSUPPORTED = {"oneOf", "allOf", "prefixItems", "patternProperties", "not"}


class _NotStrict(Exception):
    """The schema allows what strict mode does not."""


def schema_of(model: type[BaseModel]) -> tuple[dict[str, Any], bool]:
    """The schema of `model`, and whether it is fit for strict mode: every key required and none besides."""
    schema = model.model_json_schema()
    try:
        return _strict(schema), True
    except _NotStrict:
        return schema, False


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    if _UNSUPPORTED & node.keys():
        raise _NotStrict
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    if node.get("type") == "object" and "properties" not in node:
        raise _NotStrict
    kept = {
        key: {name: _strict(each) for name, each in value.items()} if key in {"properties", "$defs"} else _strict(value)
        for key, value in node.items()
        if key not in _DROPPED
    }
    if "properties" in kept:
        kept |= {"additionalProperties": False, "required": list(kept["properties"])}
    return kept
