"""Playing a policy over recorded outcomes, all queries at once: drawn, or as exact expectations."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from rung.core.errors import RequestError
from rung.core.nearest import nearest
from rung.core.plan import Policy, Rung
from rung.tuner.aims import SOUND, Errors, Tuned
from rung.tuner.odds import Chances, Checking, Given, Odds, Places, Verdicts, draw_verdicts
from rung.tuner.outcomes import Floats, Outcomes
from rung.tuner.played import Played, Spell, mixture
from rung.tuner.walking import Walk

PART = "part"
"""What the draw is called that says who goes by the ladder of a part."""

__all__ = ["Errors", "Given", "Played", "Verdicts", "draw_verdicts", "expected", "play"]


def play(outcomes: Outcomes, tuned: Tuned, verdicts: Verdicts) -> Played:
    """What comes of each query in one world. See `expected` for what is replayed, and errors."""
    return _played(outcomes, tuned, verdicts)


def expected(outcomes: Outcomes, tuned: Tuned, errors: Checking = SOUND) -> Played:
    """The exact mean over the check's errors, over fractions of right answers, and over reach.

    Calls come one after another, the check takes no time and costs nothing. A further draw or a
    repair is the next recorded draw, at the first one's cost and seconds. A cost cap refuses a call
    whose own recorded cost would pass it. Tiers never fail: their time-outs, retries and hedges are
    not replayed. Without a check a tier's first answer is served if it is sure enough.
    A query whose way meets a call that was not recorded is left out, however unlikely that way.
    Raises RequestError for a policy that these outcomes cannot tell anything about.
    """
    return _played(outcomes, tuned, Chances(outcomes, errors))


def replayable(policy: Policy, outcomes: Outcomes, *, checked: bool) -> Policy:
    """The same with each tier once. Raises RequestError where the outcomes cannot tell."""
    _must_be_known(policy, outcomes)
    rungs: dict[str, Rung] = {}
    for rung in policy.rungs:
        rungs.setdefault(rung.tier, rung)
    kept = replace(policy, rungs=tuple(rungs.values()))
    most = max(rung.samples for rung in kept.rungs)
    if most > 1 and not checked:
        raise RequestError(
            "several draws without a check are a vote, which outcomes do not record.",
            fix="one draw a tier, or a check",
        )
    most = max(rung.repairs + rung.samples for rung in kept.rungs)
    there = 1 if outcomes.draws is None else 1 + outcomes.draws.shape[2]
    if most > there:
        raise RequestError(
            f"the policy draws up to {most} answers of a model, and the outcomes hold {there}.",
            fix="fewer draws and repairs, or outcomes with more draws",
        )
    if kept.deadline_seconds is not None and outcomes.seconds is None:
        raise RequestError("a deadline needs latencies.", fix="outcomes with `latency_s`")
    _must_be_sure(kept, outcomes, checked=checked)
    return kept


def doubting(policy: Policy, outcomes: Outcomes, *, checked: bool) -> bool:
    """Whether confidence decides: where a tier asks for some, or where there is no check."""
    asked = any(rung.min_confidence is not None for rung in policy.rungs)
    return outcomes.confidence is not None and (asked or not checked)


def groups(
    outcomes: Outcomes, tuned: Tuned, drawn: Floats | None = None
) -> list[tuple[Policy, Places]]:
    """The policies and which queries are theirs; ``drawn`` says who goes by the part's ladder."""
    if not tuned.by_category and tuned.part is None:
        return [(tuned.whole, slice(None))]
    apart = np.zeros(len(outcomes), np.bool_)
    found: list[tuple[Policy, Places]] = []
    if tuned.part is not None and drawn is not None:
        apart = drawn < tuned.part.share
        found.append((tuned.part.policy, np.flatnonzero(apart)))
    own = [tuned.by_category.get(category) for category in outcomes.categories]
    rest = np.array([each is None for each in own])[outcomes.category] & ~apart
    found.append((tuned.whole, np.flatnonzero(rest)))
    for number, policy in enumerate(own):
        if policy is not None:
            mine = (outcomes.category == number) & ~apart
            found.append((policy, np.flatnonzero(mine)))
    return found


def _played(outcomes: Outcomes, tuned: Tuned, odds: Odds) -> Played:
    drawn = None if tuned.part is None else odds.drawn(PART, slice(None))
    if tuned.part is not None and drawn is None:
        share = tuned.part.share
        both = Tuned(tuned.part.policy), replace(tuned, part=None)
        plays = [_played(outcomes, each, odds) for each in both]
        return mixture(plays, np.array([share, 1 - share]))
    parts = []
    for policy, places in groups(outcomes, tuned, drawn):
        kept = replayable(policy, outcomes, checked=odds.checked)
        doubts = doubting(kept, outcomes, checked=odds.checked)
        parts.append((places, Walk(outcomes, places, kept, odds, doubts=doubts).played()))
    if len(parts) == 1 and isinstance(parts[0][0], slice):
        return parts[0][1]
    return joined(len(outcomes), parts)


def joined(count: int, parts: list[tuple[Places, Played]]) -> Played:
    """Parts, one at the least, that are all queries together, each at its places."""
    arrays = {}
    for field in fields(Played):
        if field.name != "spells":
            first = getattr(parts[0][1], field.name)
            arrays[field.name] = np.zeros((count, *first.shape[1:]), first.dtype)
            for places, played in parts:
                arrays[field.name][places] = getattr(played, field.name)
    spells = []
    for places, played in parts:
        for spell in played.spells:
            chance, seconds = np.zeros(count), np.zeros(count)
            chance[places], seconds[places] = spell.chance, spell.seconds
            spells.append(Spell(chance, seconds))
    return Played(**arrays, spells=tuple(spells))


def _must_be_known(policy: Policy, outcomes: Outcomes) -> None:
    if not policy.rungs:
        raise RequestError("the ladder is empty.", fix="name at least one model of the outcomes")
    for rung in policy.rungs:
        if rung.tier not in outcomes.place:
            fix = nearest(rung.tier, list(outcomes.models)) or "; ".join(outcomes.models[:12])
            raise RequestError(f"the outcomes have no model {rung.tier!r}.", fix=fix)


def _must_be_sure(policy: Policy, outcomes: Outcomes, *, checked: bool) -> None:
    if outcomes.confidence is not None:
        return
    if any(rung.min_confidence is not None for rung in policy.rungs):
        raise RequestError("a threshold needs confidences.", fix="outcomes with `confidence`")
    if not checked and len(policy.rungs) > 1:
        raise RequestError(
            "without a check and without confidences nothing would ever climb.",
            fix="outcomes with `confidence`, or a check",
        )
