"""Keys, tokens and passwords in a text: by their makers' shapes, and by what they are assigned to.

Each pattern begins with a literal, so that a text without it costs a search and nothing more; and
none takes more than linear time. What documentation writes in a key's place (a row of x, a
variable's name) is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rung.core.sensitive_readings import debased

PAIR = "\x1e"
"""Stands between a name and its value where a structure is read as text."""

_LONG = 40
_FEWEST_DIFFERENT = 5
_FEWEST_SWITCHES = 3
_FEWEST_OF_CASE = 10
_NAME_CHARACTERS = 24

_ROW_OF_X = re.compile(r"[x*._0-]*", re.IGNORECASE)
_STAND_IN = re.compile(
    r"[<${\[]|%[({]|your|redacted|placeholder|(?:os|env|process|settings|config|vars|self)\.",
    re.IGNORECASE,
)
_PATH_IN_CODE = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]\w*)+")
_ENDS = re.compile(r"""["'`)\]},;]|[.:]\Z""")
"""What ends a value that stands in no quotes."""

_SWITCH = re.compile(r"[0-9](?=[A-Za-z])|[A-Za-z](?=[0-9])")
_SWITCH_OF_CASE = re.compile(r"[0-9](?=[A-Za-z])|[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])")


def has_key(text: str) -> bool:
    """Whether a key, a token or a password stands in ``text``."""
    for shape in _SHAPES:
        if shape.literal in text:
            for found in shape.pattern.finditer(text):
                if shape.holds(found[found.lastindex or 0]):
                    return True
    return _has_assigned(text)


# ------------------------------------------------------------------ what a value has to be


def _filled_in(value: str) -> bool:
    return _ROW_OF_X.fullmatch(value) is None


def _random(value: str) -> bool:
    """Whether digits, or small and capital letters, change too often for words."""
    if _STAND_IN.match(value):
        return False
    cases = len(_SWITCH_OF_CASE.findall(value)) if len(value) >= _LONG else 0
    return len(_SWITCH.findall(value)) >= _FEWEST_SWITCHES or cases >= _FEWEST_OF_CASE


def _no_words(value: str) -> bool:
    """Whether it has a digit, or is long and not in small letters as names of styles are."""
    if not _filled_in(value):
        return False
    digit = any(char.isdigit() for char in value)
    return digit or (len(value) >= _LONG and not value.islower())


def _is_jwt(value: str) -> bool:
    """Whether it begins with the header that makes it one."""
    try:
        told = json.loads(debased(value.split(".", 1)[0]) or b"")
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and ("alg" in told or "enc" in told)


def _is_login(value: str) -> bool:
    """Whether it is the base64 of a name and a password."""
    said = debased(value) or b""
    name, _, password = said.partition(b":")
    return bool(name and password) and said.isascii() and said.decode().isprintable()


def _is_login_of_address(value: str) -> bool:
    """Whether it is a password, and not the word for one that documentation writes."""
    word = value.lower() in {"pass", "password", "passwd", "pwd", "secret", "pw", "token", "port"}
    return not word and _filled_in(value) and _STAND_IN.match(value) is None


def _any(_: str) -> bool:
    return True


# ------------------------------------------------------------------ by the maker's shape


@dataclass(frozen=True, slots=True)
class _Shape:
    """A pattern that begins with ``literal``; ``holds`` looks at what its last group matched."""

    literal: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool]


def _shape(
    literal: str, rest: str, holds: Callable[[str], bool] = _filled_in, before: str = "A-Za-z0-9"
) -> _Shape:
    """``before`` are the characters that may not stand before it."""
    start = re.escape(literal)
    if before:
        # After the literal, so that the search can look for that first.
        start += f"(?<![{before}]{re.escape(literal)})"
    return _Shape(literal, re.compile(start + rest), holds)


_ALNUM = "[A-Za-z0-9]"
_WORDY = "[A-Za-z0-9_-]"

_PREFIXES = (
    ("gh", f"[pousr]_({_ALNUM}{{30,}}+)"),
    ("github_pat_", "([A-Za-z0-9_]{30,}+)"),
    ("gl", f"(?:pat|oas|dt|rt|cbt|ptt|ft|agent|soat)-({_WORDY}{{20,}}+)"),
    ("xox", "[abeoprs]-([A-Za-z0-9-]{10,}+)"),
    ("AKIA ASIA ABIA ACCA", "([A-Z0-9]{16})(?![A-Za-z0-9])"),
    ("AIza", f"({_WORDY}{{35}})"),
    ("ya29. GOCSPX-", f"({_WORDY}{{20,}}+)"),
    ("sk_ rk_", f"(?:live|test)_({_ALNUM}{{16,}}+)"),
    ("whsec_", "([A-Za-z0-9+/]{24,}+)"),
    ("npm_ hf_ lin_api_ rung_", f"({_ALNUM}{{30,}}+)"),
    ("gsk_ xai- pplx- ntn_", f"({_ALNUM}{{40,}}+)"),
    ("nvapi- ATATT3", f"({_WORDY}{{40,}}+)"),
    ("pypi-AgE", f"({_WORDY}{{40,}}+)"),
    ("hvs. dckr_pat_", f"({_WORDY}{{24,}}+)"),
    ("shp", "(?:at|ss|pa|ca)_([0-9a-f]{32})"),
    ("do", "[opr]_v1_([0-9a-f]{64})"),
    ("PMAK-", "([0-9a-f]{24}-[0-9a-f]{34})"),
    ("NRAK-", "([A-Z0-9]{27})"),
    ("glsa_", "([A-Za-z0-9]{32}_[0-9a-f]{8})"),
    ("SG.", f"({_WORDY}{{16,64}}\\.{_WORDY}{{16,64}})"),
)
"""Makers' prefixes and what follows them.

GitHub's tokens end in a CRC32. It is not asked for: the shape is met nowhere else, and a token of
a generation whose check nobody told opens the same doors.
"""

