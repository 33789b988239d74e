"""Numbers by which states know people: their shapes, and what checks them. Those of digits alone.

A rule without ``words`` is strict enough to stand alone: by chance, at most one in a hundred of the
numbers of its shape passes. The others count where one of their words stands nearby.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from rung.core.check_digits import ean, luhn, mod11_10, verhoeff, weighted

Shape = tuple[int, ...]
"""How many digits stand between separators."""

_NEARBY = 60


@dataclass(frozen=True, slots=True)
class IdRule:
    """One country's number.

    ``valid`` is given its digits and the separators that stood between them. ``words``, if any, are
    one pattern.
    """

    name: str
    shapes: tuple[Shape, ...]
    valid: Callable[[str, str], bool]
    words: re.Pattern[str] | None = None


def is_near(wanted: re.Pattern[str], text: str, start: int, end: int) -> bool:
    """Whether one of ``wanted`` stands close to this part of ``text``."""
    around = text[max(0, start - _NEARBY) : end + _NEARBY]
    return wanted.search(around) is not None


def words(*wanted: str) -> re.Pattern[str]:
    """What finds any of these patterns where it stands as a word."""
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(wanted)})(?![^\W_])", re.IGNORECASE)


# ------------------------------------------------------------------ dates


def is_day(day: str, month: str) -> bool:
    """Whether these are a day's number and a month's."""
    return 1 <= int(day) <= 31 and 1 <= int(month) <= 12


def _yymmdd(digits: str) -> bool:
    return is_day(digits[4:6], digits[2:4])


def _ddmmyy(digits: str) -> bool:
    return is_day(digits[:2], digits[2:4])


# ------------------------------------------------------------------ countries


def _us(digits: str, marks: str) -> bool:
    """Social Security: no area 000 or 666, those from 900 are taxpayers' own numbers.

    https://www.ssa.gov/employer/randomizationfaqs.html
    """
    usual = digits[:3] not in {"000", "666"} and digits[3:5] != "00" and digits[5:] != "0000"
    return usual and marks in {"--", ""}


def _us_spaced(digits: str, _: str) -> bool:
    return _us(digits, "")


def _ca(digits: str, _: str) -> bool:
    return digits[0] != "8" and luhn(digits)


def _br(digits: str, _: str) -> bool:
    for length in (9, 10):
        rest = weighted(digits, range(length + 1, 1, -1)) * 10 % 11 % 10
        if rest != int(digits[length]):
            return False
    return len(set(digits)) > 1


def _de(digits: str, _: str) -> bool:
    """Of the first ten digits exactly one comes twice or three times."""
    times = sorted(Counter(digits[:10]).values(), reverse=True)
    return digits[0] != "0" and times[0] in {2, 3} and times[1] == 1 and mod11_10(digits)


def _pl(digits: str, _: str) -> bool:
    month = str(int(digits[2:4]) % 20)
    born = int(digits[2:4]) <= 32 and is_day(digits[4:6], month)
    return born and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _no(digits: str, _: str) -> bool:
    first = weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1))
    second = weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1))
    return _ddmmyy(digits) and first % 11 == 0 and second % 11 == 0


def _be(digits: str, _: str) -> bool:
    rest = 97 - int(digits[9:])
    return _yymmdd(digits) and rest in {int(digits[:9]) % 97, int("2" + digits[:9]) % 97}


def is_fr(digits: str, _: str) -> bool:
    """France's number; the Corsican departments have their letters replaced."""
    month = int(digits[3:5])
    person = digits[0] in "123478" and (1 <= month <= 12 or month >= 20)
    return person and 97 - int(digits[:13]) % 97 == int(digits[13:])


def _nl(digits: str, _: str) -> bool:
    return int(digits) > 0 and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _pt(digits: str, _: str) -> bool:
    rest = 11 - weighted(digits[:8], range(9, 1, -1)) % 11
    return digits[0] in "123" and (rest if rest < 10 else 0) == int(digits[8])


def _se(digits: str, marks: str) -> bool:
    short = digits[-10:]
    century = len(digits) == 10 or digits[:2] in {"18", "19", "20"}
    # Coordination numbers add 60 to the day.
    born = is_day(str(int(short[4:6]) % 60), short[2:4])
    return century and born and marks in {"-", "+", ""} and luhn(short)


def _dk(digits: str, _: str) -> bool:
    return _ddmmyy(digits)


def _cz(digits: str, marks: str) -> bool:
    month = str(int(digits[2:4]) % 50 % 20)
    return marks in {"/", ""} and is_day(digits[4:6], month) and int(digits) % 11 == 0


def _ch(digits: str, _: str) -> bool:
    return digits.startswith("756") and ean(digits)


