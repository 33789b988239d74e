"""How long an Ollama server keeps a model in memory."""

from __future__ import annotations

import re
from math import inf

KEEP_ALIVE = "30m"
"""What is asked for where the configuration says nothing."""

DEFAULT_KEPT_SECONDS = 300.0
"""How long Ollama keeps a model where nobody says."""

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|)")
_DURATION = re.compile(r"-?[0-9]+(\.[0-9]+)?|-?([0-9]+(\.[0-9]+)?(ms|s|m|h))+")


def kept_seconds(keep_alive: str) -> float:
    """How long Ollama keeps a model after a call; infinite for a negative time, as it has it.

    Both of its forms are read: seconds, and Go's durations (``1h30m``). What is neither counts as
    its default.
    """
    if _DURATION.fullmatch(keep_alive) is None:
        return DEFAULT_KEPT_SECONDS
    if keep_alive.startswith("-"):
        return inf
    parts = _PART.findall(keep_alive)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
