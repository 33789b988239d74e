"""A request's plan told: as JSON for programs, and in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rung.core.evidence import votes
from rung.core.money import readable
from rung.core.plan import Plan, Route, Step


def plan_json(plan: Plan) -> dict[str, Any]:
    """What a request was allowed to try."""
    return {
        "steps": [
            {
                "tier": s.tier,
                "checks": [c.name for c in s.checks],
                "samples": s.samples,
                "vote": asdict(s.vote) if votes(s) else None,
                "expected": None if s.expected is None else asdict(s.expected),
                "min_confidence": plan.needed(s),
                "most_spent_nanousd": s.most_spent_nanousd,
                "reach": s.reach,
            }
            for s in plan.steps
        ],
        "excluded": excluded_json(plan),
        "route": route_json(plan.route),
        "reach": plan.reach,
        "cost_cap_nanousd": plan.cost_cap_nanousd,
        "deadline_seconds": plan.deadline_seconds,
        "on_exhausted": plan.on_exhausted.value,
    }


def excluded_json(plan: Plan) -> list[dict[str, Any]]:
    """The tiers that are not on it; with ``reach`` where a draw left them out."""
    return [
        {"tier": each.tier, "why": each.why, **({"reach": each.reach} if each.reach < 1 else {})}
        for each in plan.excluded
    ]


def route_json(route: Route) -> dict[str, Any]:
    """By which rule it goes where it goes, with the draws of rules and the chance of it all."""
    return {
        "rule": route.rule,
        "drawn": "; ".join(draws(route)) or None,
        "draws": [asdict(each) for each in route.drawn],
        "propensity": route.propensity,
    }


def draws(route: Route) -> Iterator[str]:
    """Each draw that was made for a rule, in words."""
    for each in route.drawn:
        share = f"{100 * each.share:.3g}% of requests"
        yield f"drawn: {share}" if each.chosen else f"not drawn for rule {each.rule}: {share} are"


def drawing(step: Step) -> str:
    """How many answers a tier that votes draws, as people read it."""
    vote = step.vote
    fields = f" ({', '.join(vote.fields)})" if vote.fields else ""
    likely = f" or with {vote.certainty * 100:g}% certainty" if vote.certainty < 1 else ""
    compared = f"compared as {vote.comparison.value}{fields}"
    return f"up to {step.samples} answers, {compared}; fewer once one leads for good{likely}"


def limits(step: Step) -> Iterator[str]:
    """What goes for one tier of the plan alone, as it follows the tier's name."""
    if step.min_confidence is not None:
        yield f"needs a confidence of {step.min_confidence:.2f}"
    if step.most_spent_nanousd is not None:
        yield f"is not gone up to once more than {readable(step.most_spent_nanousd)} was spent"
    if step.reach < 1:
        yield f"is within reach of {100 * step.reach:.3g}% of requests, this one among them"
