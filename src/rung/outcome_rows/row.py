"""One row of a file of outcomes, what may stand in it, and what is said of what may not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, ValidationError

from rung.core.errors import RequestError

EXAMPLE: Final = '{"query_id": "q1", "model": "cheap", "correct": 1, "cost_usd": 0.001}'

MOST_USD: Final = 1e6
"""A call that cost more is a mistake of units."""

MOST_SECONDS: Final = 1e7
MOST_TOKENS: Final = 1e9
MOST_WEIGHT: Final = 1e9
MOST_SAMPLES: Final = 10_000
LONGEST_NAME: Final = 1000

Name = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]
Share = Annotated[float, Meta(ge=0, le=1)] | bool | None
Tokens = Annotated[float, Meta(ge=0, le=MOST_TOKENS)] | None


class Row(Struct, gc=False):
    """What one model made of one query. ``None`` is not known.

    ``correct`` is 0..1, or ``None`` where it was not observed. ``sample`` counts the draws of one
    model on one query from 0. ``tokens_cached`` are inside ``tokens_in``. ``prompt``, ``category``
    and ``weight`` are the query's.
    """

    query_id: Name | int
    model: Name
    correct: Share
    category: str | None = None
    cost_usd: Annotated[float, Meta(ge=0, le=MOST_USD)] | None = None
    tokens_in: Tokens = None
    tokens_out: Tokens = None
    tokens_cached: Tokens = None
    latency_s: Annotated[float, Meta(ge=0, le=MOST_SECONDS)] | None = None
    confidence: Annotated[float, Meta(ge=0, le=1)] | None = None
    accepted: Share = None
    answer: Any = None
    sample: Annotated[int, Meta(ge=0, le=MOST_SAMPLES)] | None = None
    prompt: str | None = None
    weight: Annotated[float, Meta(gt=0, le=MOST_WEIGHT)] | None = None


class Kind(StrEnum):
    """What a column holds, for formats that have types."""

    NAME = "name"
    TEXT = "text"
    SHARE = "share"
    NUMBER = "number"
    WHOLE = "whole"
    ANYTHING = "anything"


COLUMNS: Final[Mapping[str, Kind]] = {
    "query_id": Kind.NAME,
    "model": Kind.TEXT,
    "correct": Kind.SHARE,
    "category": Kind.TEXT,
    "cost_usd": Kind.NUMBER,
    "tokens_in": Kind.NUMBER,
    "tokens_out": Kind.NUMBER,
    "tokens_cached": Kind.NUMBER,
    "latency_s": Kind.NUMBER,
    "confidence": Kind.NUMBER,
    "accepted": Kind.SHARE,
    "answer": Kind.ANYTHING,
    "sample": Kind.WHOLE,
    "prompt": Kind.TEXT,
    "weight": Kind.NUMBER,
}
"""Every column, in the order in which they are written."""

NEEDED: Final = ("query_id", "model", "correct")

_SHARE: Final = "must be a number from 0 to 1, true or false, or null where it is not known"
_TOKENS: Final = f"must be a number from 0 to {MOST_TOKENS:,.0f}, or null"
_MUST: Final[Mapping[str, str]] = {
    "query_id": f"must be a text of 1 to {LONGEST_NAME} characters, or a whole number",
    "model": f"must be a text of 1 to {LONGEST_NAME} characters",
    "correct": _SHARE,
    "category": "must be a text, or null",
    "cost_usd": f"must be a number from 0 to {MOST_USD:,.0f}, in US dollars, or null",
    "tokens_in": _TOKENS,
    "tokens_out": _TOKENS,
    "tokens_cached": _TOKENS,
    "latency_s": f"must be a number from 0 to {MOST_SECONDS:,.0f}, in seconds, or null",
    "confidence": "must be a number from 0 to 1, or null",
    "accepted": _SHARE,
    "answer": "must be a text or any JSON value, no number beyond measure",
    "sample": f"must be a whole number from 0 to {MOST_SAMPLES:,}",
    "prompt": "must be a text, or null",
    "weight": f"must be a number above 0, {MOST_WEIGHT:,.0f} at the most, or null",
}
_FIELD: Final = re.compile(r"`\$\.(\w+)|required field `(\w+)`")


def must(name: str) -> str:
    """What a column has to hold, for errors."""
    return _MUST[name]


def fault(error: ValidationError, place: str) -> RequestError:
    """What is wrong with a row, in words."""
    found = _FIELD.search(str(error))
    if found is None:
        return RequestError(f"{place} is no JSON object.", fix=f"one a line, as in {EXAMPLE}")
    name = found[1] or found[2]
    if name in {"query_id", "model"}:
        said = f"{place} needs `query_id` and `model`: `{name}` {must(name)}."
    elif found[2]:
        said = f"{place}: `{name}` {must(name)}; it is missing."
    else:
        said = f"{place}: `{name}` {must(name)}."
    return RequestError(said, param=name, fix=f"as in {EXAMPLE}")
