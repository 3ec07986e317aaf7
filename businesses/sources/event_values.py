"""An event as a row of a file tells it. Pure."""

import json
import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from businesses.models.events import MAX_URL
from businesses.normalise import domain_of, normalise_company_number
from businesses.payloads import MAX_TEXT, payload_of
from businesses.sources.html_pages import absolute
from businesses.sources.plain_text import day_of, plain, storable_text
from businesses.sources.pull import CompanyKey, Seen
from oppspot.core.errors import InvalidInput

KIND = re.compile(r"[a-z][a-z0-9_]{0,59}")
COMPANY = {"number": "number", "company_number": "number", "domain": "domain", "website": "domain", "name": "name"}
OWN = {*COMPANY, "kind", "occurred_on", "source", "source_url", "id", "payload"}
MAX_NAME = 500


def event_of(row: Mapping[str, Any]) -> Seen:
    """Raises `ValueError` or `InvalidInput` with what is wrong and what is expected."""
    company = company_of(row)
    kind = plain(row.get("kind"), 100).lower()
    if not KIND.fullmatch(kind):
        raise ValueError(f"kind: {kind!r} is none; use small letters, digits and underscores, as job_posted")
    given = plain(row.get("occurred_on"), 100)
    occurred_on = day_of(given)
    if given and occurred_on is None:
        raise ValueError(f"occurred_on: {given!r} is not a date; write it as 2026-01-31")
    url = plain(row.get("source_url"), MAX_URL + 1)
    if url and not absolute(url, url):
        raise ValueError("source_url: not an http(s) address")
    told_by = plain(row.get("source"), MAX_NAME)
    payload = _payload(row)
    if told_by:
        payload["source"] = told_by
    stored = payload_of(kind, payload).model_dump(mode="json", exclude_unset=True)
    own_id = plain(row.get("id"), MAX_NAME)
    identity = ("id", told_by, own_id) if own_id else ("content", _digest(company, occurred_on, url, stored))
    return Seen(company, kind, occurred_on, identity, stored, url)


def company_of(row: Mapping[str, Any]) -> CompanyKey:
    """By the first of number, domain and name that is given. Raises `ValueError`."""
    for column, by in COMPANY.items():
        text = plain(row.get(column), MAX_NAME)
        if not text:
            continue
        match by:
            case "number":
                return CompanyKey("number", normalise_company_number(text))
            case "domain":
                if not domain_of(text):
                    raise ValueError(f"{column}: {text!r} is not a domain")
                return CompanyKey("domain", domain_of(text))
            case _:
                return CompanyKey("name", text)
    raise ValueError("no company: give its number, domain or name")


def _payload(row: Mapping[str, Any]) -> dict[str, Any]:
    """The payload, and further columns that it does not have itself."""
    payload = _value(row.get("payload"))
    if payload in (None, ""):
        payload = {}
    if not isinstance(payload, dict):
        raise InvalidInput("payload: not a JSON object")
    further = {key: _value(value) for key, value in row.items() if key not in OWN and value not in (None, "")}
    cleaned: dict[str, Any] = storable_text(further | payload, MAX_TEXT)
    return cleaned


def _value(value: Any) -> Any:
    """A cell that holds a JSON object or array is what it says."""
    text = value.strip() if isinstance(value, str) else ""
    if not text.startswith(("{", "[")):
        return value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return value


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
