"""Numbers that look random and are the same each time, so that what was drawn can be replayed."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draw that was made for a rule: it applies to a ``share`` (0..1) of its requests."""

    rule: str
    share: float
    chosen: bool


def draw(what: str, seed: int) -> float:
    """A request's own draw (0..1) for one decision; those for other decisions know nothing of it.

    A checksum alone would not do: two that end alike differ by the same bits whatever the seed.
    """
    return mixed_number(crc32(f"{what}/{seed}".encode())) / 2**64


def mixed_number(number: int) -> int:
    """A number that looks random (Steele, Lea and Flood 2014, SplitMix64)."""
    mixed = (number + 1) * 0x9E3779B97F4A7C15 & _MASK
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _MASK
    return mixed ^ mixed >> 31
