"""Is what was certified still so? Tests on live outcomes that stay valid however often one looks.

A certificate is of the requests that it was made on. What comes later is watched by betting: one
who holds that the mean of what is seen exceeds what was certified stakes part of his capital on
each next value, at odds that are fair if it does not. If nothing has moved his capital passes
1 / doubt with probability ``doubt`` at most, in all eternity (Ville 1939), so that each new label
may be looked at (Waudby-Smith and Ramdas 2024, arXiv 2010.09686).

He stakes several fractions at once, half of everything from the first value on and the rest from
later ones, so that a world which moves late is noticed too (Shin, Ramdas and Rinaldo 2024,
arXiv 2203.03532, with weights that sum to one instead of a bound on the time between alarms).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, exp, inf, log, log1p, sqrt

FRACTIONS = (0.005, 0.01, 0.02, 0.035, 0.055, 0.08, 0.12, 0.18, 0.27, 0.4, 0.6, 0.85)
"""Of the largest stake that cannot be lost whole at once."""

FIRST_RESTART = 25
RESTART_GROWTH = 1.35
"""Further bets begin after 25, 34, 46, ... values: a late change costs some patience, not all."""

DOUBT = 0.05
"""How likely anything is called broken that holds, over all looks and for ever."""

SUSPICION = 0.2
"""The same for what is called doubtful."""

NOTICED = 0.05
"""A loss of five points is what a watch has to be able to see before it says that all is well."""

SLIGHTEST = 1e-6
"""A limit is held no nearer to the least value than this: odds would be infinite."""


class State(StrEnum):
    """What live outcomes say of something that was certified, from good to bad."""

    HOLDS = "holds"
    LITTLE = "too little to say"
    DOUBTFUL = "doubtful"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Evidence:
    """``n`` values with their ``mean`` and ``variance`` against a ``limit`` on their mean.

    ``capital`` is the most that a bet against the limit ever came to, from 1; ``kept`` is what the
    opposite bet, that the mean is below it, has come to by now. ``enough`` is how many values,
    about, notice a mean that is ``NOTICED`` above the limit.
    """

    n: int
    mean: float
    variance: float
    limit: float
    capital: float
    kept: float
    enough: int

    @property
    def doubt(self) -> float:
        """How likely such evidence is at most, at some time, where the limit is kept."""
        return min(1.0, 1 / self.capital)

    def state(self, doubt: float = DOUBT, suspicion: float = SUSPICION) -> State:
        """What follows from it."""
        if self.doubt <= doubt:
            return State.BROKEN
        if self.doubt <= suspicion:
            return State.DOUBTFUL
        shown = self.kept >= 1 / doubt
        return State.HOLDS if shown or self.n >= self.enough else State.LITTLE


def wagered(
    values: Iterable[float], limit: float, least: float = 0.0, doubt: float = DOUBT
) -> Evidence:
    """Bet against "the mean of ``values`` is at most ``limit``", in their order.

    ``least`` is the smallest that a value can be, the largest is 1. Values may depend on earlier
    ones: what is tested is that none is expected above the limit, given those before it.
    """
    limit = min(max(limit, least + SLIGHTEST), 1 - SLIGHTEST)
    seen, total, squares, highest, kept = 0, 0.0, 0.0, 1.0, 1.0
    above, below = Bets(limit, least), Bets(1 - limit, 0.0)
    for value in values:
        seen += 1
        total += value
        squares += value * value
        highest = max(highest, above.after(value))
        kept = below.after(1 - value)
    mean = total / seen if seen else 0.0
    variance = max(0.0, squares / seen - mean * mean) if seen else 0.0
    # Few values know little of their own spread: it is no less than two in all would give it.
    likely = max(variance, (limit - least) * (1 - limit) / (1 + seen / 50))
    return Evidence(seen, mean, variance, limit, highest, kept, enough(likely, NOTICED, doubt))


def enough(variance: float, excess: float, doubt: float = DOUBT) -> int:
    """About how many values of this variance notice a mean that is ``excess`` above the limit.

    The best stake makes log capital grow by excess^2 / 2 (variance + excess^2) a value; of the
    fractions one is near it, with half of one share of everything.
    """
    growth = excess * excess / (2 * (variance + excess * excess))
    return ceil(log(2 * len(FRACTIONS) / doubt) / growth)


class Bets:
    """All bets against one limit, value by value; `wagered` is the same for a list of them."""

    def __init__(self, limit: float, least: float) -> None:
        self._least = least
        self._room = limit - least
        self._steps = dict[float, list[float]]()
        self._logs = [0.0] * len(FRACTIONS)
        # What begun bets put in, as a log, each over what their fraction had come to until then.
        self._begun = [log(0.5)] * len(FRACTIONS)
        self._idle = 0.5
        self._seen = 0
        self._restarts = _restarts()
        self._next = next(self._restarts)

    def after(self, value: float) -> float:
        """What all bets come to after one more value."""
        steps = self._steps.get(value)
        if steps is None:
            gain = (value - self._least) / self._room - 1
            steps = [log1p(part * gain) for part in FRACTIONS]
            if len(self._steps) < 16:
                self._steps[value] = steps
        self._logs = [one + step for one, step in zip(self._logs, steps, strict=True)]
        self._seen += 1
        worth = sum(
            _exp(one + begun) for one, begun in zip(self._logs, self._begun, strict=True)
        ) / len(FRACTIONS)
        found = worth + self._idle
        if self._seen == self._next[0]:
            self._begin(self._next[1])
        return found

    def _begin(self, weight: float) -> None:
        """Put idle capital on bets that begin now."""
        self._idle -= weight
        self._begun = [
            _log_sum(begun, log(weight) - one)
            for one, begun in zip(self._logs, self._begun, strict=True)
        ]
        self._next = next(self._restarts)


def _restarts() -> Iterator[tuple[int, float]]:
    """After how many values further bets begin, and with what: shares that sum to one half."""
    place, turn = float(FIRST_RESTART), 1
    while True:
        yield round(place), 0.5 / (turn * (turn + 1))
        place, turn = place * RESTART_GROWTH, turn + 1


def _log_sum(one: float, other: float) -> float:
    high, low = max(one, other), min(one, other)
    return high + log1p(exp(low - high))


def _exp(power: float) -> float:
    return exp(power) if power < 700 else inf


# ------------------------------------------------------------------ shares that are counted


def least_share(hits: int, trials: int, doubt: float) -> float:
    """A lower bound on a share that holds at all times at once, but for a chance of ``doubt``.

    The largest limit that a bet against it, on all these trials, has beaten.
    """
    if not hits:
        return 0.0
    low, high = 0.0, hits / trials
    for _ in range(40):
        middle = (low + high) / 2
        if _log_capital(hits, trials, middle) > log(1 / doubt):
            low = middle
        else:
            high = middle
    return low


def _log_capital(hits: int, trials: int, limit: float) -> float:
    found = -inf
    for part in FRACTIONS:
        won = hits * log1p(part * (1 / limit - 1)) + (trials - hits) * log1p(-part)
        found = won if found == -inf else _log_sum(found, won)
    return found - log(len(FRACTIONS))


# ------------------------------------------------------------------ two windows


@dataclass(frozen=True, slots=True)
class Window:
    """Values of one span: how many, their mean, their standard deviation."""

    n: int
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a mean has moved from one window to another, with an interval around it."""

    before: Window
    after: Window
    low: float
    high: float

    @property
    def moved(self) -> bool:
        """Whether it has, beyond doubt."""
        return self.low > 0 or self.high < 0


