"""Are the placeholders of the last user turn all in the answer, each as often as it was?

`{name}`, `{0}`, `{{ name }}`, `${x}`, `%s`, `%(name)d` and `<tag>`, for translating and rewriting.
Names and tags are compared, not what a tag's attributes say. It cannot know whether a placeholder
stands in the right place, and it takes one that the instruction itself shows as one of the text.
ICU's nested plurals are not understood.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from rung.core.verdicts import Trust, Weight
from rung.verifiers import options
from rung.verifiers.base import Finding, Subject, abstained, failed, nothing_to_judge, passed
from rung.verifiers.material import LONGEST, listed, text_of

_PLACEHOLDER = re.compile(
    r"""(?P<double>\{\{[#/^&>!~-]?[ ]?[\w.-]{1,80}[ ]?[~-]?\}\})
      | (?P<brace>[$#]?\{[\w.\[\]-]{0,80}(?:![rsa])?(?::[^{}\s]{1,40})?\})
      | (?<![\d%])(?P<percent>%(?:\(\w{1,80}\)|\d{1,2}\$)?[-+\#0]*\d{0,4}(?:\.\d{1,4})?
          (?:hh|h|ll|l|L|q|z|j|t)?[sdifgGeExXoucp@](?![^\W\d_]))
      | <(?P<tag>/?[A-Za-z][\w:-]{0,60})(?:\s[^<>]{0,500})?/?>""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class PlaceholdersKept:
    """Passes an answer with the placeholders of the question, the same number of times each.

    Without ``counted``, once is enough. One that the question does not have fails in any case.
    """

    counted: bool = True
    name: str = "placeholders_kept"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 10.0

    def check(self, subject: Subject) -> Finding:
        """Count both, compare."""
        text, question = text_of(subject), subject.request.question
        if isinstance(text, Finding):
            return text
        if len(question) > LONGEST:
            return abstained(f"the question has {len(question):,} characters, too many to compare")
        wanted, found = placeholders(question), placeholders(text)
        if not wanted:
            return nothing_to_judge("the question holds no placeholder")
        faults = self._faults(wanted, found)
        if faults:
            return failed("; ".join(faults))
        return passed(f"all {len(wanted)} placeholders are kept")

    def _faults(self, wanted: Counter[str], found: Counter[str]) -> list[str]:
        lost = [each for each in wanted if not found[each]]
        new = [each for each in found if not wanted[each]]
        faults = []
        if lost:
            faults.append(f"placeholders are lost: write {listed(lost)} as they are")
        if new:
            faults.append(f"the question has no {listed(new)}: take it out")
        if self.counted:
            faults += [
                f"{listed([each])} stands {found[each]:,} times, and {times:,} in the question"
                for each, times in wanted.items()
                if found[each] and found[each] != times
            ][:3]
        return faults


def from_options(given: options.Options) -> PlaceholdersKept:
    """The check that a table of the configuration asks for."""
    return PlaceholdersKept(options.flag(given, "counted", otherwise=True))


def placeholders(text: str) -> Counter[str]:
    """The placeholders of ``text``, each in one way of writing. Time is in proportion to it."""
    return Counter(_canonical(found) for found in _PLACEHOLDER.finditer(text))


def _canonical(found: re.Match[str]) -> str:
    if found["tag"] is not None:
        return f"<{found['tag'].casefold()}>"
    return found[0].replace(" ", "")
