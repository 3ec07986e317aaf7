"""A database of its own for each benchmark, so that none touches the register in use."""

import atexit
import os
from pathlib import Path

import django
import psycopg
from psycopg import conninfo, sql

MAINTENANCE = "postgres"


def scratch_database(name: str) -> None:
    """Make an empty, migrated database `name` on the configured server and set Django up on it; dropped at exit.

    Call it before anything of Django is imported.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oppspot.settings")
    server = os.environ.get("DATABASE_URL") or _embedded_url()
    maintenance = conninfo.make_conninfo(server, dbname=MAINTENANCE)
    _recreate(maintenance, name)
    atexit.register(_drop, maintenance, name)
    parts = conninfo.conninfo_to_dict(server)
    login = f"{parts.get('user', '')}:{parts['password']}@" if parts.get("password") else f"{parts.get('user', '')}@"
    host, port = parts.get("host", ""), parts.get("port", "5432")
    socket = host.startswith("/")  # type: ignore[union-attr]
    os.environ["DATABASE_URL"] = (
        f"postgresql://{login}/{name}?host={host}" if socket else f"postgresql://{login}{host}:{port}/{name}"
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def _embedded_url() -> str:
    from oppspot.core.database.server import EmbeddedServer

    data_dir = Path(os.environ.get("DATA_DIR", Path(__file__).resolve().parent.parent / ".data"))
    socket_dir = EmbeddedServer(data_dir.resolve() / "postgres").ensure_running(database="oppspot")
    return f"postgresql://{EmbeddedServer.USER}@/oppspot?host={socket_dir}"


def _recreate(maintenance: str, name: str) -> None:
    _drop(maintenance, name)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _drop(maintenance: str, name: str) -> None:
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
