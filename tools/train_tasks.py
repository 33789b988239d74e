"""Fit the weights that requests are recognised with: `src/rung/core/task_weights.txt`.

Requests with a label (`task_corpus.py`) are read as the gateway reads them. Two regularised linear
models are fitted, of categories and of difficulties, on their figures, on their words, and on the
mean of their words' vectors in wordllama (static embeddings, MIT). What the vectors weigh is then
summed up word by word, for words of the corpus and common ones that are not in it: so words nobody
labelled have weights too. At run time there are no vectors.

    uv run --with wordllama --with scikit-learn python tools/train_tasks.py

`--try` only cross-validates, `--styles` also leaves out file by file, and `--show WORD...` tells
what words weigh in the shipped file.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from task_corpus import Labelled, corpus
from task_words import WIDTH, Matrix, Vectors, vocabulary

from rung.core import tasks
from rung.core.cues import Category, Difficulty
from rung.core.reading import SHAPES, Reading, length, reading
from rung.core.task_weights import COLUMNS, KINDS, NOTHING, shipped, spread

TARGET = Path(__file__).parents[1] / "src/rung/core/task_weights.txt"
LEVELS = (Difficulty.MODERATE, Difficulty.SIMPLE, Difficulty.HARD)


@dataclass(frozen=True, slots=True)
class Freedom:
    """How freely each part may be fitted: what its columns are multiplied by, with one penalty."""

    vector: float
    word: float
    figure: float


OF_KINDS, OF_LEVELS = Freedom(2.5, 1.0, 1.3), Freedom(0.8, 0.8, 1.5)
"""For categories and for difficulties, by cross-validation."""

OF_KIND = 4.0
"""What the chances of the categories are multiplied by where difficulties are fitted."""

TURNS = 2
"""How often a line with pasted material is seen, each time with other material."""

SHAPED = 4.0
"""What a request with a schema counts: programs send many more of them than the corpus has."""

STRANGE = frozenset({"oblique", "crossed"})
"""Files of the corpus whose wording is furthest from the others, as a stranger's will be."""

LEAST_WEIGHT = 4
"""A word is left out where none of its weights is so many steps away from nothing."""


@dataclass(frozen=True, slots=True)
class Set:
    """The corpus as it is read. ``counts`` is for the fit, ``shares`` makes each line one."""

    labelled: list[Labelled]
    readings: list[Reading]
    counts: NDArray[np.float64]
    shares: NDArray[np.float64]
    kinds: NDArray[np.int64]
    levels: NDArray[np.int64]
    sizes: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Names:
    """What stands in which column."""

    words: list[str]
    figures: list[str]


def read_all(turns: int = TURNS) -> Set:
    """Read the corpus."""
    labelled = list(corpus(turns))
    readings = [reading(each.request) for each in labelled]
    lines = [each.line for each in labelled]
    shares = np.array([1 / count for count in map(Counter(lines).__getitem__, lines)])
    return Set(
        labelled,
        readings,
        shares * np.array([1 if SHAPES.isdisjoint(read.figures) else SHAPED for read in readings]),
        shares,
        np.array([KINDS.index(each.category) for each in labelled]),
        np.array([LEVELS.index(each.difficulty) for each in labelled]),
        np.array([length(each.turn) for each in readings]),
    )


def names_in(readings: Sequence[Reading]) -> Names:
    """What there is a column for."""
    words = {word for read in readings for word in read.bag}
    known = {name for read in readings for name in tasks.figures(read)}
    return Names(sorted(words), sorted(known - {""}))


Parts = tuple[Matrix, Matrix, Matrix]


def parts(readings: Sequence[Reading], names: Names, vectors: Vectors) -> Parts:
    """What is fitted on: the mean vectors, the words, the figures; a row for each request."""
    of_word = {word: place for place, word in enumerate(names.words)}
    of_figure = {name: place for place, name in enumerate(names.figures)}
    words = np.zeros((len(readings), len(names.words)), np.float32)
    means = np.zeros((len(readings), WIDTH), np.float32)
    rest = np.zeros((len(readings), len(names.figures)), np.float32)
    for row, read in enumerate(readings):
        shares = np.array(list(read.bag.values()), np.float32) * spread(read.bag)
        if read.bag:
            means[row] = shares @ vectors.of(read.bag)
        for word, share in zip(read.bag, shares, strict=True):
            if word in of_word:
                words[row, of_word[word]] = share
        for name, value in tasks.figures(read).items():
            if name in of_figure:
                rest[row, of_figure[name]] = value
    return means, words, rest


def rotated(of: Parts, free: Freedom) -> tuple[Matrix, Matrix]:
    """The same problem with as many columns as rows, and the way back: the penalty is the same."""
    matrix = np.hstack([free.vector * of[0], free.word * of[1], free.figure * of[2]])
    _, sizes, back = np.linalg.svd(matrix, full_matrices=False)
    back = back[sizes > 1e-2]
    return matrix @ back.T, back


