"""How fast a tier reads and writes, from the times of its calls.

A call is taken to need an overhead, a time for each token read and one for each token written.
The three are fitted by least squares to the times of calls, relative to how long each took, the
newest counting most. What is usual for a local or a remote tier stands in as a weak guess until
calls have told better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import exp, isfinite, log1p, sqrt

FADES = 0.96
"""What a call's weight is multiplied by at each call after it: half of it is left after 17."""

NOISE = 0.25
"""How far one call's time usually lies from what is expected of it, as a share of it."""

LEAST_NOISE_SECONDS = 0.02
TRUSTED = 2.0
"""That share is believed as much as so many calls; the calls themselves tell how steady they are.
"""

SOME = 3
"""Calls from which on they say better what is usual than the guess does."""

STEADIEST = 0.1
"""No tier is taken to be steadier than this share of that noise's square."""

ODD = 3.0
"""So many times the usual distance away, a call begins to count less: it says more of a hiccup."""

CUT_OFF = 2.0
"""A call that was cut off before its first token is taken to have needed so many times as long."""

FASTEST = 200.0
"""No tier is taken to read or write so many times faster than is usual."""

USUAL_WRITTEN_TOKENS = 100.0
USUAL_SPREAD = 0.7
"""Of the logarithm of an answer's length, while too few are known to tell."""

FEW, MANY = 16, 64
"""It is fitted anew once a sixteenth of the calls are not in it, of `MANY` and more once five are:
what is older has faded, and a fit takes as long as half a plan."""

LEAST_PIVOT = 1e-12
"""Below this the fit is about nothing but rounding."""

