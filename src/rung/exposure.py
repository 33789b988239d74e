"""Where the gateway may listen: other machines may connect only where keys are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Final

from rung.core.errors import Problem

ANY_HOST: Final = "*"
"""Stands in `hosts` for every name."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to ``host``."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def not_listenable(place: str, host: str, keys: str) -> Problem | None:
    """Why no gateway may listen at ``host``, if so; ``keys`` is what `[server] keys` says."""
    if host != "localhost" and not _is_address(host):
        fix = "use 127.0.0.1, or 0.0.0.0 for all IPv4 addresses of this machine"
        return Problem(place, f"{host!r} is no IP address.", fix)
    if keys == "off" and not is_loopback(host):
        said = f"{host!r} can be reached from other machines, and `keys` is off."
        return Problem(place, said, 'set keys = "required" under [server], or use 127.0.0.1')
    return None


def faults(host: str, keys: str, hosts: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with `[server]` beside the types of its keys."""
    if (exposed := not_listenable("server.host", host, keys)) is not None:
        yield exposed
    if ANY_HOST in hosts and keys != "required":
        said = "every Host would be answered, and so any web page in a browser on this machine."
        yield Problem("server.hosts", said, 'set keys = "required" under [server], or list names')
