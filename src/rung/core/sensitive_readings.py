"""The ways in which a text can be read, so that no spelling hides what stands in it.

Look-alike characters become plain ones, invisible ones are left out; escapes of JSON, of addresses
and of HTML are opened; base64 is opened one level deep. Each pass takes time in proportion to the
text, whatever the text is.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from urllib.parse import unquote

APART = "\n\x1f\n"
"""Stands between texts that are read together: nothing that is looked for goes across it."""

_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u30fc"
_TAGS = range(0xE0020, 0xE007F)
"""Invisible twins of ASCII, which models read all the same."""

_PLANES = (range(0x80, 0xD800), range(0xE000, 0x20000), range(0xE0000, 0xE0200))
"""Where Unicode has characters that stand for others; beyond are ideographs and private ones."""

_MOST_FOLDED = 8
"""Characters that one stands for. Longer ones are Arabic phrases, which hide nothing."""

_RARE = 10
"""Of so many characters of a text at most one is a control character."""

_HIDDEN = "\u034f\u115f\u1160\u3164\uffa0"
_MARKS = (
    *(range(0x300, 0x370), range(0x1AB0, 0x1B00), range(0x1DC0, 0x1E00)),
    *(range(0x20D0, 0x2100), range(0xFE00, 0xFE10), range(0xFE20, 0xFE30)),
)
"""What is drawn over the character before it, and what chooses how that is drawn."""

_ESCAPE = re.compile(
    r"(?<!\\)\\++(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|([nrtbf])|(?=[\"'/]))"
)
_PERCENT = re.compile("%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(r"&(?:#|commat|period|colon|hyphen|dash|nbsp|lowbar|equals|num)")
_BEYOND_ASCII = re.compile("[^\x00-\x7f]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{12,}+")
_LINE = 60
_ENCODED_LINES = re.compile(r"(?:[A-Za-z0-9+/]{60,76}\r?\n)++[A-Za-z0-9+/]*+")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]")
_URL_SAFE = str.maketrans("-_", "+/")


def readings(text: str) -> Iterator[str]:
    """``text`` as it stands, made plain, with its escapes opened, and what its base64 says."""
    plain = tidy(text)
    yield plain
    opened = _opened(plain)
    if opened is not plain:
        opened = tidy(opened)
        yield opened
    inside = APART.join(_decoded(opened))
    if inside:
        plain = tidy(inside)
        yield plain
        opened = _opened(plain)
        if opened is not plain:
            yield tidy(opened)


def tidy(text: str) -> str:
    """``text`` in plain characters: digits and letters of other styles in ASCII's, no hidden ones.

    As NFKC does, but character by character: putting long runs of accents into their order takes
    quadratic time, and means nothing here.
    """
    if text.isascii():
        return text
    plain = _folding()
    return _BEYOND_ASCII.sub(lambda found: found[0].translate(plain), text)


def prepared() -> None:
    """Make ready what the first text with an unusual character would have to wait for."""
    _folding()


def as_text(data: bytes) -> str | None:
    """What ``data`` says if it is text, in UTF-8 or UTF-16; ``None`` for anything else."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        codecs: tuple[str, ...] = ("utf-16",)
    elif b"\0" in data[:64]:
        codecs = ("utf-16-le", "utf-16-be")
    else:
        codecs = ("utf-8-sig",)
    for codec in codecs:
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        if _is_text(text):
            return text
    return None


def debased(encoded: str) -> bytes | None:
    """The bytes that base64 of either alphabet stands for, with or without its padding."""
    bare = encoded.rstrip("=").translate(_URL_SAFE)
    if len(bare) % 4 == 1:
        bare = bare[:-1]
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        return None


def _opened(text: str) -> str:
    """The text without its escapes; the very same object where it has none."""
    opened = text
    if "\\" in opened:
        opened = _ESCAPE.sub(_unescaped, opened)
        if _SURROGATE.search(opened):
            opened = opened.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if "%" in opened and _PERCENT.search(opened):
        opened = unquote(opened)
    if "&" in opened and _ENTITY.search(opened):
        opened = html.unescape(opened)
    return text if opened == text else opened


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    if code is None:
        return "\n" if found[4] else ""
    number = int(code, 16)
    return chr(number) if number <= 0x10FFFF else " "


def _decoded(text: str) -> Iterator[str]:
    """What runs of base64 say, where that is text."""
    whole_line = False
    for found in _ENCODED.finditer(text):
        whole_line = whole_line or found.end() - found.start() >= _LINE
        yield from _said(found[0])
    if whole_line:
        for found in _ENCODED_LINES.finditer(text):
            yield from _said("".join(found[0].split()))


def _said(encoded: str) -> Iterator[str]:
    data = debased(encoded)
    said = None if data is None else as_text(data)
    if said is not None:
        yield said


def _is_text(text: str) -> bool:
    return bool(text) and len(_CONTROL.findall(text)) * _RARE <= len(text)


@cache
def _folding() -> dict[int, str]:
    """What characters stand for others, by their codes. Takes 60 ms."""
    plain = dict.fromkeys(_DASHES, "-")
    for plane in _PLANES:
        for code in plane:
            char = chr(code)
            if char not in plain and (said := _stands_for(char)) != char:
                plain[char] = said
    plain |= dict.fromkeys(_HIDDEN, "") | {"\u2800": " "}
    plain |= {chr(code): "" for marks in _MARKS for code in marks}
    plain |= {chr(code): chr(code - 0xE0000) for code in _TAGS}
    return str.maketrans(plain)


def _stands_for(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Cf":
        return ""
    if category == "Zs":
        return " "
    folded = unicodedata.normalize("NFKC", char)
    # Letters of other scripts stay what they are: nothing that is looked for is written in them.
    short = len(folded) <= _MOST_FOLDED and any(one.isascii() and one.isalnum() for one in folded)
    return folded if short or (len(folded) == 1 and folded.isascii()) else char
