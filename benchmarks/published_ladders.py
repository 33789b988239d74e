"""Ladders with a check that tells right from wrong: what is saved at the best model's accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from published_halves import best_single, halves, spread

from rung.core.plan import Policy, Rung
from rung.tuner.aims import Aim, Mode, Tuned
from rung.tuner.outcomes import Outcomes
from rung.tuner.simulate import expected
from rung.tuner.tuning import tune

MODES = (Mode.DEFAULT, Mode.NONE)


def saved(sets: Mapping[str, Outcomes], note: Callable[[str], None]) -> dict[str, Any]:
    """By set and mode of the tuner, on the halves that it was not tuned on."""
    found: dict[str, Any] = {}
    for name, outcomes in sets.items():
        best = best_single(outcomes)
        found[name] = {
            "queries": len(outcomes),
            "models": len(outcomes.models),
            "best": outcomes.models[best],
            "best_right": float(outcomes.correct[:, best].mean()),
            "oracle_right": float(outcomes.correct.max(axis=1).mean()),
            "modes": {mode.value: _halved(outcomes, mode) for mode in MODES},
        }
        note(f"ladders on {name}")
    return found


def _halved(outcomes: Outcomes, mode: Mode) -> dict[str, Any]:
    saving, told, change, certified, below = [], [], [], 0, 0
    for known, unseen in halves(len(outcomes)):
        seen, rest = outcomes.rows(known), outcomes.rows(unseen)
        baseline = seen.models[best_single(seen)]
        made = tune(seen, Aim(baseline=baseline, mode=mode))
        alone = expected(rest, Tuned(Policy("alone", (Rung(baseline),))))
        played = alone if made.tuned is None else expected(rest, made.tuned)
        saving.append(1 - float(played.cost.sum() / alone.cost.sum()))
        told.append(0.0 if made.saved is None else made.saved.value)
        change.append(float(played.right.mean() - alone.right.mean()))
        certified += made.certified
        below += change[-1] < 0
    return {
        "saved": spread(saving),
        "in_sample": spread(told),
        "change": spread(change),
        "certified": certified / len(saving),
        "below": below / len(saving),
    }
