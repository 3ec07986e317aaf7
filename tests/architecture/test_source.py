"""What the source must not contain, and how long it may get."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
APPS = ("oppspot", "businesses", "embeddings", "signals_app", "agents")
SOURCES = sorted(
    path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.relative_to(ROOT).parts
)
MAX_MODULE, MAX_SETTINGS = 400, 250  # lines

# Modules that may reach the rows of all organisations, and what for.
MAY_USE_ALL_ORGS = {
    "agents/admin/executions.py": "staff see the executions of all organisations",
    "agents/budgets.py": "calls that were lost with their worker are charged, whoever made them",
    "agents/checks.py": "whether any organisation's do-not-contact list cannot be read; counts alone",
    "agents/due.py": "the clock starts every organisation's agents",
    "agents/llm/store.py": "expired answers are deleted, whoever they were for",
    "businesses/admin/watchlists.py": "staff see the watchlists of all organisations, and how many companies each has",
    "businesses/pulling.py": "whether anybody watches a company decides whether its sources are asked; not who",
    "oppspot/jobs/context.py": "a run's own row and its children's, by their ids",
    "oppspot/jobs/execution.py": "a run's own events and children, by their ids",
    "oppspot/jobs/management/commands/jobs.py": "an engineer sees every organisation's runs, as staff do",
    "oppspot/jobs/querysets.py": "the children of runs that were chosen before",
    "oppspot/jobs/services.py": "events and runs of the system have no organisation",
    "oppspot/organizations/api.py": "empty querysets, for DRF and the OpenAPI document",
    "oppspot/organizations/authentication.py": "the credential decides which organisation it is",
    "oppspot/organizations/idempotency.py": "expired answers are deleted, whoever they were for",
    "signals_app/admin.py": "staff review signals of all organisations",
    "signals_app/alerts/delivering.py": "deliveries whose run was lost are woken, whoever they are for",
    "signals_app/alerts/retention.py": "what is long over goes by age alone, whosever it is",
    "signals_app/watching.py": "old accounts of passes go by age alone, whosever they are",
    "signals_app/alerts/raising.py": "the clock starts every organisation's digests, each as its own run",
}

# Modules besides oppspot/core/http that may import a library for HTTP, and what for.
HTTP_LIBRARIES = {"aiohttp", "http.client", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib.request",
                  "urllib3"}  # fmt: skip
MAY_USE_HTTP = {
    "agents/llm/client.py": "the openai client is made of it: its time-outs and its hooks",
    "embeddings/providers/openai_client.py": "the openai client is made of it: its time-outs and its hooks",
}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def attributes(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and node.value in {"all_orgs", "_default_manager", "_base_manager"}:
            yield str(node.value)  # getattr(model, "all_orgs")


def test_there_are_sources() -> None:
    assert len(SOURCES) > 40


def test_all_orgs_is_used_where_it_is_allowed_and_nowhere_else() -> None:
    using = {name(path) for path in SOURCES if "all_orgs" in set(attributes(path))}
    assert using == set(MAY_USE_ALL_ORGS), "give a reason for new ones; drop those that are gone"


def test_no_other_way_around_the_scope() -> None:
    ways = {"_default_manager", "_base_manager"}
    using = {name(path) for path in SOURCES if ways & set(attributes(path))}
    assert using == {"oppspot/api_document.py"}, "the OpenAPI document asks for the model's default manager"


def imports(path: Path) -> Iterator[str]:
    """Whole names: `urllib.request` for `from urllib import request`, too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_calls_to_other_servers_go_through_one_client() -> None:
    """A URL that somebody supplied must not be fetched unguarded: docs/adr/0009-guarded-http-client.md."""
    using = {
        name(path)
        for path in SOURCES
        if any(f"{imported}.".startswith(f"{each}.") for imported in imports(path) for each in HTTP_LIBRARIES)
    }
    inside = {path for path in using if path.startswith("oppspot/core/http/")}
    assert inside, "the rule sees those that there are"
    assert using - inside == set(MAY_USE_HTTP), "give a reason for new ones; drop those that are gone"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_stay_short(path: Path) -> None:
    limit = MAX_SETTINGS if path.name == "settings.py" else MAX_MODULE
    assert len(path.read_text().splitlines()) <= limit


def test_nothing_prints() -> None:
    """Commands write to self.stdout, everything else logs."""
    printing = {
        f"{name(path)}:{node.lineno}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == set()


def test_every_module_says_what_it_is_for() -> None:
    silent = {name(path) for path in SOURCES if path.read_text() and not ast.get_docstring(ast.parse(path.read_text()))}
    assert silent == set()


def environment_calls() -> Iterator[tuple[str, str]]:
    """`env.int("LIMIT", …)` in the settings as `("int", "LIMIT")`; a call without a variable's name as `("…", "")`."""
    for node in ast.walk(ast.parse((ROOT / "oppspot" / "settings.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, first = node.func.value, node.args[0] if node.args else None
            if isinstance(owner, ast.Name) and owner.id == "env":
                yield node.func.attr, first.value if isinstance(first, ast.Constant) else ""  # type: ignore[misc]


def variables_read() -> set[str]:
    return {variable for _, variable in environment_calls() if variable}


def test_every_variable_is_in_the_example() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = [found[1] for line in lines if (found := re.match(r"^#?\s?([A-Z][A-Z0-9_]+)=", line))]
    assert len(listed) == len(set(listed)), "listed twice"
    assert set(listed) == variables_read()


def test_the_settings_read_the_environment_in_one_way() -> None:
    """Otherwise the test above would not see a variable."""
    assert {method for method, variable in environment_calls() if not variable} == {"read_env", "db_url_config"}
    reading = {"environ", "getenv"}
    others = {name(path) for path in SOURCES if reading & set(attributes(path))}
    assert others <= {"oppspot/settings.py", "oppspot/wsgi.py", "oppspot/core/checks.py"}
