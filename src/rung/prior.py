"""The prior that ships with rung: where training may start from. docs/route_prior.md is its card.

It knows by a hash which requests it was fitted on, so that it is never measured on them.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from zlib import crc32

from rung.core.chances import Chances, Traits
from rung.core.traits import FACTS

FILE = "route_prior.json"
MARK_BYTES = 3
MOST_SHARED = 0.01
"""Of the requests that it is to be used on: with more it was fitted on them, or on like ones."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A model to start from, and marks of the requests that it was fitted on."""

    chances: Chances
    seen: frozenset[bytes] = field(repr=False)

    def shared(self, requests: Iterable[Traits]) -> int:
        """How many of these it was fitted on; one in 2,000 is taken for it by chance."""
        return sum(mark(each) in self.seen for each in requests)


def shipped_prior() -> Prior:
    """Read it from the package."""
    stored = json.loads(files("rung").joinpath(FILE).read_text("utf-8"))
    weights = {int(trait): weight for trait, weight in stored["weights"].items()}
    packed = b64decode(stored["seen"])
    marks = (packed[at : at + MARK_BYTES] for at in range(0, len(packed), MARK_BYTES))
    return Prior(Chances(stored["base"], weights), frozenset(marks))


def packed(requests: Iterable[Traits]) -> str:
    """Marks of requests, as they are stored."""
    return b64encode(b"".join(sorted({mark(each) for each in requests}))).decode()


def mark(traits: Traits) -> bytes:
    """A short hash of the traits of a request's words: what it is taken for may come to change."""
    return crc32(repr([trait for trait in traits if trait >= FACTS]).encode()).to_bytes(4, "big")[
        :MARK_BYTES
    ]
