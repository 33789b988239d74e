"""The advice that goes with an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMED = 20
"""More names than this are no advice: the first of them are given."""

LONGEST_WORD = 200
"""No name is longer; more of a word is not looked at."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The fix for ``word``: the known name most like it, else all there are; None without any."""
    names = sorted(known)
    if not names:
        return None
    found = closest(word, names)
    if found is not None:
        return f"did you mean `{found}`?"
    more = ", ..." if len(names) > MOST_NAMED else ""
    return f"use one of: {', '.join(names[:MOST_NAMED])}{more}"


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like ``word``, if any is.

    Case and the separators ``-``, ``_`` and ``.`` do not count: ``OpenAI-compatible`` is near
    ``openai_compatible``.
    """
    plain = {_plain(name): name for name in known}
    found = difflib.get_close_matches(_plain(word[:LONGEST_WORD]), plain, n=1)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    return name.casefold().translate({ord(mark): None for mark in "-_."})
