"""Token counters as providers tell them: numbers to be believed, or none."""

from __future__ import annotations

from typing import Any

MOST_TOKENS = 10**9
"""A count beyond it is no count."""


def count(value: Any) -> int | None:
    """A counter; ``None`` for what is none. A whole number may come as a float."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def detail(told: Any, name: str) -> int:
    """A counter inside of an object that may be missing; 0 where there is none."""
    return (count(told.get(name)) or 0) if isinstance(told, dict) else 0