_SHAPES = (
    *(_shape(prefix, rest) for prefixes, rest in _PREFIXES for prefix in prefixes.split()),
    _shape("sk-", f"({_WORDY}{{20,}}+)", _no_words),
    _shape("xapp-", f"({_WORDY}{{20,}}+)", _random),
    _shape("tvly-", f"({_WORDY}{{20,}}+)", _random),
    *(_shape(start, "([0-9a-f]{32})(?![0-9A-Za-z])", _random) for start in ("key-", "SK", "dapi")),
    _shape("AGE-SECRET-KEY-1", "([A-Z0-9]{50,}+)"),
    _shape("hooks.slack.com/services/", "([A-Za-z0-9/]{20,}+)", before=""),
    _shape("AccountKey=", "([A-Za-z0-9+/]{40,}+)", before=""),
    _shape("SharedAccessKey=", "([A-Za-z0-9+/]{40,}+)", before=""),
    _shape("PRIVATE KEY", "(?: BLOCK)?-{4,5}", _any, before=""),
    _shape("PuTTY-User-Key-File-", "[23]", _any, before=""),
    _shape(
        "://", r"""[^\s:/@"'<>]{0,64}:([^\s@/"'<>]{1,128})@[\w\[.-]""", _is_login_of_address, ""
    ),
    _Shape(
        "eyJ",
        re.compile(f"eyJ(?<!{_WORDY}eyJ){_WORDY}{{8,4000}}+\\.{_WORDY}{{2,}}+\\.{_WORDY}*+"),
        _is_jwt,
    ),
)


# ------------------------------------------------------------------ by what it is assigned to

_SIGN = rf"""["'`\])]{{0,2}}[ \t]{{0,4}}(?::=|=>|==?|[:{PAIR}]|is\b|ist\b)[ \t]{{0,4}}"""
_QUOTED = r""""([^"\n\x1f]{6,200})"|'([^'\n\x1f]{6,200})'|`([^`\n\x1f]{6,200})`"""
_PASSWORD = re.compile(
    rf"(?:pass(?:word|wort|wd|phrase|code|e)?|pwd|kennwort|contrase\xf1a|senha){_SIGN}"
    rf"(?:{_QUOTED}|([^\s\x1e\x1f]{{6,200}}))"
)
_PASSWORD_WORDS = ("pass", "pwd", "kennwort", "contrase\xf1a", "senha")

_OPENS = r"""["'`]?(?:bearer |token )?([a-z0-9+/=_.~-]{16,}+)"""
_TOKENS = tuple(
    (word, re.compile(rf"{word}{_SIGN}{_OPENS}")) for word in ("key", "token", "secret")
)
_OF_KEYS = re.compile(
    r"(?:api|access|secret|private|auth|client|account|encrypt(?:ion)?|signing|master|shared"
    r"|subscription|service|app)[ _.-]?\Z"
)
"""What stands before "key" where a key opens something."""

_SCHEMES = (
    ("bearer ", re.compile("bearer ([a-z0-9+/=_.~-]{16,}+)"), _random),
    ("basic ", re.compile("basic ([a-z0-9+/]{8,}+={0,2})"), _is_login),
)
"""What comes after a scheme of HTTP's Authorization."""


def _has_assigned(text: str) -> bool:
    low = text.lower()
    if len(low) != len(text):
        text = low
    return any(_assigned(low, text))


def _assigned(low: str, text: str) -> Iterator[bool]:
    """Whether each thing that is called a secret looks like one."""
    if any(word in low for word in _PASSWORD_WORDS):
        for found in _PASSWORD.finditer(low):
            place = found.lastindex or 0
            yield _is_password(text[slice(*found.span(place))], quoted=place < 4)
    for word, pattern in _TOKENS:
        for found in pattern.finditer(low) if word in low else ():
            if word != "key" or _opens_something(low, found.start()):
                yield _is_token(text[slice(*found.span(1))])
    for word, pattern, holds in _SCHEMES:
        for found in pattern.finditer(low) if word in low else ():
            yield holds(text[slice(*found.span(1))])


def _opens_something(low: str, place: int) -> bool:
    return _OF_KEYS.search(low[max(0, place - _NAME_CHARACTERS) : place]) is not None


def _is_token(value: str) -> bool:
    return _random(value) and _PATH_IN_CODE.fullmatch(value) is None


def _is_mark(char: str) -> bool:
    return not char.isalnum() and char != "_"


def _is_password(value: str, *, quoted: bool) -> bool:
    """Whether it is a password rather than a word, a sentence or a piece of code."""
    if not quoted:
        value = _ENDS.split(value, maxsplit=1)[0]
    code = not quoted and ("(" in value or "[" in value)
    if code or _STAND_IN.match(value) or _PATH_IN_CODE.fullmatch(value) or " " in value:
        return False
    kinds = (str.islower, str.isupper, str.isdigit, _is_mark)
    mixed = sum(any(map(kind, value)) for kind in kinds)
    digit = any(char.isdigit() for char in value)
    various = len(set(value)) >= _FEWEST_DIFFERENT and len(value) >= 6
    return various and (digit or mixed >= 3)
