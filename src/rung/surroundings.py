"""What this machine already has: local model servers on their ports, keys in the environment."""

from __future__ import annotations

from dataclasses import dataclass

from rung.config import Config
from rung.providers.discovery import Found, discover
from rung.providers.embedded import ModelNotFound
from rung.providers.embedded.locate import check_model
from rung.providers.registry import PROVIDERS, ProviderRow


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``local`` are servers that have a model; ``keyed`` are providers whose key is set."""

    local: tuple[Found, ...]
    keyed: tuple[ProviderRow, ...]
    embedded: bool


async def look_around(config: Config) -> Surroundings:
    """Ask the usual local ports, for a third of a second; look for keys. Calls no model."""
    from rung.providers.http import HttpClient

    http = HttpClient()
    try:
        found = await discover(http)
    finally:
        await http.close()
    keyed = tuple(
        row
        for row in PROVIDERS.values()
        if row.key_variable is not None and row.suggested and config.secret(row.key_variable)
    )
    return Surroundings(tuple(each for each in found if each.models), keyed, _has_embedded())


def _has_embedded() -> bool:
    try:
        check_model(None)
    except ModelNotFound:
        return False
    return True
