"""What a replay came to, in figures with intervals, and held against another on the same queries.

Money is dollars a request, times are seconds, shares are 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rung.core.money import NANOUSD
from rung.tuner.aims import Estimate
from rung.tuner.intervals import difference, quantile, ratios, resampled, share
from rung.tuner.outcomes import Floats
from rung.tuner.played import End, Played


@dataclass(frozen=True, slots=True)
class Measured:
    """One policy over ``n`` queries; ``left_out`` met something that was not recorded.

    ``quality``: whose answer is right, unserved ones counted as not. ``cost_usd`` is blended.
    ``escalation``: of requests that began below the top. ``wasted_usd``: on answers not served,
    ``wasted``: its share of all that was spent, ``unserved_cost``: the share of what was spent on
    requests that got no answer. ``served``: by model, its share of the requests,
    ``unserved``: those that wait for a human. ``exhausted``: nothing was accepted. ``ends``: how
    requests ended, as shares. What latencies would tell is ``None`` where some are missing.
    """

    n: int
    left_out: int
    quality: Estimate
    cost_usd: Estimate
    calls: Estimate
    escalation: Estimate | None
    wasted_usd: Estimate
    wasted: Estimate | None
    unserved_cost: Estimate | None
    wasted_seconds: Estimate | None
    seconds: Estimate | None
    seconds_p50: Estimate | None
    seconds_p95: Estimate | None
    served: Mapping[str, Estimate]
    unserved: Estimate
    exhausted: Estimate
    ends: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """One policy less another, over the ``n`` queries that both tell of.

    ``saved`` is 1 - one's cost / the other's, ``None`` where the other costs nothing.
    """

    n: int
    quality: Estimate
    cost_usd: Estimate
    saved: Estimate | None
    seconds: Estimate | None


def measure(
    played: Played, models: Sequence[str], weight: Floats | None = None, seed: int = 0
) -> Measured | None:
    """The figures of a replay; ``None`` where no query could be played to its end."""
    seen = played.rows(played.observed)
    if not len(seen):
        return None
    mass = np.ones(len(seen)) if weight is None else weight[played.observed]
    if not mass.sum() > 0:
        return None
    timed = not np.isnan(seen.seconds).any()
    seconds, wasted_seconds = (np.nan_to_num(each) for each in (seen.seconds, seen.wasted_seconds))
    columns = np.stack(
        [
            *(seen.cost, seen.wasted_cost, seen.calls, seconds, wasted_seconds),
            *(np.ones(len(seen)), seen.unserved_cost),
        ],
        axis=1,
    )
    sums = mass @ columns
    drawn = resampled(columns, mass, seed)

    def mean(place: int, unit: float = 1.0) -> Estimate:
        found = ratios(drawn[:, place], drawn[:, 5] * unit, sums[place] / sums[5] / unit)
        assert found is not None
        return found

    def part(place: int) -> Estimate | None:
        value = sums[place] / sums[0] if sums[0] > 0 else np.nan
        return ratios(drawn[:, place], drawn[:, 0], value)

    return Measured(
        n=len(seen),
        left_out=len(played) - len(seen),
        quality=_surely(share(seen.right, mass)),
        cost_usd=mean(0, NANOUSD),
        calls=mean(2),
        escalation=share(seen.escalated, mass, seen.below),
        wasted_usd=mean(1, NANOUSD),
        wasted=part(1),
        unserved_cost=part(6),
        wasted_seconds=mean(4) if timed else None,
        seconds=mean(3) if timed else None,
        seconds_p50=_latency(seen, mass, 0.5) if timed else None,
        seconds_p95=_latency(seen, mass, 0.95) if timed else None,
        served=_served(seen, models, mass),
        unserved=_surely(share(1.0 - seen.shares.sum(axis=1), mass)),
        exhausted=_surely(share(seen.exhausted, mass)),
        ends={end.name.lower(): float(mass @ seen.ends[:, end] / sums[5]) for end in End},
    )


def compare(
    one: Played, other: Played, weight: Floats | None = None, seed: int = 0
) -> Difference | None:
    """What one has over the other, paired; ``None`` where they tell of no query both."""
    both = one.observed & other.observed
    mass = np.ones(int(both.sum())) if weight is None else weight[both]
    if not mass.sum() > 0:
        return None
    one, other = one.rows(both), other.rows(both)
    timed = not np.isnan(one.seconds + other.seconds).any()
    columns = np.stack(
        [
            one.cost,
            other.cost,
            one.cost - other.cost,
            np.nan_to_num(one.seconds - other.seconds),
            np.ones(len(one)),
        ],
        axis=1,
    )
    sums, drawn = mass @ columns, resampled(columns, mass, seed)
    cost = ratios(drawn[:, 2], drawn[:, 4] * NANOUSD, sums[2] / sums[4] / NANOUSD)
    seconds = ratios(drawn[:, 3], drawn[:, 4], sums[3] / sums[4])
    rest = ratios(drawn[:, 0], drawn[:, 1], sums[0] / sums[1]) if sums[1] > 0 else None
    return Difference(
        n=len(one),
        quality=_surely(difference(one.right, other.right, mass)),
        cost_usd=_surely(cost),
        saved=None if rest is None else Estimate(1 - rest.value, 1 - rest.high, 1 - rest.low),
        seconds=seconds if timed else None,
    )


def _latency(seen: Played, mass: Floats, at: float) -> Estimate | None:
    if not seen.spells:
        return None
    seconds = np.stack([spell.seconds for spell in seen.spells])
    chances = np.stack([spell.chance for spell in seen.spells])
    return quantile(seconds, chances, mass, at)


def _served(seen: Played, models: Sequence[str], mass: Floats) -> dict[str, Estimate]:
    found = {}
    for column, model in enumerate(models):
        if seen.shares[:, column].any():
            found[model] = _surely(share(seen.shares[:, column], mass))
    return found


def _surely(found: Estimate | None) -> Estimate:
    """What there is where any query counts."""
    assert found is not None
    return found
