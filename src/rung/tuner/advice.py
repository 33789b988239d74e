"""Three questions in order, each answered on these data: two tiers, a middle one, routing.

First the cheapest two tiers that end in the reference. Then, each beside it: would a middle tier
pay, would confidence do instead of a check, would it pay to start some categories or prompts at
the reference. Last, what each tier of a ladder is worth by leaving it out. All but the last are
held out: what was chosen by some queries is judged on others (`rung.tuner.heldout`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from rung.core.plan import Policy
from rung.tuner import heldout
from rung.tuner.aims import Aim, Errors, Tuned
from rung.tuner.heldout import Chosen, Table
from rung.tuner.likeness import likeness
from rung.tuner.odds import Checking, Given
from rung.tuner.outcomes import Floats, Outcomes
from rung.tuner.simulate import expected
from rung.tuner.worth import Gain, Worth, worth

MOST_PROMPTS = 1000
"""More are not compared with each other: it takes time with their cube."""

FEWEST = 20
"""With fewer queries no choice is judged on others."""

MOST_NAMED = 5


class Step(StrEnum):
    """What is asked."""

    TWO_TIERS = "two_tiers"
    MIDDLE_TIER = "middle_tier"
    CONFIDENCE = "confidence"
    CATEGORY = "category"
    PROMPT = "prompt"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Advice:
    """One answer: in words, and as figures.

    ``pays`` is ``None`` where these data cannot tell. ``ladder`` is what is judged, ``than`` what
    it is compared with; for DROP, without the tier and with it. ``held_out``: judged on queries
    that did not choose it.
    """

    step: Step
    says: str
    pays: bool | None
    ladder: tuple[str, ...] = ()
    than: tuple[str, ...] = ()
    worth: Worth | None = None
    held_out: bool = True


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all questions are asked of."""

    table: Table
    aim: Aim
    rng: np.random.Generator

    @property
    def reference(self) -> str:
        return self.table.models[self.table.top]

    def names(self, *columns: int) -> tuple[str, ...]:
        """Models in order, each once: a middle tier that is no other is none."""
        return tuple(dict.fromkeys(self.table.models[column] for column in columns))

    def worth(self, gain: Gain) -> Worth:
        return worth(gain, self.table.weight, self.aim.confidence, self.rng)


def advice(
    outcomes: Outcomes,
    aim: Aim,
    reference: str,
) -> tuple[Advice, ...]:
    """The answers to all but the last question, for ladders that end in ``reference``.

    ``aim`` gives the loss of quality that is allowed, the confidence of intervals, the check's
    errors, and the seed. Queries without an outcome of every model that is compared are left out;
    of fewer than `FEWEST` nothing is said.
    """
    known = gapless(outcomes, reference)
    if len(known) < FEWEST or reference not in known.place:
        return ()
    rng = np.random.default_rng(aim.seed)
    table = heldout.table(known, reference, aim.errors)
    asked = _Asked(table, aim, rng)
    chosen = heldout.choose(table, aim.max_loss, rng)
    return (
        _two_tiers(asked, chosen),
        _middle_tier(asked, chosen),
        _confidence(asked, known),
        _category(asked, known, chosen.low),
        _prompt(asked, known, chosen.low),
    )


def gapless(outcomes: Outcomes, reference: str) -> Outcomes:
    """The queries of which all models are known, and the models known of half of the queries.

    The reference stays whatever is known of it.
    """
    seen = np.isfinite(outcomes.correct) & np.isfinite(outcomes.cost)
    keep = seen.mean(axis=0) >= 0.5 if len(outcomes) else np.zeros(len(outcomes.models), bool)
    models = [
        model
        for model, enough in zip(outcomes.models, keep, strict=True)
        if enough or model == reference
    ]
    cut = outcomes.of(models)
    return cut.rows(np.flatnonzero(np.isfinite(cut.correct + cut.cost).all(axis=1)))


# ------------------------------------------------------------------ ladders


def _two_tiers(asked: _Asked, chosen: Chosen) -> Advice:
    than = (asked.reference,)
    if chosen.low == asked.table.top:
        says = f"Use one model: no tier below {asked.reference} saves anything on these data."
        return Advice(Step.TWO_TIERS, says, pays=False, ladder=than, than=than)
    ladder, found = asked.names(chosen.low, asked.table.top), asked.worth(chosen.two)
    pays = judged(found, asked.aim)
    says = {
        True: f"Two tiers first: {arrow(ladder)} saves",
        None: f"Two tiers may pay: {arrow(ladder)} seems to save",
        False: f"Use one model: {arrow(ladder)}, the best of two tiers, saves",
    }[pays]
    says += f" {amount(found)} of what {asked.reference} alone costs"
    return Advice(Step.TWO_TIERS, says + _rest(asked, found, pays), pays, ladder, than, found)


