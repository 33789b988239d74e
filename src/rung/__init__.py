"""rung: a local-first model cascade.

Each request goes to the cheapest model that provably does the job, and climbs only on evidence.

    from rung import Cascade, Tier, checks

    cascade = Cascade([Tier.ollama("llama3.1:8b"), Tier.openai("gpt-6.1-sol")])
    result = cascade.run("List the three risks as JSON", verify=checks.json_object())
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rung import checks
    from rung.core.errors import (
        ConfigError,
        LedgerError,
        RequestError,
        RungError,
        UpstreamError,
    )
    from rung.library import Cascade, Result, RunOptions, Tier
    from rung.providers.scripted import Reply, ScriptedProvider

_HOMES = {
    "Cascade": "rung.library",
    "Result": "rung.library",
    "RunOptions": "rung.library",
    "Tier": "rung.library",
    "ScriptedProvider": "rung.providers.scripted",
    "Reply": "rung.providers.scripted",
    "RungError": "rung.core.errors",
    "RequestError": "rung.core.errors",
    "UpstreamError": "rung.core.errors",
    "ConfigError": "rung.core.errors",
    "LedgerError": "rung.core.errors",
}


def __getattr__(name: str) -> Any:
    """Load the public names when they are first used: the command line starts without them."""
    if name == "checks":
        return import_module("rung.checks")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'rung' has no attribute {name!r}")


__all__ = [
    "Cascade",
    "ConfigError",
    "LedgerError",
    "Reply",
    "RequestError",
    "Result",
    "RunOptions",
    "RungError",
    "ScriptedProvider",
    "Tier",
    "UpstreamError",
    "checks",
]
