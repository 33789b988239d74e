"""What a call of a model would come to: as it was recorded, drawn once, or as chances."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rung.tuner.aims import Errors
from rung.tuner.outcomes import Floats, Ints, Outcomes

Bools = NDArray[np.bool_]
Places = NDArray[np.integer] | slice


class Given(Enum):
    """Where the check's verdicts come from, if not from truth and rates of error.

    RECORDED: the outcomes say what the check said. NO_CHECK: there is none, and what is not doubted
    is served.
    """

    RECORDED = auto()
    NO_CHECK = auto()


Checking = Errors | Given


@dataclass(frozen=True, eq=False)
class Fate:
    """One draw of one model for many queries; all are chances (0..1), NaN where not ``known``.

    ``right``: of being right. ``passes``: of passing the check. ``right_passed`` and
    ``right_failed``: of being right if it passes or fails.
    """

    known: Bools
    right: Floats
    passes: Floats
    right_passed: Floats
    right_failed: Floats


class Odds(Protocol):
    """Where fates come from. ``drawn``: the requests' own draws, ``None`` for expectations."""

    @property
    def checked(self) -> bool: ...

    def fate(self, places: Places, column: int, draw: int) -> Fate: ...

    def drawn(self, what: str, places: Places) -> Floats | None: ...


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What happens in one play: each draw's rightness and verdict, each request's seed.

    ``right``, ``passed`` and ``known`` are N x M x D with the further draws behind the first;
    ``passed`` is ``None`` without a check. ``seeds`` (N) are those of the requests' plans.
    """

    right: Bools
    passed: Bools | None
    known: Bools
    seeds: Ints

    @property
    def checked(self) -> bool:
        """Whether there is a check."""
        return self.passed is not None

    def fate(self, places: Places, column: int, draw: int) -> Fate:
        """Certain, one way or the other."""
        known = self.known[places, column, draw]
        right = self.right[places, column, draw].astype(np.float64)
        passed = self.passed
        passes = right if passed is None else passed[places, column, draw].astype(np.float64)
        return Fate(known, right, passes, right, right)

    def drawn(self, what: str, places: Places) -> Floats | None:
        """As planning draws them."""
        from rung.core.draws import draw

        return np.array([draw(what, int(seed)) for seed in self.seeds[places]])


@dataclass(frozen=True, eq=False)
class Chances:
    """The same as chances, over what is not recorded: the check's errors, fractions of right."""

    outcomes: Outcomes
    checking: Checking

    @property
    def checked(self) -> bool:
        """Whether there is a check."""
        return self.checking is not Given.NO_CHECK

    def fate(self, places: Places, column: int, draw: int) -> Fate:
        """Of an answer that is right with a chance, the verdict is drawn after it."""
        right = drawn_right(self.outcomes, column, draw)[places]
        known = ~np.isnan(right) & ~np.isnan(self.outcomes.cost[places, column])
        match self.checking:
            case Errors(false_accept=accepts, false_reject=rejects):
                right_passes, wrong_passes = right * (1 - rejects), (1 - right) * accepts
                passes = right_passes + wrong_passes
                passed = _over(right_passes, passes)
                failed = _over(right * rejects, 1 - passes)
                return Fate(known, right, passes, passed, failed)
            case Given.RECORDED:
                passes = recorded(self.outcomes, column, draw)[places]
                return Fate(known & ~np.isnan(passes), right, passes, right, right)
            case _:
                return Fate(known, right, right, right, right)

    def drawn(self, what: str, places: Places) -> Floats | None:  # noqa: ARG002 the other kind needs it
        """Nothing is."""
        return None


def draw_verdicts(outcomes: Outcomes, checking: Checking, seed: int) -> Verdicts:
    """One world: the same for the same seed, whatever policy is played in it.

    ``correct`` and ``accepted`` between 0 and 1 are chances, independent given the query.
    """
    further = 0 if outcomes.draws is None else outcomes.draws.shape[2]
    shape = (*outcomes.correct.shape, 1 + further)
    chance = np.random.default_rng(seed)
    seeds = chance.integers(2**31, size=len(outcomes))
    truth = outcomes.correct[:, :, None]
    if outcomes.draws is not None:
        truth = np.concatenate([truth, outcomes.draws], axis=2)
    right = chance.random(shape) < truth
    known = ~np.isnan(truth) & ~np.isnan(outcomes.cost)[:, :, None]
    if checking is Given.NO_CHECK:
        return Verdicts(right, None, known, seeds)
    if isinstance(checking, Errors):
        passes = np.where(right, 1 - checking.false_reject, checking.false_accept)
    else:
        columns = range(len(outcomes.models))
        each = [
            np.stack([recorded(outcomes, column, draw) for column in columns], axis=1)
            for draw in range(1 + further)
        ]
        passes = np.stack(each, axis=2)
        known = known & ~np.isnan(passes)
    return Verdicts(right, chance.random(shape) < passes, known, seeds)


def drawn_right(outcomes: Outcomes, column: int, draw: int) -> Floats:
    """How likely this draw is right, NaN where it was not made."""
    if draw == 0:
        return outcomes.correct[:, column]
    draws = outcomes.draws
    if draws is None or draw > draws.shape[2]:
        return np.full(len(outcomes), np.nan)
    return draws[:, column, draw - 1]


def recorded(outcomes: Outcomes, column: int, draw: int) -> Floats:
    """What the check said, which is known of first draws alone."""
    if draw or outcomes.accepted is None:
        return np.full(len(outcomes), np.nan)
    return outcomes.accepted[:, column]


def _over(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