def _at(digits: str, _: str) -> bool:
    rest = weighted(digits, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11
    return digits[0] != "0" and rest == int(digits[3]) and _ddmmyy(digits[4:])


def _tr(digits: str, _: str) -> bool:
    odd, even = weighted(digits[:9], (1, 0) * 5), weighted(digits[:8], (0, 1) * 4)
    tenth, last = (odd * 7 - even) % 10, sum(map(int, digits[:10])) % 10
    return digits[0] != "0" and [tenth, last] == [int(digits[9]), int(digits[10])]


def _kr(digits: str, marks: str) -> bool:
    """Numbers given since October 2020 have no check digit: there the hyphen has to do."""
    born = _yymmdd(digits) and digits[6] in "12345678"
    checked = (11 - weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return born and (marks == "-" or checked == int(digits[12]))


def _jp(digits: str, _: str) -> bool:
    rest = weighted(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (11 - rest if rest > 1 else 0) == int(digits[11])


def _aadhaar(digits: str, _: str) -> bool:
    return digits[0] not in "01" and verhoeff(digits)


def _za(digits: str, _: str) -> bool:
    return _yymmdd(digits) and digits[10] in "01" and luhn(digits)


def _au(digits: str, _: str) -> bool:
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _nhs(digits: str, _: str) -> bool:
    return (11 - weighted(digits, range(10, 1, -1)) % 11) % 11 == int(digits[9])


def _ar(digits: str, _: str) -> bool:
    person = digits[:2] in {"20", "23", "24", "27"}
    return person and weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def _hr(digits: str, _: str) -> bool:
    return mod11_10(digits)


def _il(digits: str, _: str) -> bool:
    return int(digits) > 0 and luhn(digits)


def _ro(digits: str, _: str) -> bool:
    rest = weighted(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    born = digits[0] in "12345678" and _yymmdd(digits[1:])
    return born and (rest if rest < 10 else 1) == int(digits[12])


def _gr(digits: str, _: str) -> bool:
    return _ddmmyy(digits) and luhn(digits)


_JAPANESE = re.compile("my ?number|\u756a\u53f7|\u30de\u30a4", re.IGNORECASE)

ID_RULES = (
    IdRule("us", ((3, 2, 4),), _us),
    IdRule("us", ((3, 2, 4), (9,)), _us_spaced, words("ssn", "itin", "social security")),
    IdRule("ca", ((3, 3, 3), (9,)), _ca, words("sin", "social insurance", "assurance sociale")),
    IdRule("br", ((3, 3, 3, 2), (9, 2), (11,)), _br),
    IdRule("de", ((11,), (2, 3, 3, 3), (2, 3, 5)), _de),
    IdRule("pl", ((11,),), _pl),
    IdRule("no", ((11,), (6, 5)), _no),
    IdRule("be", ((11,), (2, 2, 2, 3, 2), (6, 3, 2)), _be),
    IdRule("fr", ((15,), (13, 2), (1, 2, 2, 2, 3, 3, 2)), is_fr),
    IdRule(
        "nl",
        ((9,), (4, 2, 3), (3, 3, 3)),
        _nl,
        words("bsn", "burgerservicenummer", "sofinummer", "citizen service number"),
    ),
    IdRule("pt", ((9,), (3, 3, 3)), _pt, words("nif", "contribuinte", "n[.\xba]? ?fiscal")),
    IdRule("se", ((6, 4), (8, 4), (12,)), _se),
    IdRule("se", ((10,),), _se, words("personnummer", "pnr", "personal number")),
    IdRule("dk", ((6, 4), (10,)), _dk, words("cpr", "cpr-?nummer", "personnummer")),
    IdRule(
        "cz",
        ((6, 4), (10,)),
        _cz,
        words("rodn[\xe9e] ?[c\u010d][i\xed]slo", "r[.\x10d]? ?[c\u010d][.]?", "birth number"),
    ),
    IdRule("ch", ((3, 4, 4, 2), (13,)), _ch),
    IdRule(
        "at",
        ((10,), (4, 6)),
        _at,
        words("svnr", "sv-nummer", "sozialversicherungsnummer", "versicherungsnummer"),
    ),
    IdRule("tr", ((11,),), _tr, words("tckn", r"t\.?c\.?", "kimlik", "kimlik no")),
    IdRule("kr", ((6, 7), (13,)), _kr),
    IdRule(
        "jp",
        ((12,), (4, 4, 4)),
        _jp,
        _JAPANESE,
    ),
    IdRule("in", ((12,), (4, 4, 4)), _aadhaar, words("aadhaar", "aadhar", "uidai", "uid")),
    IdRule("za", ((13,), (6, 4, 3), (6, 4, 2, 1)), _za),
    IdRule("au", ((9,), (3, 3, 3)), _au, words("tfn", "tax file number")),
    IdRule("uk", ((10,), (3, 3, 4)), _nhs, words("nhs", "nhs number", "nhs no")),
    IdRule("ar", ((2, 8, 1), (11,)), _ar),
    IdRule(
        "hr",
        ((11,),),
        _hr,
        words(
            "oib",
        ),
    ),
    IdRule("il", ((9,),), _il, words("teudat zehut", "israeli id", "id number")),
    IdRule("ro", ((13,),), _ro),
    IdRule("gr", ((11,),), _gr),
)
"""All rules on digits alone."""
