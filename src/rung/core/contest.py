"""What choosing an entry by chances is worth, on outcomes that the chances were not fitted on.

Held against every constant (always the same entry), a shuffled control (the same entries, dealt out
at random: so it costs about the same) and an oracle that knows all outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import ceil
from statistics import fmean

from rung.core.choosing import Goal, Terms, choose
from rung.core.draws import mixed_number
from rung.core.quality import Between

BLOCKS = 100
"""Requests are dealt into so many blocks, and blocks are drawn again: of means that gives the same
intervals as drawing requests, and takes a hundredth of the time."""

DRAWS = 1000
LEVEL = 0.95

FEWEST = 100
"""Requests with outcomes below which no comparison is believed."""

NEAREST = 1e-9
"""Sums of weights differ by less from one another, where they are the same."""

MARGIN = 0.01
"""How much quality may be lost where only cost is at stake."""

SHUFFLED = "shuffled"


@dataclass(frozen=True, slots=True)
class Tried:
    """One request with all its outcomes, by tier in the ladder's order.

    The held-out chance to pass, whether it passed (0..1), what its call cost in nano-dollars.
    ``weight`` is how many requests it stands for.
    """

    chances: tuple[float, ...]
    passed: tuple[float, ...]
    costs: tuple[float, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Made:
    """What a way of choosing comes to, a request: nano-dollars, share of right answers."""

    cost: float
    quality: float


@dataclass(frozen=True, slots=True)
class Edge:
    """How much better the choice is than ``than``, a request, with its 95% interval.

    In nano-dollars: of cost, or of worth less cost where quality is the goal.
    """

    than: str
    mean: float
    low: float
    high: float

    @property
    def won(self) -> bool:
        """Whether it is better beyond doubt."""
        return self.low > 0

    def more(self, n: int) -> int | None:
        """About how many more outcomes would show it, ``None`` where it is no better."""
        if self.won:
            return 0
        half = (self.high - self.low) / 2
        return None if self.mean <= 0 else max(1, ceil(n * ((half / self.mean) ** 2 - 1)))


@dataclass(frozen=True, slots=True)
class Result:
    """A contest's outcome. ``shares`` is how many requests start at each tier.

    ``quality_lost`` is against starting at the bottom, with its interval. ``more`` is about how
    many more outcomes would decide it, ``None`` where no number of such outcomes would.
    """

    terms: Terms
    n: int
    chosen: Made
    constants: tuple[Made, ...]
    shuffled: Made
    oracle: Made
    shares: tuple[float, ...]
    edges: tuple[Edge, ...]
    quality_lost: tuple[float, float, float]
    on: bool
    why: str
    more: int | None
    names: tuple[str, ...] = field(default=())


def contest(tiers: Sequence[str], tried: Sequence[Tried], goal: Goal) -> Result:
    """Hold the choice against its controls, and say whether it may be switched on.

    It may where it is better than the shuffled control and than every constant, each with its 95%
    interval: cheaper a request, with no more than a point of quality lost, where cost is the goal;
    else in worth less cost. A right answer is then taken to be worth what makes the cheapest and
    the best constant equally good: at any other price one of them gains on its own.
    """
    weights = [each.weight for each in tried]
    places = range(len(tiers))
    prices = tuple(fmean([each.costs[place] for each in tried], weights) for place in places)
    passed = [fmean([each.passed[place] for each in tried], weights) for place in places]
    terms = Terms(goal, prices, indifference(prices, passed))
    choices = [choose(terms, each.chances) for each in tried]
    return judged(tiers, tried, terms, choices)


def indifference(prices: Sequence[float], passed: Sequence[float]) -> float:
    """What a right answer must be worth for the cheapest tier and the best to be equally good.

    0 where the cheapest is the best: then nothing is worth a choice.
    """
    cheapest = min(range(len(prices)), key=lambda place: (prices[place], -passed[place]))
    best = max(range(len(prices)), key=lambda place: (passed[place], -prices[place]))
    gained = passed[best] - passed[cheapest]
    return (prices[best] - prices[cheapest]) / gained if gained > 0 else 0.0


def judged(
    tiers: Sequence[str], tried: Sequence[Tried], terms: Terms, choices: Sequence[int]
) -> Result:
    """The same for choices that were already made."""
    made = [_outcomes(each, terms.goal) for each in tried]
    weights = [each.weight for each in tried]
    places = range(len(tiers))
    sums = _Sums(made, weights, choices)
    again = list(sums.resampled())
    whole = sums.of([1] * len(sums.blocks))
    value = _valued(terms)
    differences = {SHUFFLED: lambda t: value(t.chosen) - value(t.shuffled)}
    differences |= {tiers[p]: _against(value, p) for p in places}
    lost = [t.constants[0].quality - t.chosen.quality for t in again]
    edges = _edges(whole, again, differences)
    loss = (whole.constants[0].quality - whole.chosen.quality, *_interval(lost))
    on, why, more = _verdict(terms, edges, loss, whole.shares, len(tried))
    oracle = [each[_best(each)] for each in made]
    return Result(
        terms,
        len(tried),
        whole.chosen,
        whole.constants,
        whole.shuffled,
        Made(
            fmean([one.cost for one in oracle], weights),
            fmean([one.quality for one in oracle], weights),
        ),
        whole.shares,
        edges,
        loss,
        on,
        why,
        more,
        tuple(tiers),
    )


def _outcomes(one: Tried, goal: Goal) -> tuple[Made, ...]:
    """What starting at each tier comes to: where checks tell, what fails climbs."""
    found: list[Made] = []
    for passed, cost in reversed([*zip(one.passed, one.costs, strict=True)]):
        if goal is Goal.COST and found:
            later = found[-1]
            quality = passed + (1 - passed) * later.quality
            found.append(Made(cost + (1 - passed) * later.cost, quality))
        else:
            found.append(Made(cost, passed))
    return tuple(reversed(found))


def _best(made: Sequence[Made]) -> int:
    """The cheapest right answer; where none is right, the cheapest."""
    return min(range(len(made)), key=lambda place: (-made[place].quality, made[place].cost))


def _valued(terms: Terms) -> Callable[[Made], float]:
    if terms.goal is Goal.COST:
        return lambda made: -made.cost
    return lambda made: made.quality * terms.worth - made.cost


def _against(value: Callable[[Made], float], place: int) -> Callable[[_Totals], float]:
    return lambda totals: value(totals.chosen) - value(totals.constants[place])


def _verdict(
    terms: Terms,
    edges: Sequence[Edge],
    loss: tuple[float, float, float],
    shares: Sequence[float],
    n: int,
) -> tuple[bool, str, int | None]:
    if n < FEWEST:
        return False, f"{n} outcomes are too few to compare anything, of {FEWEST}", FEWEST - n
    if terms.goal is Goal.QUALITY and terms.worth <= 0:
        return False, "the cheapest tier is right as often as any: there is nothing to choose", None
    if max(shares) > 1 - NEAREST:
        only = edges[1 + shares.index(max(shares))].than
        return False, f"it would start every request at {only}: a constant does that", None
    open_ = [edge for edge in edges if not edge.won]
    if open_:
        needed = [edge.more(n) for edge in open_]
        names = ", ".join("the shuffled control" if e.than == SHUFFLED else e.than for e in open_)
        known = [each for each in needed if each is not None]
        more = max(known) if len(known) == len(needed) else None
        said = "not better" if more is None else "not surely better"
        return False, f"on held-out outcomes it is {said} than {names}", more
    if terms.goal is Goal.COST and loss[2] > MARGIN:
        return False, f"it may lose {loss[2]:.1%} of right answers", None
    return True, "on held-out outcomes it is better than every control, with its interval", 0


# ------------------------------------------------------------------ intervals


@dataclass(frozen=True, slots=True)
class _Totals:
    """Means over some requests."""

    chosen: Made
    constants: tuple[Made, ...]
    shuffled: Made
    shares: tuple[float, ...]


class _Sums:
    """Sums by block, which any number of resamples can be added up from."""

    def __init__(
        self, made: Sequence[tuple[Made, ...]], weights: Sequence[float], choices: Sequence[int]
    ) -> None:
        self.tiers = tiers = len(made[0])
        count = min(BLOCKS, len(made))
        self.blocks = [[0.0] * (3 + 3 * tiers) for _ in range(count)]
        order = sorted(range(len(made)), key=mixed_number)
        for turn, place in enumerate(order):
            block, mine, weight = self.blocks[turn % count], choices[place], weights[place]
            block[0] += weight
            block[1] += weight * made[place][mine].cost
            block[2] += weight * made[place][mine].quality
            block[3 + 3 * mine] += weight
            for tier, each in enumerate(made[place]):
                block[4 + 3 * tier] += weight * each.cost
                block[5 + 3 * tier] += weight * each.quality

    def of(self, times: Sequence[int]) -> _Totals:
        """The means where each block counts so many times."""
        used = [(time, block) for time, block in zip(times, self.blocks, strict=True) if time]
        sums = [sum(t * b[column] for t, b in used) for column in range(3 + 3 * self.tiers)]
        n = sums[0]
        constants = tuple(
            Made(sums[4 + 3 * tier] / n, sums[5 + 3 * tier] / n) for tier in range(self.tiers)
        )
        shares = tuple(sums[3 + 3 * tier] / n for tier in range(self.tiers))
        pairs = [*zip(shares, constants, strict=True)]
        shuffled = Made(
            sum(share * each.cost for share, each in pairs),
            sum(share * each.quality for share, each in pairs),
        )
        return _Totals(Made(sums[1] / n, sums[2] / n), constants, shuffled, shares)

    def resampled(self) -> Iterator[_Totals]:
        """Blocks drawn with replacement, as many as there are; the same draws each time."""
        count = len(self.blocks)
        for draw in range(DRAWS):
            times = [0] * count
            for turn in range(count):
                times[mixed_number(draw * BLOCKS + turn) % count] += 1
            yield self.of(times)


def _edges(
    whole: _Totals,
    again: Sequence[_Totals],
    differences: Mapping[str, Callable[[_Totals], float]],
) -> tuple[Edge, ...]:
    return tuple(
        Edge(name, difference(whole), *_interval([difference(totals) for totals in again]))
        for name, difference in differences.items()
    )


def _interval(values: Sequence[float]) -> Between:
    """The middle 95% of resampled values."""
    ordered = sorted(values)
    out = int((1 - LEVEL) / 2 * len(ordered))
    return ordered[out], ordered[-1 - out]


# ------------------------------------------------------------------ curves of two tiers


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of the gap between two tiers that is recovered, by the share sent to the better.

    ``apgr`` is its mean over all shares, 0.5 for a random choice; ``shares_for`` the smallest share
    that recovers 50% and 80%, ``None`` where none does (Ong et al. 2024, arXiv 2406.18665).
    """

    points: tuple[tuple[float, float], ...] = field(repr=False)
    apgr: float
    shares_for: tuple[float | None, float | None]


def curve(gains: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Curve:
    """Requests are sent up in the order of their ``gains``, those that are equal all together.

    Raises ValueError where the better tier is not better: there is no gap then.
    """
    gap = sum(high) - sum(low)
    if gap <= 0:
        raise ValueError("the tier above is right no more often: there is no gap to recover")
    n = len(gains)
    order = sorted(range(n), key=lambda place: (-gains[place], mixed_number(place)))
    won = accumulate(((high[p] - low[p]) / gap for p in order), initial=0.0)
    points = tuple((sent / n, got) for sent, got in enumerate(won))
    area = sum((one[1] + other[1]) / 2 for one, other in pairwise(points)) / n
    first = [next((s for s, got in points if got >= aim - 1e-9), None) for aim in (0.5, 0.8)]
    return Curve(points, area, (first[0], first[1]))
