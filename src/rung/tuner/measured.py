"""How often a check errs, measured: on outcomes that say what it made of them, or by a ledger.

The doubt about the rates is part of a certificate's: of all that it may be wrong about, DOUBT_SHARE
goes to the bounds on the rates, in equal parts to each bound, and the rest to the sampling of
queries. A bound widens with the root of the logarithm of what it gets, so little is enough.
"""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from rung.core.error_rates import Judged, false_accepts, false_rejects
from rung.core.selective import upper_bound
from rung.tuner.aims import Errors
from rung.tuner.outcomes import Floats, Outcomes

DOUBT_SHARE = 0.25

LEDGER_DOUBT = 0.05
"""A ledger's intervals hold with 95% each; either upper end is too low with half of the rest."""

NOTHING_MEASURED = Errors(highest_accept=1.0, highest_reject=1.0)


def measured_errors(
    outcomes: Outcomes, confidence: float = 0.9, reference: int | None = None
) -> Errors:
    """The rates over all models, from answers with both truth and the check's word.

    With a ``reference`` (column), false accepts are those where it would have been right, and false
    rejects those where it would have been wrong: what is gained and lost against it depends on no
    others, so it does not matter whether the check errs more on hard queries than on easy ones.

    The bounds are Clopper and Pearson's. Answers to one query go wrong together, and are checked by
    the same tests: their number is cut to that of independent ones (Kish 1965, Survey Sampling, the
    design effect), at the least to one in so many as there are models. They are of the mix of
    answers in the outcomes: a model whose answers are checked otherwise has others.
    """
    return _measured(outcomes, (1 - confidence) * DOUBT_SHARE, reference)


def labelled(outcomes: Outcomes) -> tuple[int, int]:
    """How many wrong and how many right answers have the check's word beside them."""
    if outcomes.accepted is None:
        return 0, 0
    known = ~np.isnan(outcomes.accepted)
    wrong = int((known & (outcomes.correct == 0)).sum())
    return wrong, int((known & (outcomes.correct == 1)).sum())


def check_errs(outcomes: Outcomes, errors: Errors) -> bool:
    """Whether certificates have to reckon with errors of the check: told, or on record."""
    if errors.any or outcomes.accepted is None:
        return errors.any
    known = ~np.isnan(outcomes.accepted) & ~np.isnan(outcomes.correct)
    return bool(np.any(outcomes.accepted[known] != outcomes.correct[known]))


def ledger_errors(passed: Judged, failed: Judged) -> Errors:
    """The rates by labels and audits, of the answers that a check passed and that it failed.

    What labels do not tell is taken to be as bad as it can be.
    """
    accepts, rejects = false_accepts(passed, failed), false_rejects(passed, failed)
    return Errors(
        false_accept=accepts.high if accepts.value is None else accepts.value,
        false_reject=rejects.high if rejects.value is None else rejects.value,
        highest_accept=accepts.high,
        highest_reject=rejects.high,
        labels=(passed.labelled + failed.labelled).answers,
        doubt=LEDGER_DOUBT,
    )


def _measured(outcomes: Outcomes, doubt: float, reference: int | None) -> Errors:
    """Where an answer was right in part, or passed in part, nobody knows which draw was passed."""
    if outcomes.accepted is None:
        return NOTHING_MEASURED
    known = np.isin(outcomes.accepted, (0.0, 1.0))
    right, wrong = known & (outcomes.correct == 1), known & (outcomes.correct == 0)
    if reference is not None:
        wrong &= outcomes.correct[:, [reference]] == 1
        right &= outcomes.correct[:, [reference]] == 0
    accept, accept_high = _rate(wrong, outcomes.accepted, doubt / 2)
    reject, reject_high = _rate(right, 1 - outcomes.accepted, doubt / 2)
    return Errors(accept, reject, accept_high, reject_high, int(wrong.sum() + right.sum()), doubt)


def _rate(asked: Floats, erred: Floats, doubt: float) -> tuple[float, float]:
    """The share of errors among the answers ``asked`` (both N x M), and its upper bound."""
    trials = asked.sum(axis=1).astype(float)
    hits = np.where(asked, erred, 0.0).sum(axis=1)
    total = trials.sum()
    if not total:
        return 1.0, 1.0
    share = float(hits.sum() / total)
    effective = floor(total / _design_effect(trials, hits, share) + 1e-9)
    return share, upper_bound(ceil(share * effective - 1e-9), max(1, effective), doubt)


def _design_effect(trials: Floats, hits: Floats, share: float) -> float:
    """How many answers count as one, as they come in clusters: 1, or what the clusters show.

    Of a share of 0 or 1 clusters show nothing: then each query counts once.
    """
    asked = trials > 0
    largest = float(trials.sum() / asked.sum())
    plain = share * (1 - share) * trials.sum()
    if plain <= 0:
        return largest
    return max(1.0, float(((hits - share * trials) ** 2).sum() / plain))
