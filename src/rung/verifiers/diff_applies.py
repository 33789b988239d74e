"""Does the diff in the answer apply to the files that the request shows?

The files are the request's fenced blocks that carry a path (in the info string, in the line before,
or in a comment on the first line), the newest of each path. Hunks may have moved; their lines and
counts must be right to the letter, as for `git apply`. It cannot know whether the result is right,
nor judge a diff to files that the request does not show: that fails.
"""

from __future__ import annotations

from dataclasses import dataclass

from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, abstained, failed, passed, shown
from rung.verifiers.fenced import blocks
from rung.verifiers.material import given, listed, text_of
from rung.verifiers.unified_diff import DiffError, TooLargeError, applied, parsed

_LANGUAGES = {"diff", "patch", "udiff", "git"}
_MARKS = ("--- ", "+++ ", "@@ -")


@dataclass(frozen=True, slots=True)
class DiffApplies:
    """Passes an answer whose unified diff applies to the files in the request."""

    name: str = "diff_applies"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 10.0

    def check(self, subject: Subject) -> Finding:
        """Find the files and the diff, apply it."""
        text, source = text_of(subject), given(subject.request)
        if isinstance(text, Finding):
            return text
        if isinstance(source, Finding):
            return source
        diff = _diff(text)
        if not diff:
            return failed("the answer has no diff: write a unified diff in a ```diff block")
        return _judged(diff, {block.path: block.text for block in blocks(source) if block.path})


def _judged(diff: str, files: dict[str, str]) -> Finding:
    try:
        changed = applied(parsed(diff), files)
    except TooLargeError:
        return abstained("the diff is too large to be applied in time")
    except DiffError as error:
        if not files:
            return abstained("the request shows no file with a path to apply the diff to")
        there = f" (the request has {listed(sorted(files))})" if "no file" in str(error) else ""
        return failed(f"the diff does not apply: {shown(str(error), 300)}{there}")
    return passed(f"the diff applies to {listed(sorted(changed))}")


def _diff(text: str) -> str:
    """The diff: the blocks that are one, or the whole answer."""
    found = blocks(text)
    own = [each.text for each in found if each.language in _LANGUAGES]
    if not own:
        own = [each.text for each in found if _is_diff(each.text)]
    if own:
        return "\n".join(own)
    return text if not found and _is_diff(text) else ""


def _is_diff(text: str) -> bool:
    return all(text.startswith(mark) or f"\n{mark}" in text for mark in _MARKS)
