"""Word vectors for `train_tasks.py`, and the words that get weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rung.core.hints import CUES

Matrix = NDArray[np.float32]

WIDTH = 256
"""Figures of a word's vector."""

WORD_LIST = Path("/usr/share/dict/words")
"""Common English words: Debian's `wamerican`."""

ENDINGS = ("s", "es", "d", "ed", "ing", "r", "er", "ly", "y", "able", "ment")
"""A word is common where the embedding's tokenizer knows it, or it without one of these, whole."""


class Vectors:
    """The embedding, by word."""

    def __init__(self) -> None:
        """Load it; nothing is downloaded."""
        import wordllama

        folder = Path(wordllama.__file__).parent
        self.model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
        self.known: dict[str, Matrix] = {}
        # What all words share says how many there are and nothing of any.
        self.middle = self.model.embed(sorted(self.whole_words()), norm=True).mean(axis=0)

    def of(self, words: Iterable[str]) -> Matrix:
        """A row for each word."""
        wanted = list(words)
        missing = [word for word in dict.fromkeys(wanted) if word not in self.known]
        if missing:
            found = self.model.embed(missing, norm=True) - self.middle
            self.known.update(zip(missing, found, strict=True))
        return np.array([self.known[word] for word in wanted], np.float32)

    def whole_words(self) -> set[str]:
        """The words that the embedding's tokenizer knows as one piece."""
        found = {piece[1:].lower() for piece in self.model.tokenizer.get_vocab() if piece[0] == "▁"}
        return {word for word in found if len(word) > 1 and word.isalpha() and word < "\u2000"}


def vocabulary(own: Iterable[str], vectors: Vectors) -> list[str]:
    """The corpus's words and common ones."""
    listed = WORD_LIST.read_text(encoding="utf-8").split()
    plain = [word for word in listed if re.fullmatch("[a-z]{2,}", word)]
    whole = vectors.whole_words()
    stems = whole | {word + "e" for word in whole}
    common = {
        word
        for word in plain
        if any(word.endswith(end) and word[: -len(end)] in stems for end in ENDINGS)
    }
    return sorted(common | whole | set(own) | {"".join(cue) for cue in CUES})
