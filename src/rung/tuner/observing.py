"""The chance that a set of tiers was seen of a request, by the draws that the gateway made.

A ladder that climbs decides itself what is seen, so what was seen is no random sample: of tiers
above a pass nothing is known. Random are only the draws: where a request began, how high it might
climb, whether it was audited, whether it was probed. Given all that a request's tiers would have
answered, these draws alone make the chance that they were seen, and one over it is how many
requests a request that was seen stands for (D. G. Horvitz, D. J. Thompson, Journal of the American
Statistical Association 47, 1952). Where no draw could have shown a set of tiers, the chance is 0,
and no weight makes up for it.

The shares of audits and probes are those of a request's category: which requests are drawn for them
is taken to depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rung.tuner.censored import NO_TIER, Censored, Flags, How, Word
from rung.tuner.outcomes import Floats, Ints, Outcomes

HEAVIEST = 100.0
"""The most requests that one stands for: beyond it a single request would decide everything."""


def chances(seen: Censored, columns: Sequence[int]) -> Floats:
    """N: the chance that all these tiers were seen; 0 where they were not, or could not be."""
    lowest = min(columns)
    start, drawn = _start(seen, lowest)
    by_traffic = drawn * _traffic(seen, columns, start)
    share = _share(seen, _probes(seen, columns))
    chance = 1 - (1 - by_traffic) * (1 - share)
    own = np.isin(seen.how[:, columns], (How.TRAFFIC, How.AUDIT)).all(axis=1)
    known = ~np.isnan(seen.accepted[:, columns]).any(axis=1)
    counted = (own & (start == seen.entry) & (by_traffic > 0)) | _probes(seen, columns)
    return np.where(known & counted, chance, 0.0)


def weights(seen: Censored, columns: Sequence[int], heaviest: float = HEAVIEST) -> Floats:
    """N: how many requests each stands for of which these tiers were seen; 0 for the others."""
    chance = chances(seen, columns)
    return np.minimum(heaviest, np.divide(1.0, chance, out=np.zeros(len(seen)), where=chance > 0))


def label_weights(seen: Censored, columns: Sequence[int], heaviest: float = HEAVIEST) -> Floats:
    """N: how many requests each stands for whose answer at the last tier a random draw labelled.

    These tiers were seen of it, the last one passed, and an audit said whether rightly; 0 for all
    others. An audit looks at what was served: from any entry, where a probe shows the rest.
    """
    last = columns[-1]
    served = (seen.how[:, last] == How.TRAFFIC) & (seen.accepted[:, last] == 1)
    drawn = served & (seen.word[:, last] == Word.AUDIT)
    start, chance = _start(seen, min(columns))
    higher = np.where(seen.entry == start, seen.other, seen.entry)
    higher = np.where(higher > start, higher, NO_TIER)
    share = _share(seen, _probes(seen, columns))
    here = chance * _climbed(seen, start, last)
    there = (1 - chance) * _climbed(seen, higher, last) * share
    chance = (here + there) * _share(seen, drawn, served)
    counted = drawn & (weights(seen, columns) > 0) & (chance > 0)
    return np.where(counted, np.minimum(heaviest, 1 / np.where(counted, chance, 1.0)), 0.0)


@dataclass(frozen=True, eq=False)
class Shown:
    """How many requests each stands for, at each step of an order of tiers: K x N.

    ``way``: of which all tiers up to there were seen. ``alone``: of which this tier was.
    ``labels``: as `label_weights`.
    """

    columns: tuple[int, ...]
    way: Floats
    alone: Floats
    labels: Floats

    def rows(self, which: Ints | Flags) -> Shown:
        """The same of these requests only."""
        cut = self.way[:, which], self.alone[:, which], self.labels[:, which]
        return Shown(self.columns, *cut)


def shown(seen: Censored, columns: Sequence[int]) -> Shown:
    """The weights of all steps of an order of tiers."""
    steps = [tuple(columns[: step + 1]) for step in range(len(columns))]
    return Shown(
        tuple(columns),
        np.array([weights(seen, each) for each in steps]),
        np.array([weights(seen, each[-1:]) for each in steps]),
        np.array([label_weights(seen, each) for each in steps]),
    )


def _probes(seen: Censored, columns: Sequence[int]) -> Flags:
    return np.asarray(seen.probed[:, columns].all(axis=1))


def _start(seen: Censored, lowest: int) -> tuple[Ints, Floats]:
    """N: from which entry traffic is counted, and the chance of that entry.

    Of two that were possible, the higher one that is not above the lowest tier wanted: what it
    shows does not depend on tiers that were not seen.
    """
    one, two = seen.entry, seen.other
    first = np.where((one != NO_TIER) & (one <= lowest), one, NO_TIER)
    second = np.where((two != NO_TIER) & (two <= lowest), two, NO_TIER)
    start = np.maximum(first, second)
    drawn = np.where(start == one, seen.entry_chance, 1 - seen.entry_chance)
    return start, np.where(start == NO_TIER, 0.0, drawn)


def _traffic(seen: Censored, columns: Sequence[int], start: Ints) -> Floats:
    """N: the chance that a request that begins at ``start`` shows these tiers, audits included."""
    auditor, top = seen.auditor, max(columns)
    if top >= len(seen.outcomes.models) - seen.beside:
        return np.zeros(len(seen))
    climbed = _climbed(seen, start, top)
    if auditor not in columns:
        return climbed
    rest = [column for column in columns if column != auditor]
    below = _climbed(seen, start, max(rest)) if rest else np.ones(len(seen))
    stopped, there = _stopped(seen, start, auditor)
    audited = _share(seen, seen.how[:, auditor] == How.AUDIT, seen.auditable)
    return climbed + (below > 0) * stopped * there * audited


def _climbed(seen: Censored, start: Ints, top: int) -> Floats:
    """N: the chance that it comes as high as ``top``: every tier on the way has to fail."""
    tiers = np.arange(seen.accepted.shape[1])
    on_the_way = (tiers >= start[:, None]) & (tiers < top)
    failed = ((seen.accepted == 0) | ~on_the_way).all(axis=1)
    drawn = np.where(start < top, seen.reach[:, top], 1.0)
    return np.where(failed & (start != NO_TIER), drawn, 0.0)


def _stopped(seen: Censored, start: Ints, auditor: int) -> tuple[Flags, Floats]:
    """N: whether a tier below the auditing one stopped it, and the chance to come so high."""
    tiers = np.arange(seen.accepted.shape[1])
    below = (seen.accepted == 1) & (tiers >= start[:, None]) & (tiers < auditor)
    where = below.argmax(axis=1)
    reach = np.take_along_axis(seen.reach, where[:, None], axis=1)[:, 0]
    return np.asarray(below.any(axis=1)), np.where(start < where, reach, 1.0)


def _share(seen: Censored, which: Flags, among: Flags | None = None) -> Floats:
    """N: the share of each request's category of which ``which`` holds."""
    category, size = seen.outcomes.category, len(seen.outcomes.categories)
    base = np.ones(len(seen), dtype=np.bool_) if among is None else among
    all_of = np.bincount(category[base], minlength=size)
    some = np.bincount(category[base & which], minlength=size)
    return np.divide(some, all_of, out=np.zeros(size), where=all_of > 0)[category]


