"""What a call used, who counted it, and the price that it was billed by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final


class UsageSource(StrEnum):
    """Who counted the tokens."""

    PROVIDER = "provider"
    ESTIMATED = "estimated"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counters of one call. Cached and written tokens are *inside* ``input_tokens``.

    ``cache_write_1h_tokens``, inside ``cache_write_tokens``, are kept for an hour and cost more.
    ``image_tokens`` and ``audio_tokens`` are inside the input too, ``audio_output_tokens`` and
    ``image_output_tokens`` inside the output. ``server_tools`` counts uses of tools that the
    provider ran and bills by the piece: searches of the web, and the ``file_searches`` among them.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.NONE
    cache_write_1h_tokens: int = 0
    image_tokens: int = 0
    server_tools: int = 0
    audio_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    file_searches: int = 0


NO_USAGE: Final = Usage()


@dataclass(frozen=True, slots=True)
class Price:
    """The price used for one attempt, in nano-dollars per million tokens, with where it came from.

    ``None`` stands for the price of other input or output. A search is priced by the piece.
    ``tiered`` says that the source has further rules (context steps) which the amount of an attempt
    includes and these plain figures do not show.
    """

    source: str
    input_nanousd_per_mtok: int = 0
    output_nanousd_per_mtok: int = 0
    cache_read_nanousd_per_mtok: int | None = None
    cache_write_nanousd_per_mtok: int | None = None
    nanousd_per_second: int = 0
    tiered: bool = False
    cache_write_1h_nanousd_per_mtok: int | None = None
    image_nanousd_per_mtok: int | None = None
    audio_nanousd_per_mtok: int | None = None
    audio_output_nanousd_per_mtok: int | None = None
    image_output_nanousd_per_mtok: int | None = None
    web_search_nanousd: int = 0
    file_search_nanousd: int = 0

    @property
    def free(self) -> bool:
        """Whether no call can cost anything."""
        _, *amounts = _AMOUNTS(self)
        return not any(amounts)


_AMOUNTS = attrgetter(*Price.__match_args__)
