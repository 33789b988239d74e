"""Taking out of texts what should be kept nowhere: keys, cards, accounts, addresses, ids, data.

What is found is replaced by its kind, as closely around it as can be told. A text in which
something is still found after that is replaced as a whole: what stays was looked at, and is clean
as far as `sensitive` sees. It is no more than that: what nobody has a detector for stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from rung.core.sensitive import find
from rung.core.sensitive_keys import PAIR
from rung.core.sensitive_kinds import Kind

MOST_FINDINGS: Final = 200
"""So many findings of one text are looked for to the word; of those beyond whole pieces go."""

MOST_BETWEEN: Final = 5
"""So many findings may stand across pieces; with more the text goes as a whole."""

PIECE: Final = 1000
"""Characters in which a finding is looked for to the word."""

DEEPEST: Final = 100

_PRIVATE_KEY: Final = re.compile(
    r"-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}.*?"
    r"(?:-{4,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}|\Z)",
    re.DOTALL,
)
_DATA: Final = re.compile(r"(?:data:[^,\s]{0,200},)?[A-Za-z0-9+/_=\-\r\n]{400,}")
"""Pictures, sound and files as text: nobody can look into them here."""

_DIGITS_ON: Final = re.compile(r"(?:[ .\-/]?\d)+")

Find = Callable[[str], Kind | None]


def _found(text: str) -> Kind | None:
    found = find(text)
    return None if found is None else found.kind


def redacted(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without ``secrets`` and without what is found in it."""
    for secret in secrets:
        if secret and secret in text:
            text = text.replace(secret, _mark(Kind.KEYS))
    if _DATA.fullmatch(text):
        return f"[{len(text)} characters of data left out]"
    text = _PRIVATE_KEY.sub(_mark(Kind.KEYS), text)
    if _found(text) is None:
        return text
    whole = _by_pieces(text, [], MOST_FINDINGS)
    # What stands across two pieces is found in neither.
    return _narrowed(whole, [], MOST_BETWEEN)


def redacted_json(value: Any, secrets: Sequence[str] = (), depth: int = 0) -> Any:
    """The same of every text in a JSON value, its names among them."""
    if depth > DEEPEST:
        return "[left out: too deep]"
    match value:
        case str():
            return redacted(value, secrets)
        case Mapping():
            return dict(_pairs(value, secrets, depth + 1))
        case list() | tuple():
            return [redacted_json(each, secrets, depth + 1) for each in value]
        case int() if abs(value) >= 10**11 and not isinstance(value, bool):
            # As long as a card's number.
            text = redacted(str(value), secrets)
            return value if text == str(value) else text
        case _:
            return value


def _pairs(
    value: Mapping[Any, Any], secrets: Sequence[str], depth: int
) -> Iterator[tuple[str, Any]]:
    for name, each in value.items():
        told = redacted_json(each, secrets, depth)
        if isinstance(told, str) and (kind := _found(f"{name}{PAIR}{told}")) is not None:
            # Named a password, it is one.
            told = _mark(kind)
        yield redacted(str(name), secrets), told


def _mark(kind: Kind) -> str:
    return f"[redacted: {kind.value}]"


def _by_pieces(text: str, findings: list[Kind], most: int) -> str:
    """The text without what is found in each piece of it, which is noted in ``findings``."""
    if _found(text) is None:
        return text
    cut = _middle(text)
    if cut is None:
        return _narrowed(text, findings, most)
    return _by_pieces(text[:cut], findings, most) + _by_pieces(text[cut:], findings, most)


def _middle(text: str) -> int | None:
    """Where a long text can be parted: between lines, else between words."""
    half = len(text) // 2
    if len(text) > PIECE:
        for space in "\n ":
            for cut in (text.find(space, half), text.rfind(space, 1, half)):
                if 0 < cut < len(text):
                    return cut
    return None


def _narrowed(text: str, findings: list[Kind], most: int) -> str:
    """The text with what is found in it replaced, as a whole once there is too much of it."""
    while (kind := _found(text)) is not None:
        findings.append(kind)
        if len(findings) > most:
            return _mark(kind)
        start, end = _place(text)
        text = text[:start] + _mark(kind) + text[end:]
    return text


def _place(text: str) -> tuple[int, int]:
    """Where the first finding stands, with the words that it begins and ends in.

    Cut off behind a finding a text has it, before its end it has not: so its end is found by
    halves, and its beginning likewise.
    """
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _found(text[:middle]) is not None else (middle, high)
    end = _word_end(text, high)
    low, high = 0, end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _found(text[middle:end]) is not None else (low, middle)
    return _word_start(text, low), end


def _word_end(text: str, end: int) -> int:
    while end < len(text) and not text[end].isspace():
        end += 1
    # Numbers are written in groups, and a part of one may be a number too.
    if text[end - 1 : end].isdigit() and (more := _DIGITS_ON.match(text, end)) is not None:
        return more.end()
    return end


def _word_start(text: str, start: int) -> int:
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    return start
