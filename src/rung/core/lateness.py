"""How long a call should take at a tier, and which tiers are too slow for a deadline.

A tier is called late only where even a short answer of it surely is: a prediction from few calls
is given the benefit of its doubt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rung.core.plan import Expected
from rung.core.speed import Speed

SURELY = 1.28
"""Deviations below what is expected that a tier is given the benefit of: one in ten is faster."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one call would have to do: ``read_tokens`` to read, of them some from a cache.

    ``most_tokens`` is the caller's own limit of the answer. ``wait_seconds`` is until its turn
    comes, ``load_seconds`` until its model is in memory.
    """

    read_tokens: int
    cached_tokens: int = 0
    most_tokens: int | None = None
    wait_seconds: float = 0.0
    load_seconds: float = 0.0

    @property
    def fresh_tokens(self) -> int:
        """Those that have to be read."""
        return max(0, self.read_tokens - self.cached_tokens)

    def written(self, tokens: float) -> float:
        """That answer's length within the caller's limit."""
        return tokens if self.most_tokens is None else min(tokens, float(self.most_tokens))


def expected(speed: Speed, work: Work) -> Expected:
    """What a call should take, with an answer of the tier's usual length."""
    before = work.wait_seconds + work.load_seconds
    written = work.written(speed.written_tokens)
    first = before + speed.seconds(work.fresh_tokens, 0)
    return Expected(first, before + speed.seconds(work.fresh_tokens, written))


def soonest(speed: Speed, work: Work) -> float:
    """The seconds that even a short answer surely takes."""
    read, written = work.fresh_tokens, work.written(speed.few_tokens)
    surely = speed.seconds(read, written) - SURELY * speed.doubt_seconds(read, written)
    return work.wait_seconds + work.load_seconds + max(0.0, surely)


def late(
    works: Mapping[str, Work], speeds: Mapping[str, Speed], deadline_seconds: float
) -> dict[str, str]:
    """The tiers that surely cannot answer by then, with why; the fastest of all stays out of it.

    It is the end that counts, for streams too: the deadline cuts them as well. A tier that was
    never measured is not among them.
    """
    found: dict[str, str] = {}
    for tier, work in works.items():
        speed = speeds.get(tier)
        if speed is not None and speed.calls and soonest(speed, work) > deadline_seconds:
            found[tier] = f"{why(speed, work)}: past the deadline of {told(deadline_seconds)}"
    if found and len(found) == len(works):
        del found[min(found, key=lambda tier: expected(speeds[tier], works[tier]).seconds)]
    return found


def why(speed: Speed, work: Work) -> str:
    """What a call's time goes to, in words."""
    written = work.written(speed.few_tokens)
    reading, writing = speed.read_tokens_per_second, speed.write_tokens_per_second
    parts = (
        (work.wait_seconds, "until calls before it are served"),
        (work.load_seconds, "until its model is loaded"),
        (speed.overhead_seconds, "before it begins"),
        (
            work.fresh_tokens / reading,
            f"to read {work.fresh_tokens:,} tokens at {_rate(reading)} tokens/s",
        ),
        (
            written / writing,
            f"to write {written:,.0f} tokens at {_rate(writing)} tokens/s",
        ),
    )
    whole = sum(seconds for seconds, _ in parts)
    named = [(seconds, what) for seconds, what in parts if seconds > whole / 10]
    if len(named) == 1:
        return f"about {told(named[0][0])} {named[0][1]}"
    listed = ", ".join(f"{told(seconds)} {what}" for seconds, what in named)
    return f"about {told(whole)} ({listed})"


def told(seconds: float) -> str:
    """Seconds with as many digits as mean something."""
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def _rate(tokens: float) -> str:
    return f"{tokens:,.0f}" if tokens >= 10 else f"{tokens:.2g}"
