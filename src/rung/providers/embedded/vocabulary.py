"""Which texts a model's tokenizer takes for control tokens, and how to keep them out of a prompt.

llama.cpp renders a chat into one text and tokenizes that with its control tokens: ``<|im_end|>``
inside a message would end the message, and what follows could pose as another role. Sources: the
GGUF specification (ggml, docs/gguf.md) and ``tokenizer_st_partition`` in llama.cpp's
src/llama-vocab.cpp.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

TOKENS = "tokenizer.ggml.tokens"
KINDS = "tokenizer.ggml.token_type"
TEMPLATE = "tokenizer.chat_template"

UNKNOWN, CONTROL, USER_DEFINED = 2, 3, 4

SPLICE = " "
"""Put after a mark's first character. Visible, so that nobody has to wonder why a quotation of such
a mark is no longer one."""

_FENCED = re.compile(r"<[|\uff5c].*[|\uff5c]>", re.DOTALL)
"""llama.cpp makes some tokens of this shape control tokens whatever the file says of them."""

_NUMBERS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9

MOST_ENTRIES = 1 << 24
LONGEST_STRING = 1 << 24


class VocabularyError(ValueError):
    """The file's vocabulary cannot be read, so nothing can be kept out of it."""


class Marks:
    """The texts of a vocabulary that must not come from a message."""

    def __init__(self, texts: Sequence[str]) -> None:
        # Without spaces at their ends, or taking one apart could put it together again.
        bare = {text.strip(SPLICE) for text in texts}
        known = sorted((text for text in bare if len(text) > 1), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def broken(self, text: str) -> str:
        """``text`` with every mark in it taken apart; the same where there is none."""
        pattern = self._pattern
        # Taking one apart can leave another that overlapped it.
        while pattern is not None and pattern.search(text):
            text = pattern.sub(lambda found: f"{found[0][0]}{SPLICE}{found[0][1:]}", text)
        return text


def marks_of(path: Path) -> Marks:
    """The marks of a GGUF file's vocabulary. Raises VocabularyError or OSError."""
    with path.open("rb") as file:
        try:
            told = _metadata(file)
        except (struct.error, UnicodeError, KeyError, RecursionError, MemoryError):
            raise VocabularyError(f"{path} is no GGUF file that can be understood") from None
    tokens, kinds = told.get(TOKENS), told.get(KINDS)
    if not isinstance(tokens, list) or not isinstance(kinds, list) or len(tokens) != len(kinds):
        raise VocabularyError(f"{path} does not say which of its tokens control the model")
    template = str(told.get(TEMPLATE, ""))
    pairs = zip(cast("list[str]", tokens), kinds, strict=True)
    return Marks([text for text, kind in pairs if _is_mark(text, kind, template)])


def _is_mark(text: str, kind: object, template: str) -> bool:
    if kind in {UNKNOWN, CONTROL} or _FENCED.fullmatch(text):
        return True
    return kind == USER_DEFINED and bool(text.strip()) and text in template


def _metadata(file: BinaryIO) -> dict[str, object]:
    """The three entries that matter, of those at the head of a GGUF file."""
    magic, version, _, entries = struct.unpack("<4sIQQ", file.read(24))
    if magic != b"GGUF" or version < 2 or entries > MOST_ENTRIES:
        raise VocabularyError("this version of GGUF is not known")
    told: dict[str, object] = {}
    for _ in range(entries):
        key = _string(file)
        value = _value(file, _number(file, "<I"))
        if key in {TOKENS, KINDS, TEMPLATE}:
            told[key] = value
    return told


def _value(file: BinaryIO, kind: int) -> object:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _number(file, _NUMBERS[kind])
    inner, count = _number(file, "<I"), _number(file, "<Q")
    if count > MOST_ENTRIES:
        raise VocabularyError("an array is longer than any vocabulary")
    if inner in {_STRING, _ARRAY}:
        return [_value(file, inner) for _ in range(count)]
    each = _NUMBERS[inner]
    data = file.read(count * struct.calcsize(each))
    return list(struct.unpack(f"<{count}{each[1]}", data))


def _string(file: BinaryIO) -> str:
    length = _number(file, "<Q")
    if length > LONGEST_STRING:
        raise VocabularyError("a text is longer than any token or template")
    data = file.read(length)
    if len(data) < length:
        raise VocabularyError("it ends early")
    return data.decode("utf-8", "replace")


def _number(file: BinaryIO, layout: str) -> int:
    (value,) = struct.unpack(layout, file.read(struct.calcsize(layout)))
    return cast("int", value)