def _middle_tier(asked: _Asked, chosen: Chosen) -> Advice:
    than = asked.names(chosen.low, asked.table.top)
    ladder = asked.names(*chosen.middle, asked.table.top)
    if len(ladder) < 3:
        says = f"A middle tier does not pay on these data: none makes {arrow(than)} cheaper."
        return Advice(Step.MIDDLE_TIER, says, pays=False, ladder=than, than=than)
    found = asked.worth(chosen.three)
    pays = judged(found, asked.aim)
    says = {
        True: f"A middle tier pays: {arrow(ladder)} saves",
        None: f"A middle tier may pay: {arrow(ladder)} seems to save",
        False: f"A middle tier does not pay on these data: {arrow(ladder)}, the best, saves",
    }[pays]
    says += f" {amount(found)} beside {arrow(than)}"
    return Advice(Step.MIDDLE_TIER, says + _rest(asked, found, pays), pays, ladder, than, found)


# ------------------------------------------------------------------ routing


def _confidence(asked: _Asked, known: Outcomes) -> Advice:
    if known.confidence is None or not np.isfinite(known.confidence[:, asked.table.others]).any():
        says = "Confidence instead of a check: cannot be told, the outcomes have no `confidence`."
        return Advice(Step.CONFIDENCE, says, pays=None)
    gain, chosen = heldout.by_confidence(
        asked.table, known.confidence, asked.aim.max_loss, asked.rng
    )
    than = (asked.reference,)
    if chosen is None:
        says = (
            "Confidence instead of a check does not pay: no threshold of any tier saves money"
            f" within {asked.aim.max_loss:.1%} of {asked.reference}'s quality."
        )
        return Advice(Step.CONFIDENCE, says, pays=False, ladder=than, than=than)
    ladder, found = asked.names(chosen.low, asked.table.top), asked.worth(gain)
    pays = judged(found, asked.aim)
    says = {
        True: "Confidence instead of a check pays",
        None: "Confidence instead of a check may pay",
        False: "Confidence instead of a check does not pay",
    }[pays]
    says += (
        f": {arrow(ladder)}, served from a confidence of {chosen.least:.2g} on, saves"
        f" {amount(found)} of what {asked.reference} alone costs"
    )
    return Advice(Step.CONFIDENCE, says + _rest(asked, found, pays), pays, ladder, than, found)


def _category(asked: _Asked, known: Outcomes, low: int) -> Advice:
    names, than = known.categories, asked.names(low, asked.table.top)
    if len(np.unique(known.category)) < 2:
        says = "Starting by category: cannot be told, the outcomes have one category."
        return Advice(Step.CATEGORY, says, pays=None)
    if low == asked.table.top:
        return Advice(Step.CATEGORY, _nothing_to_route("category"), pays=False, than=than)
    gain, skipped = heldout.by_category(asked.table, low, asked.rng)
    dear = [name for name, skip in zip(names, skipped, strict=False) if skip]
    if not dear:
        says = (
            "Starting by category does not pay: in none of them is trying"
            f" {than[0]} first dearer than starting at {asked.reference}."
        )
        return Advice(Step.CATEGORY, says, pays=False, ladder=than, than=than)
    found = asked.worth(gain)
    more = f" and {len(dear) - MOST_NAMED} more" if len(dear) > MOST_NAMED else ""
    what = f"{', '.join(dear[:MOST_NAMED])}{more} at {asked.reference}"
    return _started(asked, Step.CATEGORY, f"Starting {what}", than, found)


def _prompt(asked: _Asked, known: Outcomes, low: int) -> Advice:
    than = asked.names(low, asked.table.top)
    if known.prompts is None or sum(map(bool, known.prompts)) < FEWEST:
        says = "Starting by difficulty: cannot be told, the outcomes have no `prompt`."
        return Advice(Step.PROMPT, says, pays=None)
    if low == asked.table.top:
        return Advice(Step.PROMPT, _nothing_to_route("difficulty"), pays=False, than=than)
    there = np.flatnonzero(np.array([bool(prompt) for prompt in known.prompts]))
    if len(there) > MOST_PROMPTS:
        there = np.sort(asked.rng.choice(there, MOST_PROMPTS, replace=False))
    part = _Asked(asked.table.rows(there), asked.aim, asked.rng)
    kernel = likeness([known.prompts[place] for place in there])
    gain = heldout.by_prompt(part.table, low, kernel, asked.rng)
    if np.array_equal(gain.cost, gain.than):
        says = (
            "Starting by difficulty does not pay: for no prompt is trying"
            f" {than[0]} first expected to be dearer than starting at {asked.reference}."
        )
        return Advice(Step.PROMPT, says, pays=False, ladder=than, than=than)
    what = f"Starting prompts that look hard at {asked.reference}"
    return _started(part, Step.PROMPT, what, than, part.worth(gain))


def _nothing_to_route(by: str) -> str:
    return f"Starting by {by} does not pay: there is no tier below the reference to start at."