def fitted(
    matrix: Matrix, wanted: NDArray[np.int64], counts: NDArray[np.float64]
) -> tuple[Matrix, Matrix]:
    """Weights (a row for each class) and what each class has at least."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=300, tol=1e-3)
    model.fit(matrix, wanted, sample_weight=counts)
    return model.coef_.astype(np.float32), model.intercept_.astype(np.float32)


def chances(evidence: Matrix) -> Matrix:
    """Evidence as chances, row by row."""
    raised = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def with_kinds(matrix: Matrix, kinds: Matrix, sizes: NDArray[np.float64]) -> Matrix:
    """What difficulties are fitted on besides: the chances of the categories, and times length."""
    return np.hstack([matrix, OF_KIND * kinds, OF_KIND * kinds * sizes[:, None]])


def out_of_fold(
    matrix: Matrix, wanted: NDArray[np.int64], counts: NDArray[np.float64], folds: NDArray[np.int64]
) -> Matrix:
    """The evidence for each row of a model that has not seen its fold."""
    found = np.zeros((len(wanted), int(wanted.max()) + 1), np.float32)
    for fold in np.unique(folds):
        weights, least = fitted(matrix[folds != fold], wanted[folds != fold], counts[folds != fold])
        found[folds == fold] = matrix[folds == fold] @ weights.T + least
    return found


# ------------------------------------------------------------------ how good it is


def by_line(known: Set, count: int) -> NDArray[np.int64]:
    """Folds in which each line stands once."""
    lines = sorted({each.line for each in known.labelled})
    draw = np.random.default_rng(1).integers(count, size=len(lines))
    fold = dict(zip(lines, draw, strict=True))
    return np.array([fold[each.line] for each in known.labelled])


def by_style(known: Set) -> NDArray[np.int64]:
    """A fold for each file of the corpus."""
    styles = sorted({each.style for each in known.labelled})
    return np.array([styles.index(each.style) for each in known.labelled])


def calm_of(evidence: Matrix, known: Set) -> float:
    """What evidence is divided by so that it is as sure as it is right on `STRANGE` wording."""
    rows = np.array([each.style in STRANGE for each in known.labelled])
    counts, kinds = known.counts[rows], known.kinds[rows]
    tried = np.arange(0.7, 2.5, 0.05)
    losses = [
        -(
            counts * np.log(chances(evidence[rows] / calm)[np.arange(len(kinds)), kinds] + 1e-9)
        ).sum()
        for calm in tried
    ]
    return float(tried[int(np.argmin(losses))])


def entry(kind: Category, level: Difficulty) -> str:
    """Where the preset `articles` starts."""
    if level is Difficulty.SIMPLE or kind in (Category.DOCUMENTATION, Category.FORMATTING):
        return "local"
    return "workhorse" if kind is Category.CODING else "cheap"


def report(name: str, known: Set, kinds: Matrix, levels: Matrix) -> str:
    """The shares that are right, in words."""
    caution = np.array([tasks.CAUTION.get(each, 0.0) for each in KINDS], np.float32)
    careful = levels.copy()
    careful[:, LEVELS.index(Difficulty.SIMPLE)] -= chances(kinds) @ caution
    kind, level = kinds.argmax(axis=1), careful.argmax(axis=1)
    entries = [
        entry(KINDS[k], LEVELS[v]) == entry(each.category, each.difficulty)
        for k, v, each in zip(kind, level, known.labelled, strict=True)
    ]
    shares = [
        float((known.shares * right).sum() / known.shares.sum())
        for right in (kind == known.kinds, level == known.levels, np.array(entries))
    ]
    return f"{name}: category {shares[0]:.3f}, difficulty {shares[1]:.3f}, entry {shares[2]:.3f}"


# ------------------------------------------------------------------ the file


@dataclass(frozen=True, slots=True)
class Model:
    """Weights in the order of `COLUMNS`: by word, and by the name of a figure."""

    words: dict[str, Matrix]
    figures: dict[str, Matrix]


def centred(kinds: Matrix, levels: Matrix) -> Matrix:
    """A row for each of `COLUMNS`: categories against their mean, difficulties against moderate."""
    return np.vstack([kinds - kinds.mean(axis=0, keepdims=True), levels[1:] - levels[:1]])


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model: a row of weights for each class, by unrotated column, and least evidence."""

    weights: Matrix
    least: Matrix
    free: Freedom

    def of_words(self, table: Matrix, names: Names, words: Sequence[str]) -> Matrix:
        """Weights by class and word: what the vectors of ``table`` give, and the word's own."""
        found = self.free.vector * self.weights[:, :WIDTH] @ table.T
        own = {word: place for place, word in enumerate(names.words)}
        for column, word in enumerate(words):
            if word in own:
                found[:, column] += self.free.word * self.weights[:, WIDTH + own[word]]
        return found

    def of_figures(self, names: Names) -> Matrix:
        start = WIDTH + len(names.words)
        return self.free.figure * self.weights[:, start : start + len(names.figures)]


