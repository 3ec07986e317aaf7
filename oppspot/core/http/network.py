"""Connecting to an address that was vetted, and not to the name once more.

Checking a name and then letting somebody else resolve it again leaves room for another answer (DNS rebinding). Here a
name is resolved once, all its addresses are vetted, and the connection goes to one of these.
"""

import socket
import ssl
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

import httpcore2

from oppspot.core.http.addresses import Address
from oppspot.core.http.bounds import Deadline, within
from oppspot.core.http.errors import ForbiddenAddress, UnknownHost
from oppspot.core.http.policy import AddressPolicy
from oppspot.core.http.urls import literal

MAX_ADDRESSES = 4  # that are tried
WRITE_BYTES = 65_536
NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class VettedBackend(httpcore2.NetworkBackend):
    """Makes the connection of one call."""

    def __init__(self, policy: AddressPolicy, deadline: Deadline) -> None:
        self._policy, self._deadline = policy, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> "VettedStream":
        """`timeout` is for resolving and connecting together. Raises `ForbiddenAddress`, `UnknownHost`, `OSError`."""
        connecting = Deadline(self._deadline.left(timeout))
        addresses = vetted_addresses(host, self._policy, connecting)
        for place, address in enumerate(addresses, start=1):
            share = connecting.left() / (len(addresses) - place + 1)
            try:
                connection = socket.create_connection((str(address), port), timeout=share)
            except OSError:
                if place == len(addresses):
                    raise
                continue
            check_peer(connection, address, host, self._policy)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return VettedStream(connection, self._deadline)
        raise AssertionError("unreachable: there is at least one address, and the last failure is raised")


def vetted_addresses(host: str, policy: AddressPolicy, deadline: Deadline) -> list[Address]:
    """The first few addresses of `host`. If one of all is forbidden, the name is: `ForbiddenAddress`."""
    address = literal(host)
    if address is not None:
        addresses = [address]
    else:
        try:
            found = within(deadline.left(), lambda: policy.addresses_of(host.removesuffix(".")), name="resolve")
            addresses = [ip_address(text) for text in found]
        except socket.gaierror as error:
            if error.errno in NO_SUCH_HOST:
                raise UnknownHost(f"There is no host {host}.") from None
            raise
        except ValueError:  # UnicodeError included: a name that the resolver cannot even write down
            raise UnknownHost(f"There is no usable address of {host}.") from None
    if not addresses:
        raise UnknownHost(f"{host} has no address.")
    if not all(map(policy.allows, addresses)):
        raise ForbiddenAddress(f"{host} does not lead to the public internet.")
    return addresses[:MAX_ADDRESSES]


def check_peer(connection: socket.socket, address: Address, host: str, policy: AddressPolicy) -> None:
    """Raise `ForbiddenAddress`, and close, unless the other end is who it was meant to be: no parser errs here."""
    try:
        peer = ip_address(connection.getpeername()[0])
    except (OSError, ValueError):
        connection.close()
        raise
    if peer != address or not policy.allows(peer):
        connection.close()
        raise ForbiddenAddress(f"{host} does not lead to the public internet.")


class VettedStream(httpcore2.NetworkStream):
    """A connection on which everything, trickling bytes included, is over by the deadline (`TimeoutError`)."""

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._socket, self._deadline = connection, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._wait(timeout))
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = memoryview(buffer)
        while left:
            self._socket.settimeout(self._wait(timeout))
            try:
                left = left[self._socket.send(left[:WRITE_BYTES]) :]
            except TimeoutError:
                raise
            except OSError as error:  # known to the protocol: an answer may have come all the same
                raise httpcore2.WriteError(str(error)) from error

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "VettedStream":
        name = (server_hostname or "").removesuffix(".")
        try:
            self._socket.settimeout(self._wait(timeout))
            return VettedStream(ssl_context.wrap_socket(self._socket, server_hostname=name), self._deadline)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """Nothing: no HTTP/2, and no connection that is used again."""

    def _wait(self, timeout: float | None) -> float | None:
        seconds = self._deadline.left(timeout)
        return None if seconds == float("inf") else seconds
