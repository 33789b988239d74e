"""Thoughts that a model writes into its answer, between ``<think>`` and ``</think>``, taken out.

Servers that know a model's notation tell its thoughts apart; others pass on what it writes. Only at
the start of an answer is the notation one: later it is what the answer speaks of.
"""

from __future__ import annotations

from enum import Enum, auto

OPENING, CLOSING = "<think>", "</think>"

MOST_BLANKS = 256
"""Blank characters that may stand before the first thought; after more of them it is text."""


class _Place(Enum):
    START = auto()
    THINKING = auto()
    BETWEEN = auto()
    TEXT = auto()


class Thoughts:
    """Splits one answer, whatever pieces it comes in, into text and thinking.

    Blanks before the first mark and after the second belong to neither. Thoughts without an end are
    all of the answer.
    """

    def __init__(self) -> None:
        self._place = _Place.START
        self._held = ""

    def feed(self, piece: str) -> tuple[str, str]:
        """The text and the thinking that are certain with ``piece``."""
        if self._place is _Place.TEXT:
            return piece, ""
        said, self._held = self._held + piece, ""
        thinking = ""
        if self._place is _Place.START:
            said = self._opened(said)
        if self._place is _Place.THINKING:
            thinking, said = self._thought(said)
        if self._place is _Place.BETWEEN:
            said = said.lstrip()
            if said:
                self._place = _Place.TEXT
        return said, thinking

    def rest(self) -> tuple[str, str]:
        """What was held back, now that nothing follows. To be called once, at the end."""
        held, self._held = self._held, ""
        return ("", held) if self._place is _Place.THINKING else (held, "")

    def _opened(self, said: str) -> str:
        """Look for the first mark. What is left to be read, in the place it belongs to."""
        bare = said.lstrip()
        if len(said) - len(bare) > MOST_BLANKS:
            self._place = _Place.TEXT
        elif bare.startswith(OPENING):
            self._place = _Place.THINKING
            return bare.removeprefix(OPENING)
        elif OPENING.startswith(bare):
            self._held = said
            return ""
        else:
            self._place = _Place.TEXT
        return said

    def _thought(self, said: str) -> tuple[str, str]:
        """The thinking in ``said``, and what follows it."""
        thinking, closing, after = said.partition(CLOSING)
        if closing:
            self._place = _Place.BETWEEN
            return thinking, after
        kept = _begun(said, CLOSING)
        self._held = said[len(said) - kept :]
        return said[: len(said) - kept], ""


def _begun(text: str, mark: str) -> int:
    """How many characters at the end of ``text`` may be the start of ``mark``."""
    longest = min(len(text), len(mark) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(mark[:size])), 0)