def collapsed(names: Names, vectors: Vectors, kinds: Fit, levels: Fit) -> Model:
    """Weights by word and by figure out of weights by column."""
    words = vocabulary(names.words, vectors)
    table = vectors.of(words)
    by_word = centred(kinds.of_words(table, names, words), levels.of_words(table, names, words))
    by_figure = centred(kinds.of_figures(names), levels.of_figures(names))
    figures = dict(zip(names.figures, by_figure.T, strict=True))
    figures[""] = centred(kinds.least[:, None], levels.least[:, None])[:, 0]
    nothing = np.zeros((len(KINDS), 1), np.float32)
    last = levels.weights[:, -2 * len(KINDS) :]
    named = [each.value for each in KINDS] + [f"{each.value}, by its length" for each in KINDS]
    for name, column in zip(named, last.T, strict=True):
        figures[name] = centred(nothing, OF_KIND * column[:, None])[:, 0]
    return Model(dict(zip(words, by_word.T, strict=True)), figures)


def spelled(model: Model, calm: float, facts: Sequence[str]) -> str:
    """The text of the file."""
    top = 1.6
    step = top / 46
    lines = [f"# {fact}" for fact in facts]
    lines += [f"# columns: {' '.join(each.value for each in COLUMNS)}"]
    lines += [f"step\t{step:.6f}", f"calm\t{calm:.2f}"]
    for name, weights in sorted(model.figures.items()):
        lines.append(name + "\t" + " ".join(f"{each:.3f}" for each in weights))
    lines.append("")
    for word, weights in sorted(model.words.items()):
        levels = np.clip(np.rint(weights / step), -46, 46).astype(int)
        if abs(levels).max() >= LEAST_WEIGHT:
            lines.append(word + " " + "".join(chr(NOTHING + level) for level in levels))
    return "\n".join(lines) + "\n"


def show(words: Sequence[str]) -> None:
    """Tell what words weigh in the shipped file."""
    weights = shipped()
    for word in words:
        row = weights.of_word(word.lower())
        pairs = zip(COLUMNS, row or [], strict=False)
        told = sorted(pairs, key=lambda pair: -abs(pair[1]))
        print(word, ", ".join(f"{each.value} {weight:+.2f}" for each, weight in told) or "unknown")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--try", dest="only_try", action="store_true", help="write nothing")
    parser.add_argument("--styles", action="store_true", help="also leave out file by file")
    parser.add_argument("--show", nargs="+", metavar="WORD", help="tell what words weigh, and stop")
    given = parser.parse_args()
    if given.show:
        show(given.show)
        return
    train(given.folds, styles=given.styles, write=not given.only_try)


def train(count: int, *, styles: bool, write: bool) -> None:
    """Cross-validate, and fit the weights on all there is."""
    known, vectors = read_all(), Vectors()
    names = names_in(known.readings)
    of = parts(known.readings, names, vectors)
    (matrix, back), (other, way) = rotated(of, OF_KINDS), rotated(of, OF_LEVELS)
    kinds = out_of_fold(matrix, known.kinds, known.counts, by_style(known))
    calm = calm_of(kinds, known)
    print(f"calm {calm:.2f}", flush=True)
    if styles:
        print(tried("by style", known, (matrix, other), by_style(known), calm)[0], flush=True)
    told, chance = tried("by line", known, (matrix, other), by_line(known, count), calm)
    print(told, flush=True)
    if not write:
        return
    fit = fitted(matrix, known.kinds, known.counts)
    wide = with_kinds(other, chance, known.sizes)
    levels = fitted(wide, known.levels, known.counts)
    inner, extra = np.split(levels[0], [other.shape[1]], axis=1)
    model = collapsed(
        names,
        vectors,
        Fit(fit[0] @ back, fit[1], OF_KINDS),
        Fit(np.hstack([inner @ way, extra]), levels[1], OF_LEVELS),
    )
    lines = len({each.line for each in known.labelled})
    facts = (
        "Weights that requests are recognised with; docs/tasks.md tells how good they are.",
        f"Fitted by tools/train_tasks.py on the {lines} requests of tools/task_corpus, all written",
        "for this project (Apache-2.0), and on word vectors of wordllama 0.4 (MIT).",
        told + ".",
        "A word's characters count from P, which is nothing.",
    )
    TARGET.write_text(spelled(model, calm, facts), encoding="utf-8")
    size = TARGET.stat().st_size
    print(f"{TARGET.name}: {size:,} bytes, {len(model.words):,} words", file=sys.stderr)


def tried(
    name: str,
    known: Set,
    matrices: tuple[Matrix, Matrix],
    folds: NDArray[np.int64],
    calm: float,
) -> tuple[str, Matrix]:
    """How good it is on what it was not fitted on, and the categories' chances there."""
    kinds = out_of_fold(matrices[0], known.kinds, known.counts, folds)
    chance = chances(kinds / calm)
    wide = with_kinds(matrices[1], chance, known.sizes)
    levels = out_of_fold(wide, known.levels, known.counts, folds)
    return report(f"Cross-validated {name}", known, kinds, levels), chance


if __name__ == "__main__":
    main()
