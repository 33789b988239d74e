"""Exact sums over token counters: integers scaled by a million, rounded once at the end."""

from __future__ import annotations

from typing import NamedTuple

from rung.core.features import Beyond
from rung.core.money import MTOK
from rung.core.types import Price, Usage

MOST_TOKENS = 10**9
"""A counter above this is a lying server's; capped, so that no sum of costs can overflow."""


class Rates(NamedTuple):
    """Nano-dollars per million tokens, for prompts of more than ``above`` tokens.

    Searches are nano-dollars each.
    """

    above: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    image: int
    audio: int
    audio_output: int
    image_output: int
    web_search: int = 0
    file_search: int = 0


class Counts(NamedTuple):
    """Sane counters: none negative, none absurd, cached tokens inside the input.

    ``write_1h`` is inside ``write``, ``image`` and ``audio`` together are inside the input that was
    neither read from a cache nor written to one, as far as there is that much of it.
    """

    input: int
    output: int
    read: int
    write: int
    reasoning: int
    write_1h: int = 0
    image: int = 0
    audio: int = 0
    audio_output: int = 0
    image_output: int = 0
    web_searches: int = 0
    file_searches: int = 0


def rates_of(price: Price) -> Rates:
    """The rates of a price that has no steps."""
    sent, said = price.input_nanousd_per_mtok, price.output_nanousd_per_mtok
    written = _or(price.cache_write_nanousd_per_mtok, sent)
    return Rates(
        above=0,
        input=sent,
        output=said,
        cache_read=_or(price.cache_read_nanousd_per_mtok, sent),
        cache_write=written,
        cache_write_1h=_or(price.cache_write_1h_nanousd_per_mtok, written),
        image=_or(price.image_nanousd_per_mtok, sent),
        audio=_or(price.audio_nanousd_per_mtok, sent),
        audio_output=_or(price.audio_output_nanousd_per_mtok, said),
        image_output=_or(price.image_output_nanousd_per_mtok, said),
        web_search=price.web_search_nanousd,
        file_search=price.file_search_nanousd,
    )


def _or(figure: int | None, otherwise: int) -> int:
    return otherwise if figure is None else figure


def counts_of(usage: Usage) -> Counts:
    """The counters of one call, made sane."""
    read, write = sane(usage.cache_read_tokens), sane(usage.cache_write_tokens)
    output = sane(usage.output_tokens)
    # Some servers count cached tokens beside the prompt: what was read was also sent.
    sent = max(sane(usage.input_tokens), read + write)
    # Nobody tells what of a cache was pictures: the dearer price is taken for as much as may be.
    audio = min(sane(usage.audio_tokens), sent - read - write)
    spoken = min(sane(usage.audio_output_tokens), output)
    files = min(usage.file_searches, usage.server_tools)
    return Counts(
        input=sent,
        output=output,
        read=read,
        write=write,
        reasoning=min(sane(usage.reasoning_tokens), output),
        write_1h=min(sane(usage.cache_write_1h_tokens), write),
        image=min(sane(usage.image_tokens), sent - read - write - audio),
        audio=audio,
        audio_output=spoken,
        image_output=min(sane(usage.image_output_tokens), output - spoken),
        web_searches=sane(usage.server_tools - files),
        file_searches=sane(files),
    )


def sane(tokens: int) -> int:
    """A counter within what a call can be."""
    return min(max(tokens, 0), MOST_TOKENS)


def scaled_cost(rates: Rates, counts: Counts) -> int:
    """Nano-dollars times a million."""
    plain = counts.input - counts.read - counts.write
    scaled = (
        plain * rates.input
        + counts.read * rates.cache_read
        + (counts.write - counts.write_1h) * rates.cache_write
        + counts.write_1h * rates.cache_write_1h
        + counts.output * rates.output
    )
    if any(counts[_FIRST_ODD:]):
        scaled += _odd(rates, counts)
    return scaled


_FIRST_ODD = Counts._fields.index("image")


def _odd(rates: Rates, counts: Counts) -> int:
    """What pictures, sound and searches cost beyond plain text; nano-dollars times a million."""
    return (
        counts.image * (rates.image - rates.input)
        + counts.audio * (rates.audio - rates.input)
        + counts.audio_output * (rates.audio_output - rates.output)
        + counts.image_output * (rates.image_output - rates.output)
        + (counts.web_searches * rates.web_search + counts.file_searches * rates.file_search) * MTOK
    )


def half_even(dividend: int, divisor: int) -> int:
    """The nearest whole quotient of two non-negative numbers, ties to even."""
    whole, rest = divmod(dividend, divisor)
    return whole + (2 * rest > divisor or (2 * rest == divisor and whole % 2 == 1))


def scaled_worst(
    rates: Rates, input_tokens: int, output_tokens: int, *, hour: bool, beyond: Beyond
) -> int:
    """The most that so many tokens can cost, cached or not; nano-dollars times a million.

    ``hour``: what is written to a cache may be kept for an hour.
    """
    sent = [rates.input, rates.cache_read, rates.cache_write]
    said = [rates.output]
    if hour:
        sent.append(rates.cache_write_1h)
    if beyond.media:
        sent += (rates.image, rates.audio)
        said += (rates.audio_output, rates.image_output)
    searches = sane(beyond.searches) * max(rates.web_search, rates.file_search) * MTOK
    return sane(input_tokens) * max(sent) + sane(output_tokens) * max(said) + searches
