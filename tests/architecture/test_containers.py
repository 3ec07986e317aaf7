"""The container files keep their promises. No engine is needed: they are read, and what can run alone is run."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

ROOT = Path(settings.BASE_DIR)
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# Instructions with their continuation lines joined, comments left out.
DOCKERFILE = re.sub(
    r"\\\n\s*", "", "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line[:1] != "#")
).splitlines()
SECRET_NAME = re.compile(r"SECRET|PASSWORD|TOKEN|API_KEY")
UNITS = {"k": 2**10, "m": 2**20, "g": 2**30, "s": 1}

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def instructions(name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in DOCKERFILE if line.startswith(f"{name} ")]


def health_check_script() -> str:
    (check,) = instructions("HEALTHCHECK")
    *_, script = json.loads(check[check.index("CMD") + 3 :])
    assert isinstance(script, str)
    return script


def gunicorn_options() -> Any:
    """The image's command, read by gunicorn itself: an option that it does not know ends the test."""
    (command,) = instructions("CMD")
    program, *arguments = json.loads(command)
    assert program == "gunicorn"
    return importlib.import_module("gunicorn.config").Config().parser().parse_args(arguments)


def strings(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)
    elif isinstance(node, str):
        yield node


def variables_of_settings() -> set[str]:
    return set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', (ROOT / "oppspot/settings.py").read_text()))


def interpolated_variables() -> set[tuple[str, str]]:
    """Pairs of a variable and its operator: `:?` (required), `:-` (default) or nothing."""
    return {pair for text in strings(COMPOSE) for pair in re.findall(r"\$\{(\w+)(:[?-])?", text)}


def amount(text: str) -> int:
    """Bytes of `2gb` or `1GB`, seconds of `30s` or `1m`."""
    found = re.fullmatch(r"(\d+)([kmg])b?", text.lower())
    assert found, text
    return int(found[1]) * UNITS[found[2]]


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


@every_service
def test_service_reports_its_health_unless_it_ends_by_itself(service: dict[str, Any]) -> None:
    if service["restart"] == "no":
        assert service["healthcheck"] == {"disable": True}  # or it would inherit the web server's
    elif service.get("command") is None:
        assert "build" in service
        assert "'/healthz/ready/'" in health_check_script()
    else:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@every_service
def test_service_is_confined(service: dict[str, Any]) -> None:
    assert service["user"].split(":")[0] not in {"", "0", "root"}
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid"}
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert seconds(service["stop_grace_period"]) > 0


def test_image_runs_as_the_user_that_compose_names() -> None:
    *_, user = instructions("USER")
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert {service["user"] for service in SERVICES.values() if "build" in service} == {user}


def test_secrets_are_required_and_never_written_down() -> None:
    operators = {name: operator for name, operator in interpolated_variables() if SECRET_NAME.search(name)}
    assert operators == {"SECRET_KEY": ":?", "POSTGRES_PASSWORD": ":?"}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert value.startswith("${") or not SECRET_NAME.search(name), name
    assert not [line for line in instructions("ENV") + instructions("ARG") if SECRET_NAME.search(line)]


def test_variables_exist() -> None:
    known = variables_of_settings()
    example = ROOT / ".env.example"
    if example.exists():
        known |= set(re.findall(r"^#? ?([A-Z0-9_]+)=", example.read_text(), re.MULTILINE))
    assert {name for name, _ in interpolated_variables()} - known <= {"POSTGRES_PASSWORD"}
    for service in SERVICES.values():
        if "build" in service:
            assert service["environment"].keys() <= known
    image = {pair.split("=")[0] for line in instructions("ENV") for pair in shlex.split(line)}
    assert image - known == {"PATH", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def test_images_are_pinned() -> None:
    stages: set[str] = set()
    images = [service["image"] for service in SERVICES.values()]
    for line in instructions("FROM"):
        image, *alias = line.split(" AS ")
        images += [image] if image not in stages else []
        stages.update(alias)
    for image in images:
        name, _, tag = image.partition(":")
        assert name, image
        assert tag not in {"", "latest"}, image


def test_only_the_web_is_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"]}
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["data"]


def test_migrations_run_first() -> None:
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    for name in ("web", "worker"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_gunicorn_fits_its_surroundings() -> None:
    options = gunicorn_options()
    assert options.bind == ["0.0.0.0:8000"]
    assert instructions("EXPOSE") == ["8000"]
    assert options.worker_class == "gthread"
    assert options.threads == settings.DATABASE_POOL_SIZE
    assert options.graceful_timeout < seconds(SERVICES["web"]["stop_grace_period"])


def test_postgres_has_the_memory_that_it_is_told_to_use() -> None:
    postgres = SERVICES["postgres"]
    flags = dict(flag.split("=") for flag in postgres["command"] if "=" in flag)
    assert amount(postgres["shm_size"]) > amount(flags["maintenance_work_mem"])  # parallel index builds
    limit = amount(postgres["deploy"]["resources"]["limits"]["memory"])
    assert amount(flags["shared_buffers"]) + amount(flags["maintenance_work_mem"]) < limit
    assert flags["jit"] == "off"


def test_build_context_holds_the_code_and_nothing_else() -> None:
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert patterns[0] == "*"
    included = {pattern[1:] for pattern in patterns if pattern[0] == "!"}
    apps = {app.split(".")[0] for app in settings.INSTALLED_APPS} - {"tests"}
    assert {app for app in apps if (ROOT / app).is_dir()} <= included
    assert {"manage.py", "requirements/base.txt"} <= included
    assert not [path for path in included if path.startswith(".") or not (ROOT / path).exists()]


@pytest.mark.parametrize(
    ("allowed_hosts", "host", "status", "exit_code"),
    [
        (None, "localhost", 200, 0),
        ("*", "localhost", 200, 0),
        (".example.com", "example.com", 200, 0),
        ("oppspot.example.com,localhost", "oppspot.example.com", 200, 0),
        (None, "localhost", 301, 1),
        (None, "localhost", 503, 1),
    ],
)
def test_health_check_asks_as_an_allowed_host(
    httpserver: HTTPServer, allowed_hosts: str | None, host: str, status: int, exit_code: int
) -> None:
    seen: list[str | None] = []

    def answer(request: Request) -> Response:
        seen.extend((request.headers.get("Host"), request.headers.get("X-Forwarded-Proto")))
        return Response(status=status, headers={"Location": "/elsewhere/"})

    httpserver.expect_request("/healthz/ready/").respond_with_handler(answer)
    environment = {} if allowed_hosts is None else {"ALLOWED_HOSTS": allowed_hosts}
    script = health_check_script().replace("8000", str(httpserver.port))
    result = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert result.returncode == exit_code
    assert seen == [host, "https"]
