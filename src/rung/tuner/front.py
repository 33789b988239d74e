"""The lower edge of cost over quality, and the way along it from what is safe to what is cheap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rung.tuner.outcomes import Floats, Ints


def pareto(cost: Floats, quality: Floats) -> list[int]:
    """The places that nothing else beats on both, dearest first."""
    order = np.lexsort((-quality, cost))
    best = np.maximum.accumulate(quality[order])
    better = np.append(True, best[1:] > best[:-1]) if order.size else np.zeros(0, bool)
    return [int(place) for place in order[better][::-1]]


def edge(cost: Floats, quality: Floats, start: int) -> list[int]:
    """From ``start`` down: what saves most for each bit of quality that it may lose, step by step.

    Cheaper with every step. Between two neighbours lie mixtures of them, and nothing better.
    """
    cheaper: Ints = np.flatnonzero(cost < cost[start])
    found = [start]
    while cheaper.size:
        here = found[-1]
        saved = cost[here] - cost[cheaper]
        lost = quality[here] - quality[cheaper]
        free = cheaper[lost <= 0]
        # What is cheaper and no worse comes first: the best of these, so that steps go on from it.
        best = (
            free[np.lexsort((cost[free], -quality[free]))[0]]
            if free.size
            else cheaper[np.argmin(lost / saved)]
        )
        found.append(int(best))
        cheaper = cheaper[cost[cheaper] < cost[best]]
    return found


def spread(places: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly, the first and the last among them."""
    if len(places) <= most:
        return list(places)
    picked = np.unique(np.linspace(0, len(places) - 1, most).round().astype(int))
    return [places[place] for place in picked]
