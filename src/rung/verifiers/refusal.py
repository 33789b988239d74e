"""Did the model decline to answer?

A provider that says so is believed. Otherwise the opening of the answer is compared with the ways
models decline in eleven languages (refusal_phrases.py). Only openings count, and never those of
quotations or code: a story may contain "I can't". Nor does "I can't see the weather, but ..." where
a tool is called to see it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rung.core.growth import Delta
from rung.core.types import Finish, Need, Request
from rung.core.verdicts import Trust, Weight
from rung.verifiers.base import Finding, Subject, Watch, failed, passed, shown
from rung.verifiers.refusal_phrases import PHRASES, Phrases

STATED_SCORE = 0.02
"""The chance that an answer is right which its own provider marks as a refusal."""

WORDED_SCORE = 0.2
"""The same for an answer that opens like a refusal; a guess until it is calibrated."""

_OPENING = 200
_MARKUP = " \t\r\n#*_-"
_NOT_OWN_VOICE = tuple("\"'`>{[<(“‘«„「")  # noqa: RUF001
_PAUSE = "[ ,.!:;\uff0c\u3002\u3001\uff01]*"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A signal: lowers confidence in an answer that declines; says nothing of any other."""

    name: str = "refusal"
    weight: Weight = Weight.SIGNAL
    trust: Trust = Trust.SELF
    timeout_seconds: float = 1.0
    inline: ClassVar[bool] = True

    def check(self, subject: Subject) -> Finding:
        """Judge by the provider's word, then by how the answer opens."""
        answer = subject.answer
        if answer.refusal or answer.finish is Finish.REFUSAL:
            said = f": {shown(answer.refusal, 120)}" if answer.refusal else ""
            return failed(
                f"the provider marks this as a refusal{said} (uncalibrated)", STATED_SCORE
            )
        if answer.tool_calls and Need.TOOLS in subject.request.needs:
            return passed("there is a tool call, which is no refusal")
        language = refusing(answer.text)
        if language is not None:
            return failed(
                f"the answer opens like a refusal ({language}; uncalibrated)", WORDED_SCORE
            )
        return passed("no refusal was found")

    def watch(self, request: Request) -> Watch | None:
        """Judge the opening once, when there is as much of it as is ever looked at."""
        # A tool call may follow.
        return None if Need.TOOLS in request.needs else _OpeningWatch()


class _OpeningWatch:
    """Dooms an answer whose opening reads as a refusal, when no more words can change that."""

    def __init__(self) -> None:
        self._text = ""
        self._judged = False

    def grow(self, delta: Delta) -> str | None:
        if self._judged:
            return None
        self._text += delta.text
        if len(_opening(self._text)) < _OPENING and len(self._text) < _OPENING * 2:
            return None
        self._judged = True
        language = refusing(self._text)
        return None if language is None else f"the answer opens like a refusal ({language})"


def refusing(text: str) -> str | None:
    """The language in which the first words decline, if they do."""
    head = _opening(text)
    if head.startswith(_NOT_OWN_VOICE):
        return None
    plain = " ".join(head.casefold().replace("\u2019", "'").split())
    return next((language for language, refuses in _REFUSES if refuses.match(plain)), None)


def _opening(text: str) -> str:
    """What is looked at."""
    return text[: _OPENING * 2].lstrip(_MARKUP)[:_OPENING]


def _pattern(phrases: Phrases) -> re.Pattern[str]:
    """All refusals of one language as one expression, to be matched at the start."""
    sorry, as_model = _any(phrases.sorry), _any(phrases.as_model)
    regret = f"(?:{sorry}{_PAUSE}(?:but|however|aber|mais|pero|ma|mas|maar|ale|но)?{_PAUSE})"
    lead = f"{regret}?(?:{as_model}{_PAUSE})?"
    either = f"(?:{regret}(?:{as_model}{_PAUSE})?|{as_model}{_PAUSE})"
    cannot = _any(phrases.cannot) + phrases.gap
    return re.compile(
        f"{lead}{cannot}{_any(phrases.declines)}"
        f"|{either}{cannot}{_any(phrases.loosely)}"
        f"|{lead}{_any(phrases.outright)}"
    )


def _any(alternatives: Sequence[str]) -> str:
    """Any one of them; what never matches where there are none."""
    return f"(?:{'|'.join(alternatives).casefold()})" if alternatives else "(?!)"


_REFUSES = tuple((phrases.language, _pattern(phrases)) for phrases in PHRASES)
