"""Exact sums over token counters: integers scaled by a million, rounded once at the end."""

from __future__ import annotations

from typing import NamedTuple

from rung.core.types import Usage

MOST_TOKENS = 10**9
"""A counter above this is a lying server's; capped, so that no sum of costs can overflow."""


class Rates(NamedTuple):
    """Nano-dollars per million tokens, for prompts of more than ``above`` tokens."""

    above: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int


class Counts(NamedTuple):
    """Sane counters: none negative, none absurd, cached tokens inside the input.

    ``write_1h`` is inside ``write``.
    """

    input: int
    output: int
    read: int
    write: int
    reasoning: int
    write_1h: int = 0


def counts_of(usage: Usage) -> Counts:
    """The counters of one call, made sane."""
    read, write = sane(usage.cache_read_tokens), sane(usage.cache_write_tokens)
    output = sane(usage.output_tokens)
    return Counts(
        # Some servers count cached tokens beside the prompt: what was read was also sent.
        input=max(sane(usage.input_tokens), read + write),
        output=output,
        read=read,
        write=write,
        reasoning=min(sane(usage.reasoning_tokens), output),
        write_1h=min(sane(usage.cache_write_1h_tokens), write),
    )


def sane(tokens: int) -> int:
    """A counter within what a call can be."""
    return min(max(tokens, 0), MOST_TOKENS)


def scaled_cost(rates: Rates, counts: Counts) -> int:
    """Nano-dollars times a million."""
    uncached = counts.input - counts.read - counts.write
    return (
        uncached * rates.input
        + counts.read * rates.cache_read
        + (counts.write - counts.write_1h) * rates.cache_write
        + counts.write_1h * rates.cache_write_1h
        + counts.output * rates.output
    )


def half_even(dividend: int, divisor: int) -> int:
    """The nearest whole quotient of two non-negative numbers, ties to even."""
    whole, rest = divmod(dividend, divisor)
    return whole + (2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1))


def scaled_worst(rates: Rates, input_tokens: int, output_tokens: int, *, hour: bool) -> int:
    """The most that so many tokens can cost, cached or not; nano-dollars times a million.

    ``hour``: what is written to a cache may be kept for an hour.
    """
    dearest = max(rates.input, rates.cache_read, rates.cache_write)
    if hour:
        dearest = max(dearest, rates.cache_write_1h)
    return sane(input_tokens) * dearest + sane(output_tokens) * rates.output
