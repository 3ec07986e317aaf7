"""The `DatabaseWrapper` Django looks for: Postgres, plus starting the embedded server when it is needed."""

from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base

from oppspot.core.database.server import EmbeddedServer, EmbeddedServerError


class DatabaseWrapper(base.DatabaseWrapper):
    """Postgres on the project's own socket; `get_connection_params` is the first thing a connection needs."""

    def get_connection_params(self) -> dict[str, Any]:
        server = EmbeddedServer(settings.DATA_DIR / "postgres")
        try:
            socket_dir = server.ensure_running(database=settings.EMBEDDED_DATABASE)
        except EmbeddedServerError as error:
            raise OperationalError(str(error)) from error
        self.settings_dict |= {"HOST": str(socket_dir), "USER": EmbeddedServer.USER, "PORT": ""}
        params: dict[str, Any] = super().get_connection_params()
        return params
