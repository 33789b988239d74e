"""Which tiers are not worth a try: by what they passed, what they cost and how long they took.

To start at a tier rather than above it saves the calls above whenever it passes, and costs its own
call always. Where that comes to a loss, and surely so, the tier is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from rung.core.mending import LEAST_TRIALS, SURE, WORTH_A_WAIT
from rung.core.trials import Trial

DRAWN_TO = 10.0
"""A category's rate is drawn to its ladder's as if by so many trials, the ladder's by `EVEN_ODDS`
to one half."""

EVEN_ODDS = 2.0

NANO = 1e9

_Z = NormalDist().inv_cdf(SURE)


@dataclass(frozen=True, slots=True)
class Tally:
    """Trials at one tier, added up. Money is nano-dollars."""

    tried: int = 0
    passed: int = 0
    cost_nanousd: int = 0
    seconds: float = 0.0

    def with_(self, trial: Trial) -> Tally:
        """One trial more."""
        return Tally(
            self.tried + 1,
            self.passed + trial.passed,
            self.cost_nanousd + trial.cost_nanousd,
            self.seconds + trial.seconds,
        )

    def and_(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.tried + other.tried,
            self.passed + other.passed,
            self.cost_nanousd + other.cost_nanousd,
            self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Prospect:
    """What trying a tier comes to: how likely it passes, at the most so, and its price.

    ``price`` is nano-dollars a request, time included where it is priced. ``tried`` counts the
    trials of the category itself.
    """

    tier: str
    chance: float
    at_most: float
    price: float
    tried: int


@dataclass(frozen=True, slots=True)
class Skip:
    """Where to start instead of at the bottom, and why."""

    entry: str
    why: str


def prospects(
    tiers: Iterable[str],
    own: Mapping[str, Tally],
    whole: Mapping[str, Tally],
    second_nanousd: float = 0.0,
) -> tuple[Prospect, ...]:
    """Each tier's, from the counts of a category and those of the whole ladder it is drawn to."""
    return tuple(
        _prospect(tier, own.get(tier, Tally()), whole.get(tier, Tally()), second_nanousd)
        for tier in tiers
    )


def skip(known: Sequence[Prospect], least: int = LEAST_TRIALS) -> Skip | None:
    """The lowest tier that is worth a try, ``None`` where that is the bottom.

    A tier is skipped while even the most that it may pass saves less than it costs, or where it
    passes next to nothing. Below ``least`` trials nothing is skipped, and the top never is.
    """
    place = 0
    reasons = []
    while place + 1 < len(known):
        why = _why(known[place], above(known, place + 1))
        if known[place].tried < least or why is None:
            break
        reasons.append(why)
        place += 1
    return Skip(known[place].tier, "; ".join(reasons)) if place else None


def above(known: Sequence[Prospect], place: int) -> float:
    """What a request is expected to cost that starts at ``place``, climbing where tiers fail."""
    expected, reached = 0.0, 1.0
    for each in known[place:]:
        expected += reached * each.price
        reached *= 1 - each.chance
    return expected


def _why(one: Prospect, saved: float) -> str | None:
    """Why a tier is not worth a try, ``None`` where it is."""
    if one.at_most < WORTH_A_WAIT:
        return f"{one.tier} passes {one.chance:.1%} of this kind ({one.tried} tried)"
    if one.price <= 0 or one.at_most * saved >= one.price:
        return None
    return (
        f"{one.tier} passes {one.chance:.0%} of this kind ({one.tried} tried), which saves"
        f" {_usd(one.chance * saved)} a request and costs {_usd(one.price)}"
    )


def _prospect(tier: str, own: Tally, whole: Tally, second_nanousd: float) -> Prospect:
    general = (whole.passed + EVEN_ODDS / 2) / (whole.tried + EVEN_ODDS)
    drawn = min(DRAWN_TO, float(whole.tried))
    tried = own.tried + drawn
    chance = (own.passed + drawn * general) / tried if tried else general
    return Prospect(
        tier,
        chance,
        _at_most(chance, tried),
        _price(own, second_nanousd, _price(whole, second_nanousd, 0.0)),
        own.tried,
    )


def _price(tally: Tally, second_nanousd: float, otherwise: float) -> float:
    """A try's mean, drawn to ``otherwise``."""
    if not tally.tried:
        return otherwise
    total = tally.cost_nanousd + second_nanousd * tally.seconds
    if not otherwise:
        return total / tally.tried
    return (total + DRAWN_TO * otherwise) / (tally.tried + DRAWN_TO)


def _at_most(share: float, trials: float) -> float:
    """The upper end of the Wilson interval, one-sided."""
    if not trials:
        return 1.0
    centre = share + _Z * _Z / (2 * trials)
    spread = _Z * sqrt(share * (1 - share) / trials + _Z * _Z / (4 * trials * trials))
    return min(1.0, (centre + spread) / (1 + _Z * _Z / trials))


def _usd(nanousd: float) -> str:
    return f"${nanousd / NANO:.2g}"
