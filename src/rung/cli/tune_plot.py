"""Cost and quality as a drawing of plain signs: quality up, cost to the right, by its logarithm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

WIDTH, HEIGHT = 60, 12
LEFT = 7
"""Columns that the scale on the left takes."""


@dataclass(frozen=True, slots=True)
class Point:
    """A sign at its cost (dollars a request) and quality (0..1)."""

    sign: str
    cost_usd: float
    quality: float


def drawn(points: Sequence[Point]) -> tuple[str, ...]:
    """The lines of the drawing; none where no two points differ, or all cost nothing.

    Where two fall on one place the later one is seen. What costs nothing stands at the left edge.
    """
    shown = [each for each in points if isfinite(each.cost_usd) and isfinite(each.quality)]
    places = {(each.cost_usd, each.quality) for each in shown}
    if len(places) < 2 or not any(cost > 0 for cost, _ in places):
        return ()
    low, high = _costs(shown)
    bottom, top = _qualities(shown)
    rows = [[" "] * WIDTH for _ in range(HEIGHT)]
    for each in shown:
        across = 0.0 if each.cost_usd <= 0 else (log10(each.cost_usd) - low) / (high - low)
        up = (each.quality - bottom) / (top - bottom)
        rows[HEIGHT - 1 - round(up * (HEIGHT - 1))][round(across * (WIDTH - 1))] = each.sign
    return (*_framed(rows, bottom, top), *_scale(low, high))


def _costs(points: Sequence[Point]) -> tuple[float, float]:
    """The ends of the scale, as powers of ten, with a little room at both."""
    logs = [log10(each.cost_usd) for each in points if each.cost_usd > 0]
    room = max(0.05 * (max(logs) - min(logs)), 0.1)
    return min(logs) - room, max(logs) + room


def _qualities(points: Sequence[Point]) -> tuple[float, float]:
    """Whole multiples of 5 points around all."""
    step = 0.05
    bottom = floor(min(each.quality for each in points) / step + 1e-9) * step
    top = ceil(max(each.quality for each in points) / step - 1e-9) * step
    return (bottom, top) if top > bottom else (min(bottom, 1 - step), min(bottom, 1 - step) + step)


def _framed(rows: Sequence[Sequence[str]], bottom: float, top: float) -> Iterator[str]:
    for place, row in enumerate(rows):
        value = top - (top - bottom) * place / (HEIGHT - 1)
        label = f"{value:.0%}" if place in {0, HEIGHT - 1} or place == HEIGHT // 2 else ""
        yield f"{label:>{LEFT - 2}} |{''.join(row)}".rstrip()
    yield f"{'':>{LEFT - 1}}+{'-' * WIDTH}"


def _scale(low: float, high: float) -> Iterator[str]:
    """Amounts under the frame: 1, 2 and 5 of each power of ten, as many as have room."""
    amounts = [
        (place, f"${digit * 10.0**power:.{max(0, -power)}f}")
        for power in range(floor(low), ceil(high) + 1)
        for digit in (1, 2, 5)
        if 0 <= (place := round((log10(digit) + power - low) / (high - low) * (WIDTH - 1))) < WIDTH
    ]
    line = ""
    for place, text in amounts:
        if len(line) <= place - 2 or not line:
            line = f"{line:<{place}}{text}"
    yield f"{'':>{LEFT}}{line}"
    yield f"{'':>{LEFT}}cost of a request"
