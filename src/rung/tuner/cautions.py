"""What people should know before they agree to a tuned ladder."""

from __future__ import annotations

from collections.abc import Sequence

from rung.config import Config
from rung.core.money import to_usd
from rung.tuner.ladder_edit import Edit, own, percent


def cautions(found: Config, edits: Sequence[Edit], baseline: str | None) -> list[str]:
    """Sentences on what is not as it was reckoned, or will not be as it was."""
    notes = []
    for edit in edits:
        old, policy = edit.old, edit.policy
        cap = policy.cost_cap_nanousd
        tight = {
            "max_usd": (old.max_usd, None if cap is None else to_usd(cap)),
            "deadline_seconds": (old.deadline_seconds, policy.deadline_seconds),
        }
        for key, (mine, tuned) in tight.items():
            if mine is not None and (tuned is None or mine < tuned):
                notes.append(
                    f"{key} = {mine:f} of ladder {edit.ladder!r} stays; requests that meet it end "
                    "sooner than was reckoned"
                )
        notes += _shadows(found, edit)
    return notes + _measured_by(found, edits[0], baseline)


def _measured_by(found: Config, edit: Edit, baseline: str | None) -> list[str]:
    """Without a word of the configuration, savings are measured against the top of this ladder."""
    top = edit.policy.rungs[-1].tier
    told = found.file.baseline is not None or edit.ladder != found.default_ladder
    if baseline is None or told or top == baseline:
        return []
    said = f"the bill measures savings against the top tier, which is {top} now; "
    return [f'{said}`baseline = "{baseline}"` goes on with {baseline}']


def _shadows(found: Config, edit: Edit) -> list[str]:
    """The rules before a ladder's own that may decide in its place."""
    if not edit.by_rule:
        return []
    first = []
    for number, rule in enumerate(found.file.rules, 1):
        if rule.name == edit.ladder or (
            edit.share is not None and own(rule.model_dump(), edit.base)
        ):
            break
        meets = not edit.category or not rule.category or edit.category in rule.category
        if meets and (not rule.on or edit.base in rule.on):
            first.append(rule.name or f"rule {number}")
    if not first:
        return []
    listed = ", ".join(map(repr, first))
    return [f"before the rule for {_whose(edit)} stand {listed}: the first decides"]


def _whose(edit: Edit) -> str:
    return edit.category if edit.share is None else f"{percent(edit.share)} of requests"
