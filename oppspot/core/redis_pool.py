"""Connections to Redis, where it is the cache: what is lost with it is time, so none is spent on waiting for it."""

import time
from typing import Any

import structlog
from redis import ConnectionError as RedisConnectionError
from redis import ConnectionPool
from redis import TimeoutError as RedisTimeoutError

log = structlog.get_logger(__name__)

REST_S = 10.0


class RestingConnectionPool(ConnectionPool):
    """Leaves a Redis that cannot be reached alone for `REST_S` seconds, in which every command fails at once.

    The backend turns failures into misses (`IGNORE_EXCEPTIONS`). A process has one pool, so this is also how often it
    warns.
    """

    _resting_until = 0.0  # on the monotonic clock

    def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() < self._resting_until:
            raise RedisConnectionError("Redis did not answer a moment ago.")
        try:
            return super().get_connection(*args, **kwargs)
        except (RedisConnectionError, RedisTimeoutError) as error:
            self._resting_until = time.monotonic() + REST_S
            log.warning("cache_unreachable", error=str(error), retry_in_s=REST_S)
            raise
