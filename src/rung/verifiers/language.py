"""Is the answer in the language it was to be in?

Without ``languages``, in that of the last user turn. Judged by script and by the commonest words of
thirty languages, code and addresses left out. It cannot judge a few words, nor how well they are
written, nor tell close languages apart (Danish from Norwegian) where the text is short: unsure, it
abstains.
"""

from __future__ import annotations

from dataclasses import dataclass

from rung.core.languages import NAMES
from rung.core.nearest import nearest
from rung.core.verdicts import Trust, Weight
from rung.verifiers import options
from rung.verifiers.base import Finding, Subject, abstained, failed, passed
from rung.verifiers.language_guess import guessed
from rung.verifiers.material import text_of, weighed


@dataclass(frozen=True, slots=True)
class Language:
    """Passes an answer in one of ``languages`` (ISO 639-1), or in that of its question."""

    languages: tuple[str, ...] = ()
    name: str = "language"
    weight: Weight = Weight.REQUIRED
    trust: Trust = Trust.DATA
    timeout_seconds: float = 5.0

    def check(self, subject: Subject) -> Finding:
        """Guess, compare."""
        read = text_of(subject)
        if isinstance(read, Finding):
            return read
        wanted = self.languages
        if not wanted:
            asked = guessed(subject.request.question)
            if asked.language is None:
                return abstained(f"the language of the question is not sure: {asked.why}")
            wanted = (asked.language,)
        guess = guessed(read)
        if guess.language is None:
            return abstained(f"the language of the answer is not sure: {guess.why}")
        if guess.language in wanted:
            return passed(f"the answer is in {NAMES[guess.language]}")
        which = " or ".join(NAMES[each] for each in wanted)
        said = f"the answer is in {NAMES[guess.language]}: write it in {which}"
        return weighed(failed(said), self.weight)


def language(*languages: str, weight: Weight = Weight.REQUIRED) -> Language:
    """The check for ``languages``, in any of which an answer may be.

    Raises ConfigError where one is not known.
    """
    for each in languages:
        if each not in NAMES:
            fix = nearest(each, sorted(NAMES)) or f"known are {', '.join(sorted(NAMES))}"
            raise options.wrong("languages", f"the language {each!r} is not known.", fix)
    return Language(languages, weight=weight)


def from_options(given: options.Options) -> Language:
    """The check that a table of the configuration asks for."""
    wanted = options.texts(given, "languages", 'languages = ["de"]')
    return language(*wanted, weight=options.weight(given))
