"""Limits of which either may be none."""

from __future__ import annotations

from typing import TypeVar

N = TypeVar("N", int, float)


def tighter(one: N | None, other: N | None) -> N | None:
    """The smaller of two limits, of which either may be none."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
