"""How an answer grows: what one event of a provider's stream brought."""

from __future__ import annotations

from dataclasses import dataclass

from rung.core.types import Usage


@dataclass(frozen=True, slots=True)
class CallGrowth:
    """More of one tool call. ``index`` tells calls apart; ``name`` comes whole, with the first."""

    index: int
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """The answer grew.

    ``text`` is new plain text, ``thinking`` what the model thinks aside. ``raw`` is the provider's
    own event or events in its ``dialect``, framed for a stream, so that a caller of the same
    dialect gets them unchanged; empty where there are none. ``usage`` is what is known so far, for
    calls that never end. ``final`` says that the answer is told to be complete with it, or was
    before: clients act on that, so it may leave only once the answer is accepted.
    """

    text: str = ""
    thinking: str = ""
    calls: tuple[CallGrowth, ...] = ()
    raw: bytes = b""
    dialect: str = ""
    usage: Usage | None = None
    final: bool = False

    def joined(self, later: Delta) -> Delta | None:
        """Both as one; ``None`` where an outlet may have to part them, or their order would go.

        Tool calls and what is final may be kept while the text before them leaves.
        """
        if self.final or later.final or self.calls or later.calls:
            return None
        if self.dialect != later.dialect or bool(self.raw) != bool(later.raw):
            return None
        if self.text and later.thinking:
            return None
        return Delta(
            self.text + later.text,
            self.thinking + later.thinking,
            raw=self.raw + later.raw,
            dialect=self.dialect,
            usage=later.usage or self.usage,
        )
