"""Numbers by which states know people, of digits and letters: see `national_ids`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rung.core.check_digits import weighted
from rung.core.national_ids import is_day, is_fr, is_near, words


@dataclass(frozen=True, slots=True)
class LetterRule:
    """A number with letters.

    ``anchors`` say where in it its first row of two digits or more can stand: how long that row is,
    and how many characters come before it. ``valid`` is given the match without its separators.
    """

    name: str
    anchors: tuple[tuple[int, int], ...]
    pattern: re.Pattern[str]
    valid: Callable[[str], bool]
    words: re.Pattern[str] | None = None


_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_ODD_DIGITS_IT = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ODD_LETTERS_IT = (
    *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18),
    *(20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
)
_ODD_IT = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (*_ODD_DIGITS_IT, *_ODD_LETTERS_IT),
        strict=True,
    )
)
_FI = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_CN = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_MX = "0123456789ABCDEFGHIJKLMN\xd1OPQRSTUVWXYZ"
_NINO_NEVER = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})


def _es(found: str) -> bool:
    digits = found[:-1].translate(str.maketrans("XYZ", "012"))
    return found[-1] == _DNI[int(digits) % 23]


def _it(found: str) -> bool:
    total = sum(map(_ODD_IT.__getitem__, found[:15:2]))
    total += sum(int(char) if char.isdigit() else ord(char) - 65 for char in found[1:15:2])
    return found[15] == chr(65 + total % 26)


def _uk(found: str) -> bool:
    return found[:2] not in _NINO_NEVER


def _fi(found: str) -> bool:
    return is_day(found[:2], found[2:4]) and _FI[int(found[:6] + found[7:10]) % 31] == found[10]


def _cn(found: str) -> bool:
    born = found[6:8] in {"18", "19", "20"} and is_day(found[12:14], found[10:12])
    return born and "10X98765432"[weighted(found, _CN) % 11] == found[17]


def _corsica(found: str) -> bool:
    return is_fr(found.replace("2A", "19").replace("2B", "18"), "")


def _mx(found: str) -> bool:
    total = sum(_MX.index(char) * (18 - place) for place, char in enumerate(found[:17]))
    return str(-total % 10) == found[17]


def _ie(found: str) -> bool:
    extra = ord(found[8]) - 64 if len(found) == 9 and found[8] != "W" else 0
    rest = (weighted(found[:7], range(8, 1, -1)) + 9 * extra) % 23
    return found[7] == ("W" if rest == 0 else chr(64 + rest))


def _cl(found: str) -> bool:
    total = weighted(found[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3, 4))
    return "0K987654321"[total % 11] == found[-1]


def _letters(body: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![0-9A-Za-z]){body}(?![0-9A-Za-z])", re.IGNORECASE)


_MONTH_IT = "[ABCDEHLMPRST]"
_NUMBER_IT = "[0-9LMNPQRSTUV]"

LETTER_RULES = (
    LetterRule("es", ((8, 0),), _letters("[0-9]{8}[ -]?[A-HJ-NP-TV-Z]"), _es),
    LetterRule("es", ((7, 1), (7, 2)), _letters("[XYZ][ -]?[0-9]{7}[ -]?[A-HJ-NP-TV-Z]"), _es),
    LetterRule(
        "it",
        ((2, 6),),
        _letters(
            rf"[A-Z]{{6}}{_NUMBER_IT}{{2}}{_MONTH_IT}{_NUMBER_IT}{{2}}[A-Z]{_NUMBER_IT}{{3}}[A-Z]"
        ),
        _it,
    ),
    LetterRule(
        "uk",
        ((6, 2), (6, 3), (2, 2), (2, 3)),
        # QQ is given to nobody; documents show it in the place of others.
        _letters("(?:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]|QQ)[ -]?(?:[0-9]{2}[ -]?){3}[A-D]"),
        _uk,
    ),
    LetterRule("fi", ((6, 0),), _letters("[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]"), _fi),
    LetterRule("cn", ((17, 0), (18, 0)), _letters("[1-9][0-9]{16}[0-9X]"), _cn),
    LetterRule(
        "fr",
        ((5, 0), (2, 2)),
        _letters("[1-478][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?2[AB][ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}"),
        _corsica,
    ),
    LetterRule("mx", ((6, 4),), _letters("[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]"), _mx),
    LetterRule(
        "ie",
        ((7, 0),),
        _letters("[0-9]{7}[A-W][A-IW]?"),
        _ie,
        words("pps", "ppsn", "pps number", "pps no"),
    ),
    LetterRule("cl", ((2, 0), (3, 2)), _letters(r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9K]"), _cl),
    LetterRule(
        "in",
        ((4, 5),),
        _letters("[A-Z]{3}[ABCFGHJLPT][A-Z][0-9]{4}[A-Z]"),
        lambda _: True,
        words("pan"),
    ),
)
"""All rules on digits and letters."""

_BY_ROW = {
    length: tuple((rule, at) for rule in LETTER_RULES for row, at in rule.anchors if row == length)
    for length in {row for rule in LETTER_RULES for row, _ in rule.anchors}
}
_ROW = re.compile("[0-9]{2,}+")
_SEPARATORS = str.maketrans("", "", " .")


def lettered(text: str) -> Iterator[str]:
    """The names of the rules that something in ``text`` obeys."""
    for row in _ROW.finditer(text):
        start = row.start()
        for rule, at in _BY_ROW.get(row.end() - start, ()):
            found = rule.pattern.match(text, start - at) if start >= at else None
            if found is not None and _obeys(rule, found, text):
                yield rule.name


def _obeys(rule: LetterRule, found: re.Match[str], text: str) -> bool:
    bare = found[0].upper().translate(_SEPARATORS)
    if rule.name != "fi":  # there the hyphen stands for a century
        bare = bare.replace("-", "")
    near = rule.words is None or is_near(rule.words, text, *found.span())
    return near and rule.valid(bare)