MOST_SECONDS = 86_400.0
MOST_TOKENS = 100_000_000
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one call took, without the time that its model loaded or that it stood in a queue.

    ``read_tokens`` leaves out what came from a cache. ``first_token_seconds`` is ``None`` where the
    answer came in one piece. ``cut_off``: it was ended before its first token, so that it is only
    known to have needed more than ``seconds``.
    """

    read_tokens: int
    written_tokens: int
    seconds: float
    first_token_seconds: float | None = None
    load_seconds: float = 0.0
    cut_off: bool = False

    @property
    def sound(self) -> bool:
        """Whether these can be the figures of a call: they come from ledgers and providers."""
        first = self.first_token_seconds
        times = (self.seconds, self.load_seconds, 0.0 if first is None else first)
        tokens = (self.read_tokens, self.written_tokens)
        return (
            all(isfinite(each) and 0 <= each <= MOST_SECONDS for each in times)
            and all(0 <= each <= MOST_TOKENS for each in tokens)
            and (first is None or first <= self.seconds)
        )


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a tier is, by ``calls`` of it; with none, what is usual.

    ``written_tokens`` is the length of its usual answer, ``few_tokens`` that of a short one,
    ``call_seconds`` what a call takes, ``load_seconds`` what its model took to load, ``None`` where
    that was never seen. ``doubt`` is the covariance of overhead and seconds a token.
    """

    overhead_seconds: float
    read_tokens_per_second: float
    write_tokens_per_second: float
    calls: int = 0
    written_tokens: float = USUAL_WRITTEN_TOKENS
    few_tokens: float = USUAL_WRITTEN_TOKENS / 2
    call_seconds: float = 0.0
    load_seconds: float | None = None
    doubt: tuple[Triple, Triple, Triple] = field(
        default=((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), repr=False
    )

    def seconds(self, read_tokens: float, written_tokens: float) -> float:
        """What a call should take that reads and writes so much."""
        reading = self.overhead_seconds + read_tokens / self.read_tokens_per_second
        return reading + written_tokens / self.write_tokens_per_second

    def doubt_seconds(self, read_tokens: float, written_tokens: float) -> float:
        """The standard deviation of that, as far as the speed itself is in doubt."""
        return sqrt(_variance((1.0, read_tokens, written_tokens), self.doubt))


@dataclass(frozen=True, slots=True)
class _Guess:
    """What is usual, and how far from it tiers may well be."""

    usual: Triple
    spread: Triple


_LOCAL = _Guess((0.1, 1 / 500, 1 / 20), (0.4, 1 / 40, 1 / 20))
_REMOTE = _Guess((0.6, 1 / 20_000, 1 / 60), (1.0, 1 / 4_000, 1 / 40))
"""Overhead, and seconds a token read and written. Local: processors read some tens to some
thousands of tokens a second. Remote: providers read tens of thousands, after a wait of their own.
"""


class Timings:
    """The sums from which a tier's speed follows; each call that is noted changes them a little."""

    __slots__ = (
        *("_guess", "_known", "_load", "_matrix", "_misfit", "_took", "_vector", "_written"),
        *("_unfitted", "calls"),
    )

    def __init__(self, *, local: bool) -> None:
        self._guess = _LOCAL if local else _REMOTE
        self.calls = 0
        self._matrix = [0.0] * 6  # upper triangle: 00 01 02 11 12 22
        self._vector = [0.0] * 3
        self._written = [0.0] * 3  # weight, sum and sum of squares of log(1 + tokens)
        self._took = [0.0] * 2  # weight and sum of seconds
        self._misfit = [0.0] * 2  # weight and sum of squares of what was off
        self._load: float | None = None
        self._known: Speed | None = None
        self._unfitted = 0

    def note(self, timing: Timing) -> None:
        """One more call, newer than all before."""
        if not timing.sound:
            return
        if timing.load_seconds > 0:
            before = self._load
            self._load = timing.load_seconds if before is None else _mean(before, timing)
            self._known = None
        now = self.speed()
        if timing.cut_off:
            guessed = now.seconds(timing.read_tokens, 0) if self.calls else 0.0
            likely = max(guessed, CUT_OFF * timing.seconds)
            if likely > CUT_OFF * CUT_OFF * timing.seconds:
                return  # it is known to need far longer than it was given
            timing = replace(timing, first_token_seconds=likely, seconds=likely)
        self._fade()
        for row, seconds in _rows(timing):
            self._learn(row, seconds, now)
        if not timing.cut_off:
            length = log1p(timing.written_tokens)
            for place, value in enumerate((1.0, length, length * length)):
                self._written[place] += value
        self._took[0] += 1.0
        self._took[1] += timing.seconds
        self.calls += 1
        self._unfitted += 1

    def speed(self) -> Speed:
        """What the calls so far come to; of many, the last few may be missing."""
        if self._known is None or self._unfitted * FEW > min(self.calls, MANY):
            self._known = self._fitted()
            self._unfitted = 0
        return self._known

    def _fade(self) -> None:
        for sums in (self._matrix, self._vector, self._written, self._took, self._misfit):
            for place in range(len(sums)):
                sums[place] *= FADES

    def _learn(self, row: Triple, seconds: float, now: Speed) -> None:
        a, b, c = row
        guessed = _dot(row, _slopes(now))
        # By the greater of the two: else a prompt that a cache knew would outweigh all others.
        share = seconds if self.calls < SOME else max(seconds, guessed)
        noise = NOISE * share + LEAST_NOISE_SECONDS
        off = abs(seconds - guessed) / sqrt(noise * noise + _variance(row, now.doubt))
        self._misfit[0] += 1.0
        self._misfit[1] += min(off, ODD) ** 2
        weight = min(1.0, ODD / off) if off else 1.0
        weight /= noise * noise
        for place, product in enumerate((a * a, a * b, a * c, b * b, b * c, c * c)):
            self._matrix[place] += weight * product
        for place, factor in enumerate(row):
            self._vector[place] += weight * factor * seconds

    def _fitted(self) -> Speed:
        weight, squares = self._misfit
        noise = max(STEADIEST, (TRUSTED + squares) / (TRUSTED + weight))
        matrix = [each / noise for each in self._matrix]
        vector = [each / noise for each in self._vector]
        slopes, doubt = _solved(matrix, vector, self._guess)
        usual, few = self._lengths()
        return Speed(
            overhead_seconds=slopes[0],
            read_tokens_per_second=1 / slopes[1],
            write_tokens_per_second=1 / slopes[2],
            calls=self.calls,
            written_tokens=usual,
            few_tokens=few,
            call_seconds=self._took[1] / self._took[0] if self._took[0] else 0.0,
            load_seconds=self._load,
            doubt=doubt,
        )

    def _lengths(self) -> tuple[float, float]:
        """Of a usual and of a short answer. One guess stands beside what was seen."""
        weight, total, squares = self._written
        guess = log1p(USUAL_WRITTEN_TOKENS)
        seen = weight + 1.0
        mean = (total + guess) / seen if weight < 1 else total / weight
        spread = USUAL_SPREAD**2
        if weight >= 1:
            spread = (max(0.0, squares - total * mean) + spread) / seen
        return exp(mean) - 1, max(0.0, exp(mean - sqrt(spread)) - 1)


def speed_of(timings: Iterable[Timing], *, local: bool) -> Speed:
    """The speed of a tier by these calls, oldest first."""
    noted = Timings(local=local)
    for timing in timings:
        noted.note(timing)
    return noted.speed()


# ------------------------------------------------------------------ the fit


def _rows(timing: Timing) -> list[tuple[Triple, float]]:
    """What a call says: one equation, or two where its first token shows."""
    read, written = float(timing.read_tokens), float(timing.written_tokens)
    first = timing.first_token_seconds
    if first is None:
        return [((1.0, read, written), timing.seconds)]
    found = [((1.0, read, 0.0), first)]
    if not timing.cut_off and written > 1:
        found.append(((0.0, 0.0, written - 1), timing.seconds - first))
    return found


def _solved(
    matrix: list[float], vector: list[float], guess: _Guess
) -> tuple[Triple, tuple[Triple, Triple, Triple]]:
    """The three that fit best, none below its least, with their covariance.

    What would come out below is held at its least, and the others are fitted again.
    """
    precision = [1 / (each * each) for each in guess.spread]
    whole = _full(matrix)
    right = [vector[i] + precision[i] * guess.usual[i] for i in range(3)]
    for i in range(3):
        whole[i][i] += precision[i]
    least = (0.0, guess.usual[1] / FASTEST, guess.usual[2] / FASTEST)
    held: set[int] = set()
    while True:
        inverse = _inverse(whole, held)
        lacking = [
            right[i] - sum(whole[i][j] * least[j] for j in held) if i not in held else 0.0
            for i in range(3)
        ]
        found = [
            least[i] if i in held else sum(inverse[i][j] * lacking[j] for j in range(3))
            for i in range(3)
        ]
        below = {i for i in range(3) if i not in held and found[i] < least[i]}
        if not below:
            break
        held |= below
    covariance = (_row(inverse[0]), _row(inverse[1]), _row(inverse[2]))
    return (found[0], found[1], found[2]), covariance


def _full(upper: list[float]) -> list[list[float]]:
    a, b, c, d, e, f = upper
    return [[a, b, c], [b, d, e], [c, e, f]]


def _inverse(matrix: list[list[float]], held: set[int]) -> list[list[float]]:
    """Of a positive matrix without the rows and columns in ``held``, which are 0 in it.

    By Gauss and Jordan: the guesses on the diagonal keep its pivots above 0, and where figures that
    no call can have drown them, a least one does. Rows and columns are scaled first, since tokens
    are thousands where overheads are ones.
    """
    kept = [i for i in range(3) if i not in held]
    scale = {i: sqrt(matrix[i][i]) for i in kept}
    work = {i: [matrix[i][j] / (scale[i] * scale[j]) for j in kept] for i in kept}
    for i in kept:
        work[i] += [1.0 if i == j else 0.0 for j in kept]
    for place, i in enumerate(kept):
        pivot = max(work[i][place], LEAST_PIVOT)
        work[i] = [value / pivot for value in work[i]]
        for j in kept:
            if j != i:
                factor = work[j][place]
                work[j] = [x - factor * y for x, y in zip(work[j], work[i], strict=True)]
    result = [[0.0] * 3 for _ in range(3)]
    for i in kept:
        for place, j in enumerate(kept):
            result[i][j] = work[i][len(kept) + place] / (scale[i] * scale[j])
    return result


def _row(values: list[float]) -> Triple:
    return values[0], values[1], values[2]


def _dot(row: Triple, slopes: Triple) -> float:
    return row[0] * slopes[0] + row[1] * slopes[1] + row[2] * slopes[2]


def _variance(row: Triple, doubt: tuple[Triple, Triple, Triple]) -> float:
    x, y, z = (_dot(row, each) for each in doubt)
    return max(0.0, row[0] * x + row[1] * y + row[2] * z)


def _slopes(speed: Speed) -> Triple:
    return (
        speed.overhead_seconds,
        1 / speed.read_tokens_per_second,
        1 / speed.write_tokens_per_second,
    )


def _mean(before: float, timing: Timing) -> float:
    """Of loads: the newest counts half."""
    return (before + timing.load_seconds) / 2
