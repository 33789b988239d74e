"""The weights that requests are recognised with: what each word and each figure says of a task.

They are fitted by `tools/train_tasks.py` and stand in ``task_weights.txt``, whose head tells what
of. A word has a character for each of the `COLUMNS`: `P` is nothing, the ones before it speak
against and the ones behind it for. The file is read when the first request is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import sqrt

from rung.core.cues import Category, Difficulty

KINDS: tuple[Category, ...] = tuple(each for each in Category if each is not Category.AGENT_STEP)
"""The categories that words can tell."""

COLUMNS: tuple[Category | Difficulty, ...] = (*KINDS, Difficulty.SIMPLE, Difficulty.HARD)
"""What a row has a weight for; moderate is what simple and hard are held against."""

NOTHING = ord("P")

FILE = "task_weights.txt"


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights by word and by figure, in the order of `COLUMNS`.

    ``step`` is what one character more adds; ``calm`` divides the evidence for categories, so that
    stated confidence meets the share that is right.
    """

    words: Mapping[str, str]
    figures: Mapping[str, tuple[float, ...]]
    step: float
    calm: float

    def of_word(self, word: str) -> list[float] | None:
        """The weights of a word that stands alone, ``None`` of one that is not known."""
        row = self.words.get(word)
        if row is None:
            return None
        return [(each - NOTHING) * self.step for each in row.encode()]

    def of_words(self, bag: Mapping[str, float]) -> list[float]:
        """What the words of ``bag`` say together, each with what it counts."""
        shares: dict[float, list[bytes]] = {}
        for word, share in bag.items():
            row = self.words.get(word)
            if row is not None:
                shares.setdefault(share, []).append(row.encode())
        sums = [0.0] * len(COLUMNS)
        for share, rows in shares.items():
            nothing = NOTHING * len(rows)
            columns = map(sum, zip(*rows, strict=True))
            sums = [
                so_far + share * (each - nothing)
                for so_far, each in zip(sums, columns, strict=True)
            ]
        scale = self.step * spread(bag)
        return [each * scale for each in sums]

    def of_figures(self, figures: Mapping[str, float]) -> list[float]:
        """What the figures say together."""
        sums = [0.0] * len(COLUMNS)
        for name, value in figures.items():
            weights = self.figures.get(name)
            if weights is not None:
                sums = [a + value * b for a, b in zip(sums, weights, strict=True)]
        return sums


def spread(bag: Mapping[str, float]) -> float:
    """What each word's weight is multiplied by: of many words, one says less."""
    return 1 / sqrt(max(1.0, sum(bag.values())))


@cache
def shipped() -> Weights:
    """The shipped weights."""
    from importlib.resources import files

    return parsed(files("rung.core").joinpath(FILE).read_text(encoding="utf-8"))


def parsed(text: str) -> Weights:
    """The weights in the text of a file. Raises ValueError where it is none."""
    head, _, words = text.partition("\n\n")
    figures = dict(_figures(head))
    step, calm = figures.pop("step")[0], figures.pop("calm")[0]
    cut = -1 - len(COLUMNS)
    rows = {line[:cut]: line[cut + 1 :] for line in words.split("\n") if line}
    return Weights(rows, figures, step, calm)


def _figures(head: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    for line in head.split("\n"):
        name, tab, weights = line.partition("\t")
        if tab and not line.startswith("#"):
            yield name, tuple(map(float, weights.split()))
