"""Token counters as providers tell them: numbers to be believed, or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rung.core.types import Usage, UsageSource

MOST_TOKENS = 10**8
"""A count beyond it is no count: ten times what the longest windows hold."""


def count(value: Any) -> int | None:
    """A counter; ``None`` for what is none. A whole number may come as a float."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_TOKENS:
        return None
    return value


@dataclass(slots=True)
class Inside:
    """Reads the counters that stand inside others, by their path.

    ``absurd``: one of them is there and is no count, so that what is left cannot be all.
    """

    told: dict[str, Any]
    absurd: bool = False

    def at(self, *path: str) -> int:
        """One counter; 0 where there is none."""
        value: Any = self.told
        for name in path:
            # No `Mapping`, to ask for which takes longer than all the rest: JSON's are dicts.
            if not isinstance(value, dict):
                self.absurd = True
                return 0
            value = value.get(name)
            if value is None:
                return 0
        found = count(value)
        if found is None:
            self.absurd = True
        return found or 0


@dataclass(slots=True)
class Tally:
    """The counters of one call before they are made to agree with each other.

    A part that is greater than its whole was counted beside it, as some servers do: then the whole
    grows, since what was billed twice can be disputed and what was not billed is never found. Such
    counts are flagged as estimated. ``searches`` include ``file_searches``.
    """

    read: int
    written: int
    inside: Inside = field(repr=False)
    cached: int = 0
    created: int = 0
    created_1h: int = 0
    thought: int = 0
    images: int = 0
    audio: int = 0
    spoken: int = 0
    drawn: int = 0
    searches: int = 0
    file_searches: int = 0

    def usage(self) -> Usage:
        """The counters of the call, each part within its whole."""
        self._grow()
        images = min(self.images, self.read)
        spoken = min(self.spoken, self.written)
        return Usage(
            input_tokens=self.read,
            output_tokens=self.written,
            cache_read_tokens=self.cached,
            cache_write_tokens=self.created,
            reasoning_tokens=self.thought,
            source=UsageSource.ESTIMATED if self.inside.absurd else UsageSource.PROVIDER,
            cache_write_1h_tokens=self.created_1h,
            image_tokens=images,
            server_tools=self.searches,
            audio_tokens=min(self.audio, self.read - images),
            audio_output_tokens=spoken,
            image_output_tokens=min(self.drawn, self.written - spoken),
            file_searches=self.file_searches,
        )

    def _grow(self) -> None:
        if self.created_1h > self.created:
            self.created, self.inside.absurd = self.created_1h, True
        if self.cached > self.read:
            self.read, self.inside.absurd = self.read + self.cached, True
        if self.cached + self.created > self.read:
            self.read, self.inside.absurd = self.read + self.created, True
        if self.thought > self.written:
            self.written, self.inside.absurd = self.written + self.thought, True
        media = self.images + self.audio > self.read or self.spoken + self.drawn > self.written
        self.inside.absurd = self.inside.absurd or media


def beyond(tally: Tally, total: int | None) -> None:
    """Add what a total has that neither side has: thoughts that some servers count beside.

    What nobody explains counts as written, the dearer side, and the counts as estimated.
    """
    rest = 0 if total is None else total - tally.read - tally.written
    if rest <= 0:
        return
    if tally.cached > tally.read and rest >= tally.cached:
        # Cached tokens beside the prompt; `Tally` adds them.
        rest -= tally.cached
    if rest != tally.thought:
        tally.inside.absurd = tally.inside.absurd or rest > 0
    tally.written += rest
