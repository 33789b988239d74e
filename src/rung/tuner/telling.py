"""A recommendation as one JSON document: plain numbers with intervals beside, dollars a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

from rung.core.money import NANOUSD
from rung.core.plan import Policy, Rung
from rung.tuner.aims import Alternative, Certificate, Estimate, Recommendation, Tuned

if TYPE_CHECKING:
    from rung.tuner.advice import Advice

NOTE = "note"
"""The step of advice that the search itself gives."""


def told(made: Recommendation, advice: Sequence[Advice] = ()) -> dict[str, Any]:
    """The document of `rung tune --json`."""
    tuned, baseline = made.tuned, made.baseline
    return {
        "ladder": [] if tuned is None else models_of(tuned.whole),
        "policy": None if tuned is None else policy(tuned),
        "certified": made.certified,
        "target": _number(made.target),
        "quality": _number(made.quality.value),
        "quality_interval": _interval(made.quality),
        "quality_lower": _number(made.quality_lower),
        "cost_usd": _number(made.cost_usd.value),
        "cost_usd_interval": _interval(made.cost_usd),
        "cost_upper": _number(made.cost_upper),
        "saved": None if made.saved is None else _number(made.saved.value),
        "saved_interval": None if made.saved is None else _interval(made.saved),
        "baseline": None
        if baseline is None
        else {"model": baseline.model, **_figures(baseline.quality, baseline.cost_usd)},
        "alternatives": [_alternative(each, made) for each in made.alternatives],
        "n": made.n,
        "needed": made.needed,
        "certificate": _certificate(made.certificate),
        "advice": [*map(_noted, made.advice), *map(_advised, advice)],
        "warnings": list(made.warnings),
        "mode": made.aim.mode.value,
        "seed": made.aim.seed,
        "seconds": _number(made.seconds),
    }


def models_of(ladder: Policy) -> list[str]:
    """The models of a ladder in the order of their calls."""
    return [rung.tier for rung in ladder.rungs]


def policy(tuned: Tuned) -> dict[str, Any]:
    """A policy as data: the ladder for all, those of categories, that of a share of requests."""
    made = {
        "all": _ladder(tuned.whole),
        "by_category": {name: _ladder(each) for name, each in tuned.by_category.items()},
    }
    if tuned.part is not None:
        made["part"] = {"share": tuned.part.share, **_ladder(tuned.part.policy)}
    return made


def saved_by(cost_usd: float, made: Recommendation) -> float | None:
    """The share of the baseline's cost that is not spent, ``None`` without a baseline."""
    if made.baseline is None or not made.baseline.cost_usd.value > 0:
        return None
    return _number(1 - cost_usd / made.baseline.cost_usd.value)


def _ladder(ladder: Policy) -> dict[str, Any]:
    cap = ladder.cost_cap_nanousd
    return {
        "rungs": [_rung(each) for each in ladder.rungs],
        "most_usd": None if cap is None else cap / NANOUSD,
        "deadline_seconds": ladder.deadline_seconds,
        "on_exhausted": ladder.on_exhausted.value,
    }


def _rung(rung: Rung) -> dict[str, Any]:
    most = rung.most_spent_nanousd
    return {
        "model": rung.tier,
        "min_confidence": rung.min_confidence,
        "most_spent_usd": None if most is None else most / NANOUSD,
        "reach": rung.reach,
        "draws": rung.samples,
        "repairs": rung.repairs,
    }


def _alternative(each: Alternative, made: Recommendation) -> dict[str, Any]:
    return {
        "ladder": models_of(each.tuned.whole),
        "policy": policy(each.tuned),
        **_figures(each.quality, each.cost_usd),
        "saved": saved_by(each.cost_usd.value, made),
        "certified": each.certified,
        "why_not": each.why_not,
    }


def _figures(quality: Estimate, cost_usd: Estimate) -> dict[str, Any]:
    return {
        "quality": _number(quality.value),
        "quality_interval": _interval(quality),
        "cost_usd": _number(cost_usd.value),
        "cost_usd_interval": _interval(cost_usd),
    }


def _certificate(made: Certificate) -> dict[str, Any]:
    return {
        "basis": made.basis.value,
        "confidence": made.confidence,
        "assumptions": list(made.assumptions),
        "p_value": _number(made.p_value),
        "level": _number(made.level),
    }


def _noted(says: str) -> Mapping[str, Any]:
    return {"step": NOTE, "says": says}


def _advised(each: Advice) -> Mapping[str, Any]:
    found = each.worth
    return {
        "step": each.step.value,
        "says": each.says,
        "pays": each.pays,
        "ladder": list(each.ladder),
        "than": list(each.than),
        "saved": None if found is None else _number(found.saved.value),
        "saved_interval": None if found is None else _interval(found.saved),
        "quality_change": None if found is None else _number(found.quality.value),
        "quality_change_interval": None if found is None else _interval(found.quality),
        "chance": None if found is None else _number(found.chance),
        "needed": None if found is None else found.needed,
        "held_out": each.held_out,
    }


def _interval(found: Estimate) -> list[float | None]:
    return [_number(found.low), _number(found.high)]


def _number(value: float | None) -> float | None:
    """JSON knows no infinity: what is unknown or without end is null."""
    return None if value is None or not isfinite(value) else float(value)
