"""Is the answer one of the allowed labels, and nothing else?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rung.core.errors import ConfigError, Problem
from rung.core.types import Need
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import (
    Finding,
    Subject,
    abstained,
    failed,
    nothing_to_judge,
    passed,
    shown,
)

_QUOTES = "\"'`*“”‘’«»„「」"  # noqa: RUF001
_LISTED = 20
_LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Passes an answer that is exactly one label, but for case, quotes and a full stop.

    ``known`` maps a label as compared to the label as given.
    """

    known: dict[str, str]
    ignore_case: bool = True
    name: str = "label_set"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Compare the whole answer with each label."""
        text = subject.answer.text
        if not text.strip() and subject.answer.tool_calls:
            if Need.TOOLS in subject.request.needs:
                return nothing_to_judge("the answer is a tool call, with no text to compare")
            return abstained("the answer is a tool call, with no text to compare")
        longest = max(len(label) for label in self.known) + 200
        if len(text) <= longest or len(text.strip()) <= longest:
            label = self.known.get(_compared(text, ignore_case=self.ignore_case))
            if label is not None:
                return passed(f"the answer is the label {_quoted(label)}")
        listed = ", ".join(_quoted(label) for label in list(self.known.values())[:_LISTED])
        more = f" and {len(self.known) - _LISTED} more" if len(self.known) > _LISTED else ""
        return failed(
            f"the answer {_quoted(text.strip())} is none of the labels: answer with exactly one of "
            f"{listed}{more}, and nothing else"
        )


def label_set(labels: Sequence[str], *, ignore_case: bool = True) -> LabelSet:
    """The check for ``labels``; raises ConfigError where two of them could not be told apart."""
    fix = 'give a list of texts, as in labels = ["spam", "ham"]'
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise ConfigError([Problem("labels", "labels must be texts.", fix)])
    known: dict[str, str] = {}
    for label in labels:
        key = _compared(label, ignore_case=ignore_case)
        if not key or key in known:
            said = "is empty" if not key else f"cannot be told from {known[key]!r}"
            raise ConfigError([Problem("labels", f"the label {label!r} {said}.", "rename it")])
        known[key] = label
    if not known:
        raise ConfigError([Problem("labels", "there are no labels.", fix)])
    return LabelSet(known, ignore_case)


def _compared(text: str, *, ignore_case: bool) -> str:
    core = text.strip().strip(_QUOTES).strip().removesuffix(".").rstrip(_QUOTES).strip()
    return core.casefold() if ignore_case else core


def _quoted(text: str) -> str:
    return f'"{shown(text, _LONGEST_SHOWN)}"'
