"""Answers as numbers: the same one for the same answer."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec

from rung.core.comparing import canonical

_LONGEST_KEPT: Final = 64
_MOST_KEPT: Final = 100_000


class Answers:
    """Numbers answers in the order in which they are seen.

    Two are the same when a vote would count them together: as the same JSON value, number or words
    (`core.comparing.canonical`). What is blank is no answer.
    """

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._seen: dict[str, int] = {}

    def code(self, answer: Any) -> int:
        """The number of a text or of any JSON value; -1 for none."""
        text = answer if isinstance(answer, str) else msgspec.json.encode(answer).decode()
        if len(text) > _LONGEST_KEPT:
            return self._code(text)
        code = self._seen.get(text)
        if code is None:
            code = self._code(text)
            if len(self._seen) < _MOST_KEPT:
                self._seen[text] = code
        return code

    def _code(self, text: str) -> int:
        if not text.strip():
            return -1
        key = canonical(text)
        if len(key) > _LONGEST_KEPT:
            key = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return self._codes.setdefault(key, len(self._codes))