# ------------------------------------------------------------------ rows that were seen whole


@dataclass(frozen=True, eq=False)
class Whole:
    """The requests of which every tier was seen, for a certificate, and what that assumes.

    ``outcomes.weight`` is how many requests each stands for; what the check said is left out of it:
    how often it errs, `Censored.errors` tells. ``effective`` is how many requests of
    equal weight tell as much (L. Kish, Survey Sampling, 1965). ``stands_for`` (0..1) is about the
    share of all requests that they stand for: what is missing could not have been drawn.
    """

    outcomes: Outcomes
    effective: float
    stands_for: float
    clipped: int
    assumptions: tuple[str, ...]


def complete(seen: Censored) -> Whole:
    """The rows that were seen whole, with how many requests each stands for."""
    columns = range(len(seen.outcomes.models))
    chance = chances(seen, columns)
    there = chance > 0
    weight = np.minimum(HEAVIEST, 1 / chance[there])
    # What a gate said of an answer that nobody labelled is both its word and all that is known of
    # the answer: beside each other they would make every check look sound.
    rows = replace(seen.outcomes.rows(there), weight=weight, accepted=None)
    total = float(weight.sum())
    effective = total * total / float((weight * weight).sum()) if total else 0.0
    clipped = int((chance[there] < 1 / HEAVIEST).sum())
    return Whole(
        rows, effective, min(1.0, total / len(seen)), clipped, assumptions(seen, total / len(seen))
    )


def assumptions(seen: Censored, stands_for: float) -> tuple[str, ...]:
    """What a certificate from the ledger takes for granted, in plain sentences."""
    found = [
        "Requests to come are like those of this span.",
        "Which requests of a category were probed or audited was drawn at random.",
    ]
    if seen.probed.any():
        found.append(
            "A tier answers a stored request, sent again without what was redacted, as it would"
            " have answered the request itself."
        )
    if stands_for < 0.95:
        found.append(
            f"The requests that were seen whole stand for {max(0.0, stands_for):.0%} of all; the"
            " others are taken to be like them."
        )
    if not seen.errors.labels:
        found.append("What passes the checks is right: nobody has labelled an answer of this span.")
    else:
        found.append(
            "Where nobody labelled an answer, the check's word stands for it; how often that errs"
            " is reckoned with by the labels there are."
        )
    return tuple(found)
