"""What of a request is kept to learn from: hashed words of its last turn, its sizes and its kind.

A trait is the number of a bucket. There are so few that each stands for many words and pairs of
words, so that traits tell which requests are alike and not what was said. The same request has the
same traits in every process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from zlib import crc32

from rung.core.features import Features
from rung.core.tasks import Task
from rung.core.turns import last_turn
from rung.core.types import Request

BUCKETS = 2**13
"""With more, held-out outcomes are told apart hardly better; docs/routing_curves.md has figures."""

FACTS = 1024
"""The lowest buckets are of sizes, needs and kinds, all others of words."""

HEAD_CHARS, TAIL_CHARS = 200, 600
"""What is read at both ends of the last turn: what is asked for stands in one of them."""

MOST_WORDS = 200

_OF_WORDS = BUCKETS - FACTS
_MIXER = 0x9E3779B1
"""Makes a pair's number from those of its words (Knuth, The Art of Computer Programming 3, 6.4)."""

_PLAIN = bytes.maketrans(b"123456789", b"000000000")
_WORDS = re.compile(rb"[a-z_\x80-\xff]+|0+|[^\sa-z_0\x80-\xff]")


def traits(request: Request, seen: Features, task: Task | None = None) -> tuple[int, ...]:
    """The buckets of a request, in order, each once.

    Numbers count by their length alone, upper case as lower. ``task`` adds what it was taken for.
    """
    said = last_turn(request).text
    if len(said) > HEAD_CHARS + TAIL_CHARS:
        text = f"{said[:HEAD_CHARS]} {said[-TAIL_CHARS:]}"
    else:
        text = said
    plain = text.lower().encode("utf-8", "replace").translate(_PLAIN)
    words = _WORDS.findall(plain)[-MOST_WORDS:]
    hashes = list(map(crc32, words))
    found = {FACTS + each % _OF_WORDS for each in hashes}
    found.update(
        [FACTS + ((one * _MIXER ^ other) >> 7) % _OF_WORDS for one, other in pairwise(hashes)]
    )
    numbers = sum(word.startswith(b"0") for word in words)
    for fact in _facts(request, seen, task):
        found.add(crc32(fact.encode()) % FACTS)
    for name, size in (("chars", len(said)), ("words", len(words)), ("numbers", numbers)):
        found.add(crc32(f"/{name}/{_size(size)}".encode()) % FACTS)
    return tuple(sorted(found))


def _facts(request: Request, seen: Features, task: Task | None) -> Iterator[str]:
    yield f"/tokens/{_size(seen.input_tokens)}"
    yield f"/messages/{_size(seen.messages)}"
    yield f"/tools/{_size(len(request.tools))}"
    if seen.has_schema:
        yield "/schema"
    for need in seen.needs:
        yield f"/needs/{need.value}"
    if task is not None:
        yield f"/category/{task.category.value}"
        yield f"/difficulty/{task.difficulty.value}"
        yield f"/both/{task.category.value}/{task.difficulty.value}"
        yield f"/language/{task.language}"
        yield f"/code/{task.has_code}"


def _size(count: int) -> int:
    """Half octaves: 0, 1, 2, 3, 4, 6, 8, 12 and so on have numbers of their own."""
    if count < 2:
        return max(count, 0)
    octave = count.bit_length() - 1
    return 2 * octave + (count >> (octave - 1) & 1)
