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