def window(values: Iterable[float]) -> Window:
    """The window of these values."""
    listed = list(values)
    if not listed:
        return Window(0, 0.0, 0.0)
    mean = sum(listed) / len(listed)
    spread = sum((value - mean) ** 2 for value in listed) / max(1, len(listed) - 1)
    return Window(len(listed), mean, sqrt(spread))


def shift(before: Window, after: Window, doubt: float = DOUBT) -> Shift:
    """The difference of two means; nothing is known of it where one has fewer than two values.

    Each has half of the doubt. The interval of the later one holds at all times, for many values
    (Waudby-Smith et al. 2024, arXiv 2103.06476): it may be looked at as often as one likes.
    """
    if before.n < 2 or after.n < 2:
        return Shift(before, after, -inf, inf)
    half = sqrt(_radius(before, doubt / 2) ** 2 + _radius(after, doubt / 2) ** 2)
    found = after.mean - before.mean
    return Shift(before, after, found - half, found + half)


TIGHTEST = 0.002
"""A running interval is at its tightest after some thousand values: log(1 / doubt) / 0.002."""


def _radius(of: Window, doubt: float) -> float:
    """Half the length of an interval around a running mean."""
    spread = max(of.deviation, 1e-12)
    scale = of.n * TIGHTEST
    return spread * sqrt((2 * (scale + 1) / (of.n * scale)) * log(sqrt(scale + 1) / (doubt / 2)))