def _started(asked: _Asked, step: Step, what: str, than: tuple[str, ...], found: Worth) -> Advice:
    pays = judged(found, asked.aim)
    verb = {True: "pays: it saves", None: "may pay: it seems to save"}
    says = f"{what} {verb.get(pays, 'does not pay: it saves')} {amount(found)} beside {arrow(than)}"
    return Advice(step, says + _rest(asked, found, pays), pays, than, than, found)


# ------------------------------------------------------------------ what each tier is worth


def dropped(
    outcomes: Outcomes, aim: Aim, tuned: Tuned, *, chosen_here: bool, name: str = ""
) -> tuple[Advice, ...]:
    """What each tier of a policy is worth: the same policy without it. One tier alone stays.

    ``chosen_here``: the policy was chosen by these outcomes, which flatters it. ``name`` is what
    people call a ladder that is theirs.
    """
    rng = np.random.default_rng(aim.seed)
    ladder = tuple(rung.tier for rung in tuned.whole.rungs)
    if len(ladder) < 2:
        return ()
    whole = _figures(outcomes, tuned, aim.errors)
    weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
    found = []
    for model in ladder:
        less = _figures(outcomes, without(tuned, model), aim.errors)
        there = np.isfinite(whole).all(axis=0) & np.isfinite(less).all(axis=0)
        if there.sum() < FEWEST:
            continue
        gain = Gain(less[0][there], whole[0][there], less[1][there], whole[1][there])
        made = worth(gain, weight[there], aim.confidence, rng)
        left = tuple(each for each in ladder if each != model)
        pays = judged(made, aim)
        what = f"{model} of {name}" if name else model
        beside = ", on the data that it was chosen by" if chosen_here else ""
        says = f"{_drop(what, made, pays)}{beside}."
        found.append(Advice(Step.DROP, says, pays, left, ladder, made, not chosen_here))
    return tuple(found)


def _figures(outcomes: Outcomes, tuned: Tuned, errors: Errors) -> Floats:
    """2 x N: cost and rightness of each query, NaN where its way was not observed."""
    played = expected(outcomes, tuned, checking(outcomes, errors))
    return np.stack([played.cost, played.right])


def checking(outcomes: Outcomes, errors: Errors) -> Checking:
    """The check's own word where the outcomes have all of it, else how often it errs."""
    if outcomes.accepted is None:
        return errors
    known = np.isfinite(outcomes.correct)
    return Given.RECORDED if np.isfinite(outcomes.accepted[known]).all() else errors


def without(tuned: Tuned, model: str) -> Tuned:
    """The same policy where no ladder has this model, but those that have no other."""

    def less(policy: Policy) -> Policy:
        rungs = tuple(rung for rung in policy.rungs if rung.tier != model)
        return replace(policy, rungs=rungs or policy.rungs)

    by_category = {name: less(policy) for name, policy in tuned.by_category.items()}
    part = None if tuned.part is None else replace(tuned.part, policy=less(tuned.part.policy))
    return Tuned(less(tuned.whole), by_category, part)


def _drop(model: str, found: Worth, pays: bool | None) -> str:
    saved = found.saved
    less = saved.value >= 0
    low, high = (saved.low, saved.high) if less else (-saved.high, -saved.low)
    verb = {True: f"Drop {model}", None: f"{model} may not pay", False: f"Keep {model}"}[pays]
    return (
        f"{verb}: without it the ladder costs {abs(saved.value):.1%} {'less' if less else 'more'}"
        f" ({span(low, high)}), quality {points(found.quality.value)}"
    )


# ------------------------------------------------------------------ judging and wording


def judged(found: Worth, aim: Aim) -> bool | None:
    """Whether it saves within the loss that is allowed; ``None`` where the interval has both."""
    if found.quality.high < -aim.max_loss or found.saved.high <= 0:
        return False
    safe = found.quality.low >= -aim.max_loss - 1e-12
    return True if safe and found.saved.low > 0 else None


def _rest(asked: _Asked, found: Worth, pays: bool | None) -> str:
    """The quality where it moves, and what would tell."""
    moved = max(abs(found.quality.low), abs(found.quality.high)) >= 5e-4
    quality = (
        f", quality {points(found.quality.value)}"
        f" ({100 * found.quality.low:+.1f} to {100 * found.quality.high:+.1f})"
    )
    told = quality if moved else ""
    if pays is None and found.needed is not None and found.needed > len(asked.table):
        told += f"; {found.chance:.0%} likely, about {found.needed:,} queries would tell"
    return told + "."


def amount(found: Worth) -> str:
    """What is saved, with its interval."""
    return f"{found.saved.value:.1%} ({span(found.saved.low, found.saved.high)})"


def span(low: float, high: float) -> str:
    """An interval of shares."""
    return f"{low:.1%} to {high:.1%}"


def points(change: float) -> str:
    """A change of quality in points, with its sign."""
    return f"{100 * change:+.1f} points"


def arrow(ladder: Sequence[str]) -> str:
    """A ladder in words."""
    return " -> ".join(ladder)
