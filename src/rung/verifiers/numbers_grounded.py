"""Does every number of the answer stand in what the request gave to read?

Whatever the way of writing: thousands separators, decimal commas, percent, "million", numbers in
English words and months of dates. It cannot know whether a number is used rightly, nor derive one:
sums, counts, rounded and converted values fail, and so does what a picture or file shows. Signs and
units are not compared, nor are the numbers of lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rung.core.verdicts import Trust, Weight
from rung.verifiers import figures, options
from rung.verifiers.base import Finding, Subject, abstained, failed, nothing_to_judge, passed
from rung.verifiers.material import compared, listed, weighed

MOST_NUMBERS = 100_000
"""Numbers of an answer that are looked at."""

_ENUMERATOR = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|[*_]{1,2})?\d{1,3}[.)](?=[ \t*_])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class NumbersGrounded:
    """Passes an answer whose numbers all occur in the request's text.

    ``allow`` need not, nor whole numbers up to ``free_up_to``.
    """

    allow: figures.Known = figures.NOTHING
    free_up_to: int = 0
    name: str = "numbers_grounded"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 10.0

    def check(self, subject: Subject) -> Finding:
        """Read both, compare."""
        return weighed(compared(subject, self._judged), self.weight)

    def _judged(self, text: str, source: str) -> Finding:
        found: dict[str, figures.Number] = {}
        for count, number in enumerate(figures.numbers(_ENUMERATOR.sub("", text))):
            if count == MOST_NUMBERS:
                return abstained(f"the answer has more than {MOST_NUMBERS:,} numbers")
            found[number.written] = number
        if not found:
            return nothing_to_judge("the answer holds no number")
        known = figures.known(source)
        missing = [each.written for each in found.values() if not self._grounded(each, known)]
        if missing:
            return failed(_reason(missing))
        return passed(f"all {len(found):,} different numbers stand in the request")

    def _grounded(self, number: figures.Number, known: figures.Known) -> bool:
        small = any(v.isdigit() and len(v) < 7 and int(v) <= self.free_up_to for v in number.values)
        return small or known.holds(number) or self.allow.holds(number)


def numbers_grounded(
    allow: tuple[str, ...] = (), *, free_up_to: int = 0, weight: Weight = Weight.REQUIRED
) -> NumbersGrounded:
    """The check; ``allow`` are further numbers that an answer may hold, as texts."""
    return NumbersGrounded(figures.known("\n".join(allow)), free_up_to, weight=weight)


def from_options(given_: options.Options) -> NumbersGrounded:
    """The check that a table of the configuration asks for."""
    return numbers_grounded(
        options.texts(given_, "allow", 'allow = ["2026", "100 %"]'),
        free_up_to=options.count(given_, "free_up_to", 0),
        weight=options.weight(given_),
    )


def _reason(missing: list[str]) -> str:
    which = "a number" if len(missing) == 1 else f"{len(missing):,} numbers"
    return (
        f"the answer holds {which} that the request does not: {listed(missing)}; "
        "take each number from the request, or leave it out"
    )
