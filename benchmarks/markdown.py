"""How the tables of a page write numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def percent(value: float | None) -> str:
    """A share, 0..1, as a percentage."""
    return "none" if value is None else f"{100 * value:.1f}%"


def percents(row: Mapping[str, Any], *names: str) -> list[str]:
    """Some of a result's shares."""
    return [percent(row[name]) for name in names]


def number(value: float | None, digits: int = 3) -> str:
    """A plain number."""
    return "none" if value is None else f"{value:.{digits}f}"


def between(values: Sequence[float] | None, show: Callable[[float], str] = number) -> str:
    """A mean with its interval."""
    if values is None:
        return "none"
    mean, low, high = (show(value) for value in values)
    return f"{mean} ({low} to {high})"


def points(value: float) -> str:
    """A change in percentage points, with its sign."""
    return f"{100 * value:+.1f}".replace("+0.0", "0.0").replace("-0.0", "0.0")


def signed(value: float) -> str:
    """A change, with its sign."""
    return f"{value:+.3f}".replace("-0.000", "0.000").replace("+0.000", "0.000")
